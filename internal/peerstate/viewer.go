package peerstate

import (
	"slices"

	"starling/internal/media"
	"starling/internal/peerwire"
)

// Viewer is the state of one viewer: the parts it receives, its neighbours,
// and who gets what from whom. Methods are events; they return the actions to
// take, which are valid until the next call. Times are milliseconds on the
// caller's monotonic clock. It is not for concurrent use.
type Viewer struct {
	rules      Rules
	uplink     int // bit/s for children
	tracks     []*track
	neighbours []*neighbour // by id
	ids        []string     // theirs, in the same order
	edgeDown   bool         // the feed is known to fail
	strain     Strain
	retreat    Retreat
	fairness   Fairness
	edge       EdgeRate
	fetching   int    // bytes that the edge was asked for and has not brought
	joined     uint64 // subscriptions of children, counted
	out        []Action
	steps      []Step // scratch
	headed     []Headed
}

// track is a wanted track: its slices' sources and its parts in order.
type track struct {
	Track
	slices []source
	parts  []*part
	whole  int          // of parts, how many from the first on are delivered
	keep   int64        // nothing is to be retired before that time
	floor  media.PartID // parts before it are over
	// Who sends the headers; empty: every source.
	headers      string
	headerMisses int
	stale        bool // the choice of the header source is to be looked at
	assigned     bool // the tracker has named sources
}

// part is a part that is being received or held for others.
type part struct {
	PartState
	key       Key
	size      int // bytes, 0 while it is not known
	delivered bool
	pushed    uint32 // slices of which the source sent a chunk
	late      uint32 // slices that were repaired although their source was up
	had       uint32 // of those, where the source had announced the part
	firstAny  int64  // first chunk of any slice
	gone      []string
	cancelled []cancelled
	// Chunks that came before the header: since when, from whom, and when
	// the next of them is asked for it.
	earlyAt, wantAt int64
	early           []string
	wanted          bool
}

// New makes a viewer with no track and no neighbour. uplink is what it may
// send to children in bit/s; 0 means none.
func New(rules Rules, uplink int) *Viewer {
	return &Viewer{rules: rules.withDefaults(), uplink: uplink, edge: NewEdgeRate()}
}

// Seed spreads this viewer's retreats in time against those of others.
func (v *Viewer) Seed(seed uint32) { v.retreat = NewRetreat(seed) }

func (v *Viewer) begin() { v.out = v.out[:0] }

func (v *Viewer) emit(a Action) { v.out = append(v.out, a) }

func (v *Viewer) track(n uint8) *track {
	for _, t := range v.tracks {
		if t.Number == n {
			return t
		}
	}
	return nil
}

// part finds a part; nil when it is unknown or over.
func (t *track) part(id media.PartID) *part {
	i, ok := t.find(id)
	if !ok {
		return nil
	}
	return t.parts[i]
}

// find gives the place of a part, mostly one of the last.
func (t *track) find(id media.PartID) (at int, ok bool) {
	for i := len(t.parts) - 1; i >= 0; i-- {
		if p := t.parts[i].key.ID; p == id {
			return i, true
		} else if before(p, id) {
			return i + 1, false
		}
	}
	return 0, false
}

// after is an id that no known part reaches: the next one to begin.
func (t *track) after() media.PartID {
	if len(t.parts) == 0 {
		return maxID(t.From, t.floor)
	}
	id := t.parts[len(t.parts)-1].key.ID
	return media.PartID{MSN: id.MSN, Index: id.Index + 1}
}

func before(a, b media.PartID) bool { return a.MSN < b.MSN || a.MSN == b.MSN && a.Index < b.Index }

func maxID(a, b media.PartID) media.PartID {
	if before(a, b) {
		return b
	}
	return a
}

// Exists tells that a part exists: a playlist lists it, a neighbour announced
// it, or a later part came. A known part only gets the new deadline.
func (v *Viewer) Exists(k Key, deadline, now int64) []Action {
	v.begin()
	v.ensure(k, deadline, now)
	return v.out
}

