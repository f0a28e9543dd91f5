package peerstate

import (
	"maps"
	"slices"

	"starling/internal/media"
	"starling/internal/peerwire"
)

// neighbour is another viewer with a connection to this one, or one that had.
type neighbour struct {
	id         string
	up, banned bool
	probe      Probe
	mute       bool // it did not answer a probe
	load       int  // chunks asked of it and outstanding
	trust      Trust
	children   []*subscription // what it gets pushed, one of each track
	skips      skips           // what it is not to be pushed
	headerless map[uint8]bool  // whether it was told to push a track without headers
}

// subscription is what one child gets of one track.
type subscription struct {
	track  uint8
	slices peerwire.SliceMask
	from   [peerwire.MaxSlices]media.PartID
	order  [peerwire.MaxSlices]uint64 // when they were taken on, counted
	// headerless: the headers come to it from somebody else.
	headerless bool
}

// subscribed gives the slices of the part that the neighbour is to be pushed.
func (n *neighbour) subscribed(k Key) peerwire.SliceMask {
	c := n.child(k.Track)
	if c == nil {
		return 0
	}
	m := c.slices
	for s := 0; c.slices>>s != 0; s++ {
		if m.Has(s) && before(k.ID, c.from[s]) {
			m &^= 1 << s
		}
	}
	return m
}

// child is what the neighbour gets of a track; nil when it never asked.
func (n *neighbour) child(track uint8) *subscription {
	for _, c := range n.children {
		if c.track == track {
			return c
		}
	}
	return nil
}

// neighbours are few and in order of their ids, so that the same events give
// the same actions.
func (v *Viewer) find(id string) (int, bool) { return slices.BinarySearch(v.ids, id) }

// known finds a neighbour; nil when there is none of that id.
func (v *Viewer) known(id string) *neighbour {
	for i, x := range v.ids { // few: faster than halving
		if x == id {
			return v.neighbours[i]
		}
	}
	return nil
}

// neighbour finds or makes a neighbour.
func (v *Viewer) neighbour(id string) *neighbour {
	if n := v.known(id); n != nil {
		return n
	}
	i, _ := v.find(id)
	n := &neighbour{id: id}
	v.neighbours, v.ids = slices.Insert(v.neighbours, i, n), slices.Insert(v.ids, i, id)
	return n
}

// NeighbourUp tells that the connection to a neighbour works in both
// directions, or with Edge that the feed does.
func (v *Viewer) NeighbourUp(id string, now int64) []Action {
	v.begin()
	v.stale()
	if id == Edge {
		v.edgeDown = false
		return nil
	}
	if n := v.neighbour(id); !n.banned {
		n.up = true
	}
	for _, t := range v.tracks {
		v.reconsider(t, now)
	}
	return v.out
}

// NeighbourGone tells that a neighbour is no more: lost says why for the
// tracker, empty when the tracker need not know. For Edge it tells that the
// feed does not work for now; its subscriptions stay and are renewed by the
// shell.
func (v *Viewer) NeighbourGone(id, lost string, now int64) []Action {
	v.begin()
	if id == Edge {
		v.edgeDown = true
		v.stale()
		return nil
	}
	n := v.known(id)
	if n == nil || !n.up {
		if lost != "" {
			v.emit(Action{Kind: ReportLost, Peer: id, Lost: lost})
		}
		return v.out
	}
	v.leave(id, now)
	if lost != "" {
		v.emit(Action{Kind: ReportLost, Peer: id, Lost: lost})
	}
	return v.out
}

// leave takes a neighbour out of everything and replaces it at once.
func (v *Viewer) leave(id string, now int64) {
	n := v.known(id)
	n.up, n.mute, n.probe = false, false, Probe{}
	v.stale()
	n.load, n.children, n.headerless, n.skips = 0, nil, nil, skips{}
	for _, t := range v.tracks {
		for _, p := range t.parts {
			p.Pending = slices.DeleteFunc(p.Pending, func(q Pending) bool { return q.From == id })
			p.Neighbours = slices.DeleteFunc(p.Neighbours, func(h Holder) bool { return h.ID == id })
		}
		for s := range t.slices {
			if t.slices[s].old == id {
				t.slices[s].old = ""
			}
		}
		v.reconsider(t, now)
	}
	v.forget(now)
}

// forget drops what is held against neighbours that are gone once it is over,
// so that a long session does not gather all that it ever met.
func (v *Viewer) forget(now int64) {
	for i := 0; i < len(v.neighbours); i++ {
		if n := v.neighbours[i]; !n.up && !n.banned && n.children == nil && n.load == 0 && n.trust.clean(now) {
			v.neighbours, v.ids = slices.Delete(v.neighbours, i, i+1), slices.Delete(v.ids, i, i+1)
			i--
		}
	}
	for _, t := range v.tracks {
		for s := range t.slices {
			if len(t.slices[s].avoid) == 0 {
				continue
			}
			maps.DeleteFunc(t.slices[s].avoid, func(_ string, a avoided) bool { return now >= a.until })
			if len(t.slices[s].avoid) == 0 {
				t.slices[s].avoid = nil
			}
		}
	}
}

// Banned reports whether a peer was caught sending wrong bytes.
func (v *Viewer) Banned(id string) bool {
	n := v.known(id)
	return n != nil && n.banned
}

// Ban excludes a peer that the tracker banned.
func (v *Viewer) Ban(id string, now int64) []Action {
	v.begin()
	v.neighbour(id).banned = true
	v.leave(id, now)
	return v.out
}

