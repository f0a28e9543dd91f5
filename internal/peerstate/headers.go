package peerstate

import (
	"starling/internal/media"
	"starling/internal/peerwire"
)

// A track's headers come from one of its sources; the others push chunks
// alone. wantAfterMS after the first chunk without a header its sender is
// asked for it, then the next; after maxHeaderMisses such parts in a row
// another source is chosen.
const (
	wantAfterMS     = 40
	maxHeaderMisses = 2
)

// Headed is one slice as the choice of the header source sees it.
type Headed struct {
	Source   string // who pushes it; empty when nobody can
	Children int    // that it is passed on to
	Lag      int64  // ms behind the first slice of a part
}

// HeaderSource chooses who sends a track's headers: the feed when it pushes
// anything of the track, since it always sends them; else the source of the
// slice with the most children, so that the headers come by the way of the
// chunks that are to be passed on; of equals the one that does it now, then the
// one with the least lag, then the first. not is left out when there is
// another.
func HeaderSource(slices []Headed, now, not string) string {
	best := -1
	for s, x := range slices {
		if x.Source == Edge {
			return Edge
		}
		if x.Source == "" || x.Source == not {
			continue
		}
		if best < 0 || x.before(&slices[best], now) {
			best = s
		}
	}
	if best >= 0 {
		return slices[best].Source
	}
	for _, x := range slices {
		if x.Source != "" {
			return x.Source
		}
	}
	return ""
}

// before reports whether x is the better choice.
func (x *Headed) before(y *Headed, now string) bool {
	if x.Children != y.Children {
		return x.Children > y.Children
	}
	if (x.Source == now) != (y.Source == now) {
		return x.Source == now
	}
	return x.Lag < y.Lag
}

// elect keeps a header source for the track and tells the neighbours that push
// it whether to send headers.
func (v *Viewer) elect(t *track, now int64) {
	if !t.stale {
		return
	}
	t.stale = false
	all := v.headed[:0]
	for s := range t.slices {
		x := Headed{Source: t.slices[s].id, Lag: t.slices[s].lag}
		if !v.usable(&t.slices[s], x.Source, now) {
			x.Source = ""
		}
		for _, n := range v.neighbours {
			if c := n.child(t.Number); c != nil && c.slices.Has(s) {
				x.Children++
			}
		}
		all = append(all, x)
	}
	v.headed = all
	not := ""
	if t.headerMisses >= maxHeaderMisses {
		not, t.headerMisses = t.headers, 0
	}
	t.headers = HeaderSource(all, t.headers, not)
	for s := range all {
		id := all[s].Source
		if id == "" || id == Edge {
			continue
		}
		n := v.known(id)
		if told, ok := n.headerless[t.Number]; ok && told == (id != t.headers) {
			continue
		}
		v.subscribe(t, s, id, t.slices[s].from)
	}
}

// headerFlags are those of a SUBSCRIBE to a neighbour.
func (v *Viewer) headerFlags(t *track, to string) peerwire.SubscribeFlags {
	if to == Edge {
		return 0
	}
	without := t.headers != "" && t.headers != to
	n := v.neighbour(to)
	if n.headerless == nil {
		n.headerless = map[uint8]bool{}
	}
	n.headerless[t.Number] = without
	if without {
		return peerwire.NoHeaders
	}
	return 0
}

// Early tells that a chunk came before its part's header.
func (v *Viewer) Early(k Key, from string, now int64) []Action {
	v.begin()
	p := v.ensure(k, 0, now)
	if p == nil || p.Header {
		return nil
	}
	if p.earlyAt == 0 {
		p.earlyAt, p.wantAt = now, now+wantAfterMS
	}
	for _, id := range p.early {
		if id == from {
			return nil
		}
	}
	if from != Edge && len(p.early) < peerwire.MaxSlices {
		p.early = append(p.early, from)
	}
	return nil
}