func (v *Viewer) ensure(k Key, deadline, now int64) *part {
	t := v.track(k.Track)
	if t == nil || k.ID.Compare(t.From) < 0 || k.ID.Compare(t.floor) < 0 {
		return nil
	}
	i, ok := t.find(k.ID)
	if ok {
		if deadline != 0 {
			t.parts[i].Deadline, t.keep = deadline, min(t.keep, deadline)
		}
		return t.parts[i]
	}
	if deadline == 0 {
		deadline = now + v.rules.UsefulMS/4
	}
	p := &part{key: k, PartState: PartState{SeenAt: now, Deadline: deadline, Slices: make([]SliceState, t.Slices)}}
	for s := range p.Slices {
		p.Slices[s].Since = now
	}
	t.parts = slices.Insert(t.parts, i, p)
	t.whole, t.keep = min(t.whole, i), min(t.keep, deadline)
	return p
}

// open gives the parts from the first on that is not delivered: those before it
// are held for others, and ask for nothing.
func (t *track) open() []*part {
	for t.whole < len(t.parts) && t.parts[t.whole].delivered {
		t.whole++
	}
	return t.parts[t.whole:]
}

// Header tells that the part's header came from a neighbour or the edge and
// that its signature verifies; chunks is its number of chunks.
func (v *Viewer) Header(k Key, chunks int, from string, deadline, now int64) []Action {
	v.begin()
	p := v.ensure(k, deadline, now)
	if p == nil || p.Header {
		return v.out
	}
	p.Header, p.Have = true, NewBitmap(chunks)
	v.track(k.Track).noteHeader(p, from)
	p.Neighbours = slices.DeleteFunc(p.Neighbours, func(h Holder) bool { return h.Has.Len() != chunks })
	for _, n := range v.neighbours {
		// A header that had to be asked for is late: then nobody waits for another.
		if n.id != from && n.subscribed(k) != 0 && (p.wanted || !n.child(k.Track).headerless) && !n.skips.has(k, 0, chunks) {
			v.emit(Action{Kind: ForwardHeader, Peer: n.id, Key: k})
		}
	}
	v.settle(v.track(k.Track), p, now)
	return v.out
}

// Chunk tells that a chunk came, after it was checked against the header: ok
// says with what result. Chunks without a header are not for this method.
func (v *Viewer) Chunk(k Key, chunk int, from string, ok bool, now int64) (Verdict, []Action) {
	v.begin()
	if !ok {
		v.bad(k, chunk, from, now)
		return Rejected, v.out
	}
	t := v.track(k.Track)
	if t == nil {
		return Unwanted, nil
	}
	p := t.part(k.ID)
	if p == nil || !p.Header || chunk < 0 || chunk >= p.Have.Len() {
		return Unwanted, nil
	}
	s := media.SliceOf(p.Have.Len(), t.Slices, chunk)
	fresh := p.Have.Set(chunk)
	v.answered(p, chunk, from)
	v.noteSource(t, p, s, from, fresh, now)
	if !fresh {
		return Duplicate, v.out
	}
	for _, n := range v.neighbours {
		if n.id != from && n.subscribed(k).Has(s) && !n.skips.has(k, chunk, chunk+1) {
			v.emit(Action{Kind: Forward, Peer: n.id, Key: k, First: chunk, Count: 1})
		}
	}
	v.settle(t, p, now)
	return Useful, v.out
}

// noteSource keeps the times and the record of the slice's source.
func (v *Viewer) noteSource(t *track, p *part, s int, from string, fresh bool, now int64) {
	src, sl := &t.slices[s], &p.Slices[s]
	if from == src.id && !before(p.key.ID, src.from) && p.pushed&(1<<s) == 0 {
		p.pushed |= 1 << s
		src.missed, src.withheld, src.hasty = 0, false, 0
		if fresh && sl.First == 0 && p.firstAny != 0 {
			src.lag = min(src.lag+(now-p.firstAny-src.lag)/4, maxLagMS)
		}
		if src.pushedAt == 0 || before(src.pushedID, p.key.ID) {
			src.pushedAt, src.pushedID = now, p.key.ID
		}
		if src.until.MSN == 0 { // else the feed may still be on the way with what is before
			v.release(t, s)
		}
	}
	if !fresh {
		return
	}
	first := now
	if p.earlyAt != 0 { // it waited for the header
		first = p.earlyAt
	}
	if p.firstAny == 0 {
		p.firstAny = first
	}
	if sl.First == 0 {
		sl.First = first
	}
	sl.Last = now
}

