package peerstate

import (
	"slices"

	"starling/internal/media"
	"starling/internal/peerwire"
)

// source is where one slice of a track comes from.
type source struct {
	parent, backup string // as assigned
	id             string // who pushes it now
	from           media.PartID
	// until is where the feed's subscription ends, MSN 0 when it does not;
	// awaitedAt is when the wait for a parent began.
	until     media.PartID
	awaitedAt int64
	// old still pushes the parts before from, during a planned handover.
	old      string
	lag      int64
	missed   int
	avoid    map[string]avoided // who is not used for this slice; nil: nobody
	withheld bool               // it had announced one of the parts that it missed
	damage   int                // parts that its source sent badly, as damaged counts
	late     int64              // share of parts late, of One
	// resigned: the slice was given up to the edge.
	resigned bool
	movedAt  int64 // when the source became it
	// hasty is when the source took over from one that was lost, until it
	// pushes something.
	hasty    int64
	pushedAt int64 // first chunk of the newest part that it pushed, 0 before
	pushedID media.PartID
}

// avoided is a neighbour that was left for a slice.
type avoided struct {
	until  int64
	leftAt int64 // when it was left as mute, 0 otherwise
}

// shun leaves a neighbour out for a while.
func (src *source) shun(id string, a avoided) {
	if src.avoid == nil {
		src.avoid = map[string]avoided{}
	}
	src.avoid[id] = a
}

// blame leaves the source of a slice for a while, and for longer each time.
func (v *Viewer) blame(src *source, now int64) {
	n := v.known(src.id)
	if n == nil || !n.up || n.banned || now < src.avoid[src.id].until {
		return
	}
	wait, report := n.trust.Strike(now)
	src.shun(src.id, avoided{until: now + wait})
	if report {
		v.emit(Action{Kind: ReportLost, Peer: n.id, Lost: LostSlow})
	}
}

// depart leaves the source of a slice that did not do its part: with blame when
// it had what it did not send, for a while otherwise, since it may be a victim.
func (v *Viewer) depart(src *source, had bool, now int64) {
	if had {
		v.blame(src, now)
	} else if v.usable(src, src.id, now) && src.id != Edge {
		src.shun(src.id, avoided{until: now + refusedMS})
	}
}

// SetTracks replaces the tracks that the viewer wants. A new track is taken
// from the edge until an assignment names other sources.
func (v *Viewer) SetTracks(want []Track, now int64) []Action {
	v.begin()
	var keep []*track
	for _, w := range want {
		if t := v.track(w.Number); t != nil {
			keep = append(keep, t)
			continue
		}
		t := &track{Track: w, slices: make([]source, w.Slices)}
		for s := range t.slices {
			t.slices[s] = source{parent: Edge, backup: Edge, id: Edge, from: w.From, until: w.Until}
		}
		keep = append(keep, t)
		v.emit(Action{Kind: Subscribe, Peer: Edge, Key: Key{w.Number, w.From}, Slices: peerwire.AllSlices(w.Slices), Until: w.Until})
	}
	for _, t := range v.tracks {
		if slices.Contains(keep, t) {
			continue
		}
		for s := range t.slices {
			v.unsubscribe(t, s, t.slices[s].id)
			v.unsubscribe(t, s, t.slices[s].old)
		}
		for _, p := range t.parts {
			for len(p.Pending) > 0 {
				v.dropPending(p, 0, true)
			}
			v.emit(Action{Kind: Drop, Key: p.key})
		}
	}
	v.tracks = keep
	return v.out
}

// Assign gives the tracker's sources for each slice of a track.
func (v *Viewer) Assign(number uint8, assigned []SliceSource, now int64) []Action {
	v.begin()
	t := v.track(number)
	if t == nil {
		return nil
	}
	for s := range t.slices {
		if s < len(assigned) {
			t.slices[s].parent, t.slices[s].backup = assigned[s].Parent, assigned[s].Backup
		}
	}
	t.assigned = true
	v.reconsider(t, now)
	v.awaitParents(t, now)
	return v.out
}