// want asks for the header of a part of which chunks are there.
func (v *Viewer) want(p *part, now int64) {
	if p.Header || p.earlyAt == 0 || now < p.wantAt {
		return
	}
	for i, id := range p.early {
		if n := v.known(id); n != nil && n.up {
			p.early = append(p.early[:i:i], p.early[i+1:]...)
			p.wantAt, p.wanted = now+wantAfterMS, true
			v.emit(Action{Kind: WantHeader, Peer: id, Key: p.key})
			return
		}
	}
}

// noteHeader learns from a header whether the header source does its task.
func (t *track) noteHeader(p *part, from string) {
	switch {
	case from == t.headers:
		t.headerMisses = 0
	case p.wanted && t.headers != Edge && t.headers != "":
		t.headerMisses++
		t.stale = t.stale || t.headerMisses >= maxHeaderMisses
	}
}

// stale has every track look at its header source again: who is there, or who
// gets what from here, has changed.
func (v *Viewer) stale() {
	for _, t := range v.tracks {
		t.stale = true
	}
}

// Headerless tells whether a neighbour wants no headers with the slices of a
// track; what its latest SUBSCRIBE says holds.
func (v *Viewer) Headerless(id string, number uint8, without bool) {
	if t := v.track(number); t != nil && !v.Banned(id) {
		v.neighbour(id).subscription(number).headerless = without
	}
}

// HeaderWanted tells that a neighbour asks for a part's header.
func (v *Viewer) HeaderWanted(id string, k Key) []Action {
	v.begin()
	if v.Held(k) != nil && !v.Banned(id) {
		v.emit(Action{Kind: ForwardHeader, Peer: id, Key: k})
	}
	return v.out
}

// Cancelled tells that a neighbour does not want chunks: neither those that
// wait for it, which the shell takes out of its queue, nor those to come.
func (v *Viewer) Cancelled(id string, k Key, first, count int) {
	if t := v.track(k.Track); t != nil && !before(k.ID, t.floor) {
		v.neighbour(id).skips.add(k, first, count)
	}
}

// Announced reports whether a neighbour said that it has the whole part.
func (v *Viewer) Announced(id string, k Key, chunks int) bool {
	n := v.known(id)
	return n != nil && n.skips.has(k, 0, chunks)
}

// cancelPushes tells the sources of chunks [first, first+count), which are
// repaired from somewhere else, not to send them.
func (v *Viewer) cancelPushes(t *track, p *part, first, count int, from string) {
	for i := first; i < first+count; {
		s := media.SliceOf(p.Have.Len(), t.Slices, i)
		end := i + 1
		for end < first+count && media.SliceOf(p.Have.Len(), t.Slices, end) == s {
			end++
		}
		if id := p.Slices[s].Source; id != Edge && id != from && p.Slices[s].Up && p.cancel(id, i, end) {
			v.emit(Action{Kind: Cancel, Peer: id, Key: p.key, First: i, Count: end - i})
		}
		i = end
	}
}

// cancel notes that a source is told not to send chunks [first, end); false
// when it has been told.
func (p *part) cancel(id string, first, end int) bool {
	for _, c := range p.cancelled {
		if c.from == id && c.first <= first && end <= c.end {
			return false
		}
	}
	p.cancelled = append(p.cancelled, cancelled{id, span{first, end}})
	return true
}

// cancelled are chunks that a source was told not to push.
type cancelled struct {
	from string
	span
}

// cancelAll is cancelPushes for a part that is fetched whole.
func (v *Viewer) cancelAll(p *part) {
	for s := range p.Slices {
		id, told := p.Slices[s].Source, false
		for o := range s {
			told = told || p.Slices[o].Source == id
		}
		if id != Edge && p.Slices[s].Up && !told {
			v.emit(Action{Kind: Cancel, Peer: id, Key: p.key, Count: peerwire.MaxChunks})
		}
	}
}
