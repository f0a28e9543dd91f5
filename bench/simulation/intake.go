package simulation

import (
	"math"
	"slices"

	"starling/internal/media"
	"starling/internal/peerstate"
)

// Bounds of what is kept or believed before a signature says so, as in
// internal/peer.
const (
	maxEarly = 32
	maxAhead = 3
)

// via is how bytes came.
type via uint8

const (
	viaPeer via = iota
	viaFeed
	viaHTTP
)

func viaOf(from int32) via {
	if from == edgeIndex {
		return viaFeed
	}
	return viaPeer
}

// learn records that a part exists; nil when it is not wanted or over.
func (v *viewer) learn(t *vtrack, n int32) *part {
	if p := t.part(n); p != nil {
		return p
	}
	if n < t.from || v.state.Knows(v.key(t, n)) {
		return nil
	}
	if len(t.parts) == 0 {
		t.base = n
	}
	for n < t.base { // older than all that are known
		t.parts = slices.Insert(t.parts, 0, nil)
		t.base--
	}
	for int(n-t.base) >= len(t.parts) {
		t.parts = append(t.parts, nil)
	}
	p := v.c.newPart(n)
	p.seenAt = v.c.t.now
	t.parts[n-t.base] = p
	v.open++
	if n > t.newest {
		t.newest, t.progressAt = n, v.now()
	}
	return p
}

// plausible reports whether an unsigned word of a part is believed.
func (v *viewer) plausible(t *vtrack, n int32) bool { return n <= max(t.newest, t.from)+maxAhead }

// exists tells the policy of a part.
func (v *viewer) exists(t *vtrack, n int32) {
	now := v.now()
	v.do(v.state.Exists(v.key(t, n), v.play.deadline(v.c.stream.pdt(n), now), now))
}

// onHeader takes a part header from a neighbour or the feed.
func (v *viewer) onHeader(t *vtrack, n, from int32) {
	if p := t.part(n); p != nil && p.header {
		return
	}
	p := v.learn(t, n)
	if p == nil {
		return
	}
	p.header = true
	now, s := v.now(), v.c.stream
	v.do(v.state.Header(v.key(t, n), s.shape(t.number, n).chunks, v.c.name(from), v.play.deadline(s.pdt(n), now), now))
	v.state.Sized(v.key(t, n), s.shape(t.number, n).size)
	v.lie(t, p)
	// A lost header is repaired without a playlist.
	for q := n - 1; q%s.perSeg != s.perSeg-1 && q >= t.from && t.part(q) == nil && v.learn(t, q) != nil; q-- {
		v.exists(t, q)
	}
	if p.n != n || !p.header {
		return
	}
	for i := 0; i < len(p.early); i++ {
		e := p.early[i]
		v.takeChunk(t, p, e.chunk, e.from, e.bad, viaOf(e.from))
	}
	p.early = p.early[:0]
}

// onChunk takes a chunk from a neighbour or the feed.
func (v *viewer) onChunk(t *vtrack, n, chunk, from int32, bad bool) {
	size := v.c.stream.shape(t.number, n).chunk(int(chunk))
	if from == edgeIndex {
		v.stats.FeedBytes += uint64(size)
	}
	p := t.part(n)
	if p == nil || !p.header {
		if !v.plausible(t, n) {
			v.stats.DuplicateBytes += uint64(size)
			return
		}
		if p = v.learn(t, n); p == nil || len(p.early) >= maxEarly {
			v.stats.DuplicateBytes += uint64(size)
			return
		}
		p.early = append(p.early, early{from, chunk, bad, v.now()})
		v.exists(t, n)
		v.do(v.state.Early(v.key(t, n), v.c.name(from), v.now()))
		return
	}
	v.takeChunk(t, p, chunk, from, bad, viaOf(from))
}

