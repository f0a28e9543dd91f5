package peerstate

import (
	"slices"

	"starling/internal/media"
)

// repair plans one part and carries the plan out on the state.
func (v *Viewer) repair(t *track, p *part, now int64) {
	for s := range p.Slices {
		sl, src := &p.Slices[s], &t.slices[s]
		sl.Source, sl.Up = src.id, v.usable(src, src.id, now)
		if before(p.key.ID, src.from) { // the source's subscription begins later
			sl.Source, sl.Up = src.old, src.old != "" && v.usable(src, src.old, now)
			if src.old == "" {
				sl.Source = Edge
			}
		}
		sl.Backup = v.backup(src, now)
		sl.BackupUp = v.usable(src, sl.Backup, now)
		sl.Missed = src.missed
	}
	for i := range p.Neighbours {
		p.Neighbours[i].Load = v.neighbour(p.Neighbours[i].ID).load
	}
	p.Strained, p.EdgeMS = v.strain.Active(), v.edgeMS(t, p)
	v.steps = Plan(v.rules, &p.PartState, now, v.steps[:0])
	for _, st := range v.steps {
		v.carryOut(t, p, st, now)
	}
}

func (v *Viewer) carryOut(t *track, p *part, st Step, now int64) {
	switch st.Kind {
	case StepGiveUp: // retire does it
	case StepCancel:
		i := slices.IndexFunc(p.Pending, func(q Pending) bool {
			return q.From == st.Peer && q.First == st.First && q.Count == st.Count
		})
		if i >= 0 {
			v.dropPending(p, i, true)
		}
		v.fail(p, st.Peer)
		v.neighbour(st.Peer).trust.Broke(now)
	case StepSwitch:
		v.switchSource(t, p, st, now)
	case StepRequest:
		p.Pending = append(p.Pending, Pending{From: st.Peer, First: st.First, Count: st.Count, Until: st.Until})
		v.neighbour(st.Peer).load += st.Count
		v.overtake(t, p, st.First, st.Count, st.Peer)
		v.emit(Action{Kind: Request, Peer: st.Peer, Key: p.key, First: st.First, Count: st.Count, DeadlineMS: st.Until - now})
	case StepFetch:
		p.Pending = append(p.Pending, Pending{From: Edge, First: st.First, Count: st.Count})
		v.fetching += t.bytes(p, st.Count)
		v.overtake(t, p, st.First, st.Count, Edge)
		v.emit(Action{Kind: Fetch, Peer: Edge, Key: p.key, First: st.First, Count: st.Count})
	case StepFetchAll:
		p.Pending = append(p.Pending, Pending{From: Edge, All: true})
		v.fetching += t.bytes(p, p.Have.Len())
		for s := range p.Slices {
			if p.Slices[s].Up {
				p.late |= 1 << s
			}
		}
		v.cancelAll(p)
		v.emit(Action{Kind: FetchAll, Peer: Edge, Key: p.key})
	}
}

// overtake notes that chunks are repaired, and ends their pushes.
func (v *Viewer) overtake(t *track, p *part, first, count int, from string) {
	for i := first; i < first+count; i++ {
		if s := media.SliceOf(p.Have.Len(), t.Slices, i); p.Slices[s].Up {
			p.late |= 1 << s
			if n := v.known(p.Slices[s].Source); n != nil && n.skips.has(p.key, 0, p.Have.Len()) {
				p.had |= 1 << s
			}
		}
	}
	v.cancelPushes(t, p, first, count, from)
}

// fail marks a neighbour as one that does not answer for this part.
func (v *Viewer) fail(p *part, id string) {
	p.Neighbours = slices.DeleteFunc(p.Neighbours, func(h Holder) bool { return h.ID == id })
	if !slices.Contains(p.gone, id) {
		p.gone = append(p.gone, id)
	}
}