// Subscribed tells that a neighbour wants slices pushed. What is beyond the
// uplink is refused; of the rest, what is already there is sent at once.
func (v *Viewer) Subscribed(id string, number uint8, mask peerwire.SliceMask, from media.PartID, now int64) []Action {
	v.begin()
	t := v.track(number)
	n := v.neighbour(id)
	if t == nil || n.banned {
		v.emit(Action{Kind: Refuse, Peer: id, Key: Key{Track: number}, Slices: mask, Reason: peerwire.ReasonAbsent})
		return v.out
	}
	if from.MSN == 0 {
		from = t.after()
	}
	mask &= peerwire.AllSlices(t.Slices)
	var refused, added peerwire.SliceMask
	for s := range t.Slices {
		if !mask.Has(s) || n.subscription(number).slices.Has(s) {
			continue
		}
		if v.committed()+v.cost(t) > v.uplink {
			refused = refused.With(s)
			continue
		}
		c := n.subscription(number)
		v.joined++
		c.slices, c.from[s], c.order[s] = c.slices.With(s), from, v.joined
		added = added.With(s)
	}
	if refused != 0 {
		v.emit(Action{Kind: Refuse, Peer: id, Key: Key{Track: number}, Slices: refused, Reason: peerwire.ReasonBusy})
	}
	if added != 0 {
		t.stale = true
		v.backlog(t, id, added, from)
	}
	return v.out
}

func (n *neighbour) subscription(number uint8) *subscription {
	c := n.child(number)
	if c == nil {
		c = &subscription{track: number}
		n.children = append(n.children, c)
	}
	return c
}

// backlog sends what is already there of the parts that a new child wants.
func (v *Viewer) backlog(t *track, id string, added peerwire.SliceMask, from media.PartID) {
	for _, p := range t.parts {
		if !p.Header || before(p.key.ID, from) {
			continue
		}
		n := v.neighbour(id)
		if !n.subscription(t.Number).headerless {
			v.emit(Action{Kind: ForwardHeader, Peer: id, Key: p.key})
		}
		for i := 0; i < p.Have.Len(); i++ {
			if p.Have.Has(i) && !n.skips.has(p.key, i, i+1) && added.Has(media.SliceOf(p.Have.Len(), t.Slices, i)) {
				v.serve(id, p.key, i)
			}
		}
	}
}

// serve sends one chunk, joined to the run before it when there is one.
func (v *Viewer) serve(id string, k Key, chunk int) {
	if i := len(v.out) - 1; i >= 0 {
		if a := &v.out[i]; a.Kind == Forward && a.Peer == id && a.Key == k && a.First+a.Count == chunk {
			a.Count++
			return
		}
	}
	v.emit(Action{Kind: Forward, Peer: id, Key: k, First: chunk, Count: 1})
}

// cost is what pushing one slice takes of the uplink, with a quarter to spare
// for repairs and bursts. The tracker plans with 2: the rest is for children
// that come over from a lost parent before the tracker knows.
func (v *Viewer) cost(t *track) int { return t.Bitrate / max(t.Slices, 1) * 5 / 4 }

func (v *Viewer) committed() int {
	sum := 0
	for _, n := range v.neighbours {
		sum += v.committedTo(n)
	}
	return sum
}

func (v *Viewer) committedTo(n *neighbour) int {
	sum := 0
	for _, c := range n.children {
		if t := v.track(c.track); t != nil {
			sum += c.slices.Count() * v.cost(t)
		}
	}
	return sum
}

// Committed is what a neighbour is pushed, in bit/s, with the quarter to spare.
func (v *Viewer) Committed(id string) int {
	if n := v.known(id); n != nil {
		return v.committedTo(n)
	}
	return 0
}

// Unsubscribed tells that a neighbour wants slices no more.
func (v *Viewer) Unsubscribed(id string, number uint8, mask peerwire.SliceMask) {
	if n := v.known(id); n != nil && n.child(number) != nil {
		n.child(number).slices &^= mask
		v.stale()
	}
}

// Requested tells that a neighbour asks for chunks: those held are sent and
// the rest is refused.
func (v *Viewer) Requested(id string, k Key, first, count int) []Action {
	v.begin()
	have := v.Held(k)
	if have == nil || v.uplink == 0 || v.Banned(id) {
		why := peerwire.ReasonAbsent
		if v.uplink == 0 {
			why = peerwire.ReasonBusy
		}
		v.emit(Action{Kind: Refuse, Peer: id, Key: k, First: first, Count: count, Reason: why})
		return v.out
	}
	v.emit(Action{Kind: ForwardHeader, Peer: id, Key: k})
	for i := first; i < first+count; i++ {
		if have.Has(i) {
			v.serve(id, k, i)
			continue
		}
		if a := &v.out[len(v.out)-1]; a.Kind == Refuse && a.First+a.Count == i {
			a.Count++
		} else {
			v.emit(Action{Kind: Refuse, Peer: id, Key: k, First: i, Count: 1, Reason: peerwire.ReasonAbsent})
		}
	}
	return v.out
}

// SetUplink changes what may be sent to children, in bit/s. Slices beyond it
// are taken from the children that came last.
func (v *Viewer) SetUplink(bits int) []Action {
	v.begin()
	v.uplink = bits
	v.stale()
	for v.committed() > v.uplink {
		var last *subscription
		id := ""
		slice, newest := 0, uint64(0)
		for _, n := range v.neighbours {
			for _, c := range n.children {
				for s := range c.order {
					if c.slices.Has(s) && c.order[s] > newest && v.track(c.track) != nil {
						last, id, slice, newest = c, n.id, s, c.order[s]
					}
				}
			}
		}
		if last == nil {
			break
		}
		last.slices &^= 1 << slice
		v.change(Action{Kind: Refuse, Peer: id, Key: Key{Track: last.track}, Slices: peerwire.SliceMask(0).With(slice), Reason: peerwire.ReasonBusy})
	}
	return v.out
}
