package peerstate

import (
	"slices"
	"strings"

	"starling/internal/media"
	"starling/internal/peerwire"
)

// neighbour is another viewer with a connection to this one, or one that had.
type neighbour struct {
	id         string
	up, banned bool
	load       int // chunks asked of it and outstanding
	strikes    []int64
	grace      int64                   // ms that it may be late beyond the lag of its slices
	children   map[uint8]*subscription // what it gets pushed, by track
}

// subscription is what one child gets of one track.
type subscription struct {
	slices peerwire.SliceMask
	from   [peerwire.MaxSlices]media.PartID
}

// subscribed gives the slices of the part that the neighbour is to be pushed.
func (n *neighbour) subscribed(k Key) peerwire.SliceMask {
	if n.children == nil {
		return 0
	}
	c := n.children[k.Track]
	if c == nil {
		return 0
	}
	m := c.slices
	for s := range c.from {
		if m.Has(s) && before(k.ID, c.from[s]) {
			m &^= 1 << s
		}
	}
	return m
}

// strike counts a failure to push in time and reports whether it is one too
// many.
func (n *neighbour) strike(now int64) bool {
	n.strikes = append(slices.DeleteFunc(n.strikes, func(t int64) bool { return now-t > strikeWindowMS }), now)
	if len(n.strikes) < maxStrikes {
		return false
	}
	n.strikes = nil
	return true
}

// neighbours are few and in order of their ids, so that the same events give
// the same actions.
func (v *Viewer) find(id string) (int, bool) {
	return slices.BinarySearchFunc(v.neighbours, id, func(n *neighbour, id string) int { return strings.Compare(n.id, id) })
}

// known finds a neighbour; nil when there is none of that id.
func (v *Viewer) known(id string) *neighbour {
	if i, ok := v.find(id); ok {
		return v.neighbours[i]
	}
	return nil
}

// neighbour finds or makes a neighbour.
func (v *Viewer) neighbour(id string) *neighbour {
	i, ok := v.find(id)
	if !ok {
		v.neighbours = slices.Insert(v.neighbours, i, &neighbour{id: id})
	}
	return v.neighbours[i]
}

// NeighbourUp tells that the connection to a neighbour works in both
// directions, or with Edge that the feed does.
func (v *Viewer) NeighbourUp(id string, now int64) []Action {
	v.begin()
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
	n.up, n.load, n.children = false, 0, nil
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
	if !n.banned && len(n.strikes) == 0 {
		i, _ := v.find(id)
		v.neighbours = slices.Delete(v.neighbours, i, i+1)
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
		c.slices, c.from[s] = c.slices.With(s), from
		added = added.With(s)
	}
	if refused != 0 {
		v.emit(Action{Kind: Refuse, Peer: id, Key: Key{Track: number}, Slices: refused, Reason: peerwire.ReasonBusy})
	}
	if added != 0 {
		v.backlog(t, id, added, from)
	}
	return v.out
}

func (n *neighbour) subscription(number uint8) *subscription {
	if n.children == nil {
		n.children = map[uint8]*subscription{}
	}
	if n.children[number] == nil {
		n.children[number] = &subscription{}
	}
	return n.children[number]
}

// backlog sends what is already there of the parts that a new child wants.
func (v *Viewer) backlog(t *track, id string, added peerwire.SliceMask, from media.PartID) {
	for _, p := range t.parts {
		if !p.Header || before(p.key.ID, from) {
			continue
		}
		v.emit(Action{Kind: ForwardHeader, Peer: id, Key: p.key})
		for i := 0; i < p.Have.Len(); i++ {
			if p.Have.Has(i) && added.Has(media.SliceOf(p.Have.Len(), t.Slices, i)) {
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
		for number, c := range n.children {
			if t := v.track(number); t != nil {
				sum += c.slices.Count() * v.cost(t)
			}
		}
	}
	return sum
}

// Unsubscribed tells that a neighbour wants slices no more.
func (v *Viewer) Unsubscribed(id string, number uint8, mask peerwire.SliceMask) {
	if n := v.known(id); n != nil && n.children[number] != nil {
		n.children[number].slices &^= mask
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