// maxLagMS bounds what a slow tree may delay the discovery of a silent parent.
const maxLagMS = 200

// settle delivers a complete part and ends handovers that waited for it.
func (v *Viewer) settle(t *track, p *part, now int64) {
	for s := range t.slices {
		v.finishHandover(t, s)
	}
	if p.delivered || !p.Header || !p.Have.Full() {
		return
	}
	p.delivered = true
	for s := range t.slices {
		src := &t.slices[s]
		if first, end := media.SliceChunks(p.Have.Len(), t.Slices, s); first < end && src.id != Edge && p.pushed&(1<<s) == 0 && !before(p.key.ID, src.from) {
			src.missed++
			src.withheld = src.withheld || p.had>>s&1 == 1
		}
	}
	v.judge(t, p, now)
	for len(p.Pending) > 0 {
		v.dropPending(p, 0, true)
	}
	v.emit(Action{Kind: Deliver, Key: p.key})
	v.emit(Action{Kind: Announce, Key: p.key, Count: p.Have.Len()})
}

// Plain tells that the whole part came from the edge by HTTP without a header:
// it can be played, since the edge is trusted over TLS, but not passed on.
func (v *Viewer) Plain(k Key, now int64) []Action {
	v.begin()
	t := v.track(k.Track)
	if t == nil {
		return nil
	}
	if p := t.part(k.ID); p != nil && !p.delivered {
		p.delivered = true
		p.Pending = nil
		v.judge(t, p, now)
		v.emit(Action{Kind: Deliver, Key: k})
		for s := range t.slices {
			v.finishHandover(t, s)
		}
	}
	return v.out
}

// Held reports which chunks of a part are there; nil when it is unknown or
// its header is not there.
func (v *Viewer) Held(k Key) *Bitmap {
	if t := v.track(k.Track); t != nil {
		if p := t.part(k.ID); p != nil && p.Header {
			return &p.Have
		}
	}
	return nil
}

// Knows reports whether the part is known to exist, or over.
func (v *Viewer) Knows(k Key) bool {
	t := v.track(k.Track)
	return t == nil || k.ID.Compare(t.From) < 0 || k.ID.Compare(t.floor) < 0 || t.part(k.ID) != nil
}

// Tick carries out what time alone brings: repairs, switches, and the end of
// old parts. It is to be called every 20 to 50 ms.
func (v *Viewer) Tick(now int64) []Action {
	v.begin()
	if v.probe(now) { // before the repairs: whoever takes over is waited for
		for _, t := range v.tracks {
			v.reconsider(t, now)
		}
	}
	v.countFetching()
	for _, t := range v.tracks {
		v.awaitParents(t, now)
		for _, p := range t.open() {
			if !p.delivered {
				v.want(p, now)
				v.repair(t, p, now)
			}
		}
		v.retire(t, now)
	}
	v.shed(now)
	v.forget(now)
	for _, t := range v.tracks {
		v.reconsider(t, now)
	}
	return v.out
}

// retire forgets parts whose use for this viewer and its neighbours is over.
func (v *Viewer) retire(t *track, now int64) {
	if now < t.keep {
		return
	}
	n := 0
	for n < len(t.parts) && now-t.parts[n].Deadline >= v.rules.UsefulMS {
		p := t.parts[n]
		kind := Drop
		if !p.delivered {
			kind = GiveUp
		}
		for len(p.Pending) > 0 {
			v.dropPending(p, 0, true)
		}
		v.emit(Action{Kind: kind, Key: p.key})
		t.floor = media.PartID{MSN: p.key.ID.MSN, Index: p.key.ID.Index + 1}
		n++
	}
	t.parts = slices.Delete(t.parts, 0, n)
	t.whole = max(t.whole-n, 0)
	if len(t.parts) > 0 {
		t.keep = t.parts[0].Deadline + v.rules.UsefulMS
	}
}

// bad bans the sender of wrong bytes. The edge is not a peer: its bytes are
// simply fetched again.
func (v *Viewer) bad(k Key, chunk int, from string, now int64) {
	if from == Edge {
		return
	}
	v.emit(Action{Kind: ReportBad, Peer: from, Key: k, First: chunk, Reason: peerwire.ReasonBadData})
	n := v.neighbour(from)
	n.banned = true
	v.leave(from, now)
}