// takeChunk verifies a chunk of a part whose header is there.
func (v *viewer) takeChunk(t *vtrack, p *part, chunk, from int32, bad bool, how via) {
	now, k := v.now(), v.key(t, p.n)
	sh := v.c.stream.shape(t.number, p.n)
	size := uint64(sh.chunk(int(chunk)))
	have := v.state.Held(k)
	fresh := have != nil && !have.Has(int(chunk))
	if fresh && bad {
		v.stats.RejectedBytes += size
		_, as := v.state.Chunk(k, int(chunk), v.c.name(from), false, now)
		v.do(as)
		return
	}
	if fresh {
		v.flows(t, p, media.SliceOf(sh.chunks, t.slices, int(chunk)), from)
	}
	verdict, as := v.state.Chunk(k, int(chunk), v.c.name(from), true, now)
	if verdict != peerstate.Useful {
		v.stats.DuplicateBytes += size
		v.do(as)
		return
	}
	switch how {
	case viaPeer:
		v.stats.PeerBytes += size
		if v.stats.FirstPeer == 0 {
			v.stats.FirstPeer = max(now, 1)
		}
	case viaHTTP:
		v.stats.HTTPUsed += size
	case viaFeed:
		v.stats.FeedUsed += size
	}
	v.do(as)
}

// flows notes when slices come, and ends the wait for one whose parent left.
func (v *viewer) flows(t *vtrack, p *part, s int, from int32) {
	now := v.c.t.now
	if p.firstAny == 0 {
		p.firstAny = now
	}
	if p.first[s] == 0 {
		p.first[s] = now
		v.slicePushed(t, p, s, from)
	}
}

// deliver marks a part as playable.
func (v *viewer) deliver(k peerstate.Key) {
	_, p := v.partOf(k)
	if p == nil || p.complete {
		return
	}
	p.complete = true
	v.open--
	v.stats.Parts++
	now, s := v.now(), v.c.stream
	if v.play.started && now > v.play.deadline(s.pdt(p.n), now) {
		v.stats.Late++
	}
	v.c.delivered(v, v.c.t.now-s.pdt(p.n+1))
	v.advance(now)
}

// have is an announcement that has been received, or will be at a time: it
// matters only when something else happens at its receiver, so it needs no
// event.
type have struct {
	at    int64
	n     int32
	from  int32
	track uint8
}

// fullBitmap is the bitmap of a HAVE of a complete part.
var fullBitmap = slices.Repeat([]byte{0xff}, 1024)

// hears puts an announcement on the list.
func (v *viewer) hears(h have) {
	v.haves = append(v.haves, h)
	v.haveAt = min(v.haveAt, h.at)
}

// drainHaves takes the announcements that have come by now.
func (v *viewer) drainHaves() {
	if v.haveAt > v.c.t.now {
		return
	}
	due := v.dueHaves[:0]
	kept := v.haves[:0]
	v.haveAt = math.MaxInt64
	for _, h := range v.haves {
		if h.at <= v.c.t.now {
			due = append(due, h)
			continue
		}
		kept = append(kept, h)
		v.haveAt = min(v.haveAt, h.at)
	}
	v.haves, v.dueHaves = kept, due
	for i := range due {
		v.onHave(&due[i])
	}
}

func (v *viewer) onHave(h *have) {
	t, l := v.track(h.track), v.linkTo(h.from)
	if l == nil {
		return
	}
	v.state.Heard(l.id, (h.at-v.start)/1000)
	if !v.plausible(t, h.n) {
		return
	}
	p := v.learn(t, h.n)
	if p == nil {
		return
	}
	if !p.header {
		v.exists(t, h.n)
	}
	k, chunks := v.key(t, h.n), v.c.stream.shape(t.number, h.n).chunks
	v.do(v.state.Have(l.id, k, chunks, fullBitmap, (h.at-v.start)/1000))
	if l.queue.Len() > 0 && v.state.Announced(l.id, k, chunks) { // it needs no pushes any more
		before := l.queue.Len()
		l.queue.Cancel(k, 0, chunks)
		v.queued += l.queue.Len() - before
	}
}

// dropEarly forgets unverified chunks after a part's duration.
func (v *viewer) dropEarly(t *vtrack, p *part, now int64) {
	for i := 0; i < len(p.early); {
		if e := p.early[i]; now-e.at > v.c.partMS() {
			v.stats.DuplicateBytes += uint64(v.c.stream.shape(t.number, p.n).chunk(int(e.chunk)))
			p.early = slices.Delete(p.early, i, i+1)
			continue
		}
		i++
	}
}
