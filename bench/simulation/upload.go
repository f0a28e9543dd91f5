package simulation

import (
	"slices"

	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

// chunkPrefix is the length of a CHUNK frame before its bytes.
const chunkPrefix = 7

// sendTo sends the frame of an action to its peer.
func (v *viewer) sendTo(a *peerstate.Action, kind peerwire.Type) {
	if l := v.linkBy(a.Peer); l != nil {
		v.sendOn(l, a, kind)
	}
}

func (v *viewer) sendOn(l *link, a *peerstate.Action, kind peerwire.Type) {
	f := frame{kind: uint8(kind), key: a.Key, n: v.c.stream.number(a.Key.ID), first: int32(a.First), count: int32(a.Count), slices: uint16(a.Slices),
		deadline: int32(a.DeadlineMS), flags: uint8(a.Flags)}
	rng := peerwire.Range{Track: a.Key.Track, Part: a.Key.ID, First: a.First, Count: a.Count}
	var w peerwire.Frame
	switch kind {
	case peerwire.TypeSubscribe:
		w = peerwire.Subscribe{Track: a.Key.Track, Slices: a.Slices, Part: a.Key.ID, Flags: a.Flags}
	case peerwire.TypeUnsubscribe:
		w = peerwire.Unsubscribe{Track: a.Key.Track, Slices: a.Slices}
	case peerwire.TypeRequest:
		w = peerwire.Request{Range: rng, DeadlineMS: int(a.DeadlineMS)}
	case peerwire.TypeWant:
		w = peerwire.Want{Track: a.Key.Track, Part: a.Key.ID}
	case peerwire.TypeCancel:
		w = peerwire.Cancel{Range: rng}
	default:
		w = peerwire.Refuse{Reason: a.Reason, Range: rng}
	}
	v.send(l, f, w)
}

// send puts a frame on the control channel.
func (v *viewer) send(l *link, f frame, w peerwire.Frame) {
	if l.closed || !l.up {
		return
	}
	f.size = int32(frameSize(w, &v.c.buf))
	v.sendSized(l, f)
}

func (v *viewer) sendSized(l *link, f frame) {
	v.stats.ControlBytes += uint64(f.size)
	v.stats.ControlSent += uint64(f.size)
	m, _ := v.c.pool.put(f)
	v.c.transmit(&l.out, m, int(f.size), false)
}

// sendHeader sends a part's header once a neighbour.
func (v *viewer) sendHeader(a *peerstate.Action) {
	l := v.linkBy(a.Peer)
	_, p := v.partOf(a.Key)
	if l == nil || !l.up || p == nil || !p.header || v.bad == Withhold || slices.Contains(l.headers, a.Key) {
		return
	}
	if len(l.headers) > 64 {
		l.headers = append(l.headers[:0], l.headers[32:]...)
	}
	l.headers = append(l.headers, a.Key)
	size := v.c.stream.shape(a.Key.Track, p.n).header + 1
	v.sendSized(l, frame{kind: uint8(peerwire.TypeHeader), key: a.Key, n: p.n, size: int32(size)})
}

func (v *viewer) queueChunks(a *peerstate.Action) {
	l := v.linkBy(a.Peer)
	_, p := v.partOf(a.Key)
	if l == nil || p == nil || !p.header {
		return
	}
	now, sh := v.now(), v.c.stream.shape(a.Key.Track, p.n)
	for i := a.First; i < a.First+a.Count; i++ {
		if l.queue.Push(peerstate.QueuedChunk{Key: a.Key, Chunk: i, Size: sh.chunk(i), At: now}) {
			v.queued++
		}
	}
	v.upload()
}

// upload sends what the token bucket and the channels let through, one chunk a
// neighbour in turn.
func (v *viewer) upload() {
	now := v.now()
	for v.queued > 0 {
		i := v.turns.Pick(len(v.links), func(i int) bool {
			l := v.links[i]
			if !l.up || l.queue.Len() == 0 {
				return false
			}
			l.queue.SetMark(peerstate.MarkOf(v.state.Committed(l.id)))
			return l.queue.Ready(int(l.out.buffered))
		})
		if i < 0 {
			return
		}
		l := v.links[i]
		x, ok := l.queue.Next(v.bucket, int(l.out.buffered), now)
		if !ok {
			return
		}
		v.turns.Served(i)
		v.queued--
		v.sendChunk(l, x)
	}
}

func (v *viewer) sendChunk(l *link, x peerstate.QueuedChunk) {
	_, p := v.partOf(x.Key)
	if p == nil {
		return
	}
	f := frame{kind: uint8(peerwire.TypeChunk), key: x.Key, n: p.n, first: int32(x.Chunk), size: int32(x.Size)}
	switch v.bad {
	case Alter:
		f.bad = true
	case Withhold:
		return
	case WithholdSome:
		if n := x.Key.ID.MSN*31 + x.Key.ID.Index*7 + uint64(x.Chunk)*13 + uint64(x.Key.Track); n%10 < 3 {
			return
		}
	case Slow:
		m, gen := v.c.pool.put(f)
		v.c.t.add(event{at: v.c.t.now + slowDelay, do: evSlow, l: l, m: m, gen: gen})
		return
	}
	v.transmit(l, f)
}

func (v *viewer) transmit(l *link, f frame) {
	v.stats.SentBytes += uint64(f.size)
	m, _ := v.c.pool.put(f)
	v.c.transmit(&l.out, m, int(f.size)+chunkPrefix, true)
	v.measured.Sent(l.id, int64(f.size))
}

// announce tells the neighbours of parts that became complete since the last
// tick, except those that have said the same by now.
func (v *viewer) announce() {
	for _, k := range v.whole {
		held := v.state.Held(k)
		if held == nil || v.uplink <= 0 {
			continue
		}
		for _, l := range v.links {
			if l.up && !v.state.Announced(l.id, k, held.Len()) {
				v.announceTo(l, k)
			}
		}
	}
	v.whole = v.whole[:0]
}

// announceTo sends a HAVE of a whole part.
func (v *viewer) announceTo(l *link, k peerstate.Key) {
	held := v.state.Held(k)
	if held == nil || !l.up {
		return
	}
	v.sendHave(l, k, held.Len())
}

// sendHave goes past the association: it fits a packet, and its receiver
// looks at it when something else happens there.
func (v *viewer) sendHave(l *link, k peerstate.Key, chunks int) {
	size := frameSize(peerwire.Have{Track: k.Track, Part: k.ID, Chunks: chunks, Bitmap: fullBitmap}, &v.c.buf)
	v.stats.ControlBytes += uint64(size)
	v.stats.ControlSent += uint64(size)
	departs, ok := v.line.depart(v.c.t.now, int64(size)+int64(sctp.overhead))
	to := l.peer
	if !ok || l.other.closed || to.gone || !to.running {
		return
	}
	at := max(departs+l.delay+v.c.rand.upTo(l.jitter), l.out.lastAt)
	l.out.lastAt = at
	to.stats.ControlBytes += uint64(size)
	l.other.heard = max(l.other.heard, (at-to.start)/1000)
	to.hears(have{at: at, n: v.c.stream.number(k.ID), from: v.i, track: k.Track})
}

// lie announces a part that is not there yet.
func (v *viewer) lie(t *vtrack, p *part) {
	if v.bad != Lie {
		return
	}
	for _, l := range v.links {
		if l.up {
			v.sendHave(l, v.key(t, p.n), v.c.stream.shape(t.number, p.n).chunks)
		}
	}
}