// usable reports whether id could push the slice now.
func (v *Viewer) usable(src *source, id string, now int64) bool {
	if id == Edge {
		return !v.edgeDown
	}
	n := v.known(id)
	return n != nil && n.up && !n.mute && !n.banned && now >= src.avoid[id].until
}

// backup is who takes over when the source fails: the assigned backup, or the
// assigned parent while the backup is the source.
func (v *Viewer) backup(src *source, now int64) string {
	for _, id := range []string{src.parent, src.backup} {
		if id != src.id && id != "" && id != Edge && v.usable(src, id, now) {
			return id
		}
	}
	return Edge
}

// reconsider moves each slice to its assigned parent as soon as that is
// connected, without a gap.
func (v *Viewer) reconsider(t *track, now int64) {
	for s := range t.slices {
		src := &t.slices[s]
		awaited := v.stranded(t, s, now)
		switch {
		case src.resigned && !v.edgeDown:
			if src.id != Edge {
				v.move(t, s, Edge, !v.usable(src, src.id, now), now)
			}
		case src.id != Edge && !v.usable(src, src.id, now):
			v.move(t, s, v.backup(src, now), true, now)
		case src.parent != "" && src.id != src.parent && v.usable(src, src.parent, now):
			v.move(t, s, src.parent, awaited != nil, now)
		case awaited != nil:
			// It may have lost the same parent, and wait for a third, or for us.
			v.depart(src, awaited.Header && v.Announced(src.id, awaited.key, awaited.Have.Len()), now)
			v.move(t, s, Edge, true, now)
		}
	}
	v.elect(t, now)
}

// EdgeBacksUp reports whether the feed is to take over when a parent is lost.
func (v *Viewer) EdgeBacksUp() bool {
	for _, t := range v.tracks {
		for s := range t.slices {
			if src := &t.slices[s]; src.backup == Edge && src.parent != Edge {
				return true
			}
		}
	}
	return false
}

// strandedMS beyond two round trips a backup gets to begin.
const strandedMS = 250

// stranded gives a part that the neighbour that took over from a lost source
// should have begun to push, when it has nothing either.
func (v *Viewer) stranded(t *track, s int, now int64) *part {
	src := &t.slices[s]
	if src.hasty == 0 || src.id == Edge || v.edgeDown || v.strain.Active() {
		return nil
	}
	wait := int64(strandedMS)
	if n := v.known(src.id); n != nil {
		wait += 2 * n.probe.RTT
	}
	for _, p := range t.open() {
		if now-max(p.SeenAt, src.hasty) >= wait && !before(p.key.ID, src.from) && !p.sliceHeld(t, s) {
			return p
		}
	}
	return nil
}

// move changes the source of a slice. An urgent move takes all that is
// missing from the new one; a planned move begins with the next part, and the
// old source ends when it has sent what is before.
func (v *Viewer) move(t *track, s int, to string, urgent bool, now int64) {
	src := &t.slices[s]
	if to == src.id {
		return
	}
	t.stale = true
	if to == src.old { // still subscribed there
		v.unsubscribe(t, s, src.id)
		if from := src.until; to == Edge && from.MSN != 0 { // it has ended there
			src.until = media.PartID{}
			v.subscribe(t, s, Edge, from)
		}
		src.id, src.old, src.from, src.missed, src.damage = to, "", t.From, 0, 0
		src.withheld, src.hasty = false, 0
		src.movedAt, src.pushedAt = now, 0
		return
	}
	v.unsubscribe(t, s, src.old)
	src.old = ""
	if urgent {
		v.unsubscribe(t, s, src.id)
		src.from = t.oldestMissing(s)
	} else {
		src.from, src.old = t.after(), src.id
		if src.id == Edge && src.until.MSN != 0 {
			src.from = src.until
		}
	}
	src.id, src.missed, src.lag, src.damage, src.movedAt, src.pushedAt = to, 0, 0, 0, now, 0
	src.withheld, src.hasty = false, 0
	if urgent && to != Edge {
		src.hasty = max(now, 1)
	}
	for _, p := range t.parts {
		if !p.delivered && !before(p.key.ID, src.from) {
			p.Slices[s].Since = now
			p.pushed &^= 1 << s
		}
	}
	v.tellHeld(t, s, to, src.from)
	v.subscribe(t, s, to, src.from)
	v.finishHandover(t, s)
}