// dropPending ends the i-th repair under way; tell says that its maker should
// know.
func (v *Viewer) dropPending(p *part, i int, tell bool) {
	q := p.Pending[i]
	p.Pending = slices.Delete(p.Pending, i, i+1)
	if q.From != Edge {
		n := v.neighbour(q.From)
		n.load = max(n.load-v.missing(p, q), 0)
	}
	if tell && (q.From == Edge || v.neighbour(q.From).up) {
		v.emit(Action{Kind: Cancel, Peer: q.From, Key: p.key, First: q.First, Count: q.Count})
	}
}

func (v *Viewer) missing(p *part, q Pending) int {
	n := 0
	for i := q.First; i < q.First+q.Count; i++ {
		if !p.Have.Has(i) {
			n++
		}
	}
	return n
}

// answered takes a chunk that came off the repairs under way. One that is
// wholly there through somebody else is cancelled.
func (v *Viewer) answered(p *part, chunk int, from string) {
	for i := 0; i < len(p.Pending); i++ {
		q := p.Pending[i]
		if q.All || chunk < q.First || chunk >= q.First+q.Count {
			continue
		}
		if q.From != Edge {
			n := v.neighbour(q.From)
			n.load = max(n.load-1, 0)
			if q.From == from {
				n.trust.Kept()
			}
		}
		if p.Have.HasRange(q.First, q.First+q.Count) {
			v.dropPending(p, i, q.From != from)
			i--
		}
	}
}

// EdgeDone tells that a fetch from the edge has ended, well or not; its chunks
// have been given to Chunk before. A fetch of the whole part has count 0.
func (v *Viewer) EdgeDone(k Key, first, count int, ok bool, now int64) []Action {
	v.begin()
	t := v.track(k.Track)
	if t == nil {
		return nil
	}
	p := t.part(k.ID)
	if p == nil {
		return nil
	}
	p.Pending = slices.DeleteFunc(p.Pending, func(q Pending) bool {
		return q.From == Edge && (count == 0 && q.All || count != 0 && q.First == first && q.Count == count)
	})
	if !ok {
		p.RetryAt = now + v.rules.RetryMS
	}
	return v.out
}

// Have tells that a neighbour announced chunks of a part. The part must be
// known already (Exists).
func (v *Viewer) Have(from string, k Key, chunks int, raw []byte, now int64) []Action {
	v.begin()
	t := v.track(k.Track)
	if t == nil || !v.neighbour(from).up {
		return nil
	}
	p := t.part(k.ID)
	if p == nil {
		return nil
	}
	if p.Header && p.Have.Len() != chunks {
		return nil
	}
	has, n := BitmapOf(chunks, raw), v.neighbour(from)
	if has.Full() { // it needs no pushes of the part
		n.skips.add(k, 0, chunks)
	}
	if p.delivered || slices.Contains(p.gone, from) || n.trust.Doubted(now) {
		return nil
	}
	for i := range p.Neighbours {
		if p.Neighbours[i].ID == from {
			p.Neighbours[i].Has = has
			return nil
		}
	}
	p.Neighbours = append(p.Neighbours, Holder{ID: from, Has: has})
	return nil
}

// RangeRefused tells that a neighbour will not send chunks it was asked for.
func (v *Viewer) RangeRefused(from string, k Key, first, count int, now int64) []Action {
	v.begin()
	t := v.track(k.Track)
	if t == nil {
		return nil
	}
	p := t.part(k.ID)
	if p == nil || p.delivered {
		return nil
	}
	for i := 0; i < len(p.Pending); i++ {
		if q := p.Pending[i]; q.From == from && q.First < first+count && first < q.First+q.Count {
			v.dropPending(p, i, false)
			i--
		}
	}
	v.fail(p, from)
	v.repair(t, p, now)
	return v.out
}

// oldestMissing is the first part of which the slice is not wholly there, or
// the part to come.
func (t *track) oldestMissing(s int) media.PartID {
	for _, p := range t.open() {
		if !p.sliceHeld(t, s) {
			return p.key.ID
		}
	}
	return t.after()
}

func (p *part) sliceHeld(t *track, s int) bool {
	if p.delivered {
		return true
	}
	if !p.Header {
		return false
	}
	first, end := media.SliceChunks(p.Have.Len(), t.Slices, s)
	return p.Have.HasRange(first, end)
}