// switchSource carries out a switch that Plan decided on for one part.
func (v *Viewer) switchSource(t *track, p *part, st Step, now int64) {
	src := &t.slices[st.Slice]
	if before(p.key.ID, src.from) { // the old source of a handover failed: repair does the rest
		if src.old != "" {
			v.unsubscribe(t, st.Slice, src.old)
			src.old = ""
		}
		return
	}
	v.depart(src, src.withheld, now)
	v.move(t, st.Slice, st.Peer, true, now)
}

// finishHandover ends the old source's subscription once every part before
// the new one's first has the slice.
func (v *Viewer) finishHandover(t *track, s int) {
	src := &t.slices[s]
	if src.old != "" && !before(t.oldestMissing(s), src.from) && (src.until.MSN == 0 || t.reaches(src.from)) {
		v.release(t, s)
	}
}

// release ends the old source of a slice.
func (v *Viewer) release(t *track, s int) {
	if src := &t.slices[s]; src.old != "" {
		v.unsubscribe(t, s, src.old)
		src.old = ""
	}
}

func (v *Viewer) subscribe(t *track, s int, to string, from media.PartID) {
	a := Action{Kind: Subscribe, Peer: to, Key: Key{t.Number, from}, Slices: peerwire.SliceMask(0).With(s), Flags: v.headerFlags(t, to)}
	if to == Edge {
		a.Until = t.slices[s].until
	}
	v.change(a)
}

// tellHeld tells a new source which chunks of the slice are there already.
func (v *Viewer) tellHeld(t *track, s int, to string, from media.PartID) {
	if to == Edge {
		return
	}
	for _, p := range t.parts {
		if p.delivered || !p.Header || before(p.key.ID, from) {
			continue
		}
		first, end := media.SliceChunks(p.Have.Len(), t.Slices, s)
		for i := first; i < end; i++ {
			run := i
			for i < end && p.Have.Has(i) {
				i++
			}
			if i > run {
				// Before the SUBSCRIBE, which may have been merged into an earlier one.
				v.out = slices.Insert(v.out, 0, Action{Kind: Cancel, Peer: to, Key: p.key, First: run, Count: i - run})
			}
		}
	}
}

func (v *Viewer) unsubscribe(t *track, s int, from string) {
	if from == "" || from != Edge && !v.neighbour(from).up {
		return
	}
	if from == Edge {
		t.slices[s].until = media.PartID{}
	}
	v.change(Action{Kind: Unsubscribe, Peer: from, Key: Key{Track: t.Number}, Slices: peerwire.SliceMask(0).With(s)})
}

// change merges subscriptions of several slices into one action.
func (v *Viewer) change(a Action) {
	for i := range v.out {
		if b := &v.out[i]; b.Kind == a.Kind && b.Peer == a.Peer && b.Key == a.Key && b.Until == a.Until {
			b.Slices |= a.Slices
			b.Flags = a.Flags
			return
		}
	}
	v.emit(a)
}

// SubscriptionRefused tells that a neighbour, or the feed, will not push
// slices.
func (v *Viewer) SubscriptionRefused(from string, number uint8, refused peerwire.SliceMask, now int64) []Action {
	v.begin()
	t := v.track(number)
	if t == nil || from == Edge {
		return nil
	}
	for s := range t.slices {
		src := &t.slices[s]
		if !refused.Has(s) || src.id != from && src.old != from {
			continue
		}
		if src.old == from {
			src.old = ""
			continue
		}
		src.shun(from, avoided{until: now + refusedMS})
		v.move(t, s, v.backup(src, now), true, now)
	}
	v.elect(t, now)
	return v.out
}

// Sources gives who pushes each slice of a track now.
func (v *Viewer) Sources(number uint8) []string {
	t := v.track(number)
	if t == nil {
		return nil
	}
	out := make([]string, len(t.slices))
	for s := range t.slices {
		out[s] = t.slices[s].id
	}
	return out
}
