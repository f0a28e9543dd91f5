package peer

import (
	"time"

	"starling/internal/media"
	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

// onFrame takes a frame from a neighbour.
func (p *Peer) onFrame(l *link, f peerwire.Frame, size int, err error) {
	if l.closed {
		return
	}
	l.heard = p.now()
	p.state.Heard(l.id, l.heard)
	if err != nil {
		p.protocolError(l.id, err)
		return
	}
	if _, chunk := f.(peerwire.Chunk); !chunk && !l.up {
		if len(l.held) >= maxHeld {
			p.linkLost(l, peerstate.LostTimeout)
			return
		}
		l.held = append(l.held, heldFrame{f, size})
		return
	}
	if h, ok := f.(peerwire.Hello); ok {
		p.stats.control(f.Type(), size)
		p.onHello(l, h)
		return
	}
	if c, ok := f.(peerwire.Chunk); ok { // may overtake HELLO: it is on the other channel
		p.onChunk(c, l.id)
		return
	}
	p.stats.control(f.Type(), size)
	if !l.hello {
		p.closeLink(l, peerwire.ReasonProtocol, "no HELLO")
		p.do(p.state.NeighbourGone(l.id, peerstate.LostClosed, p.now()))
		return
	}
	switch f := f.(type) {
	case peerwire.Header:
		p.onHeader(f.Raw, l.id)
	case peerwire.Subscribe:
		p.state.Headerless(l.id, f.Track, f.Flags&peerwire.NoHeaders != 0)
		p.do(p.state.Subscribed(l.id, f.Track, f.Slices, f.Part, p.now()))
	case peerwire.Unsubscribe:
		p.state.Unsubscribed(l.id, f.Track, f.Slices)
		l.queue.Drop(func(k peerstate.Key, chunk int) bool {
			pd := p.parts[k]
			t := p.track(f.Track)
			return k.Track == f.Track && t != nil && pd != nil && pd.header != nil && f.Slices.Has(media.SliceOf(pd.header.Chunks(), t.info.Slices, chunk))
		})
	case peerwire.Have:
		p.onHave(l, f)
	case peerwire.Request:
		p.onRequest(l, f)
	case peerwire.Cancel:
		k := peerstate.Key{Track: f.Track, ID: f.Part}
		l.queue.Cancel(k, f.First, f.Count)
		p.state.Cancelled(l.id, k, f.First, f.Count)
	case peerwire.Want:
		p.do(p.state.HeaderWanted(l.id, peerstate.Key{Track: f.Track, ID: f.Part}))
	case peerwire.Refuse:
		if mask, ok := f.Subscription(); ok {
			p.stats.Refusals++
			p.do(p.state.SubscriptionRefused(l.id, f.Track, mask, p.now()))
			return
		}
		p.do(p.state.RangeRefused(l.id, peerstate.Key{Track: f.Track, ID: f.Part}, f.First, f.Count, p.now()))
	case peerwire.Ping:
		p.send(l, peerwire.Pong(f))
	case peerwire.Pong:
		p.onPong(l, f)
	case peerwire.Bye:
		p.log.Debug("a peer said goodbye", "peer", l.id, "reason", f.Reason.String(), "text", f.Text)
		p.linkLost(l, peerstate.LostClosed)
	}
}

func (p *Peer) onHello(l *link, h peerwire.Hello) {
	why := peerwire.ReasonNone
	switch {
	case h.Version != peerwire.Version:
		why = peerwire.ReasonVersion
	case h.Stream != p.stream:
		why = peerwire.ReasonWrongStream
	case h.ID != l.id:
		why = peerwire.ReasonProtocol
	}
	if why != peerwire.ReasonNone {
		p.log.Debug("HELLO refused", "peer", l.id, "reason", why.String())
		p.closeLink(l, why, "")
		p.do(p.state.NeighbourGone(l.id, peerstate.LostConnectFailed, p.now()))
		return
	}
	if !l.hello {
		l.hello = true
		p.ping(l, p.now())
	}
}

func (p *Peer) onHave(l *link, f peerwire.Have) {
	t := p.track(f.Track)
	if t == nil || !p.plausible(t, f.Part) {
		return
	}
	k := peerstate.Key{Track: f.Track, ID: f.Part}
	pd := p.learn(k, time.Time{}, 0)
	if pd == nil {
		return
	}
	if pd.header == nil {
		p.do(p.state.Exists(k, p.play.deadline(pd.pdt, p.now()), p.now()))
	}
	p.do(p.state.Have(l.id, k, f.Chunks, f.Bitmap, p.now()))
	if p.state.Announced(l.id, k, f.Chunks) { // it needs no pushes any more
		l.queue.Cancel(k, 0, f.Chunks)
	}
}

// onRequest answers a request, unless what waits already would make it late.
func (p *Peer) onRequest(l *link, f peerwire.Request) {
	if p.cfg.Behaviour == Lie {
		return
	}
	queued := l.queue.Bytes() + f.Count*media.MaxChunkSize/2
	if wait := p.bucket.Wait(queued, p.now()); wait < 0 || wait > int64(f.DeadlineMS) {
		p.send(l, peerwire.Refuse{Reason: peerwire.ReasonLate, Range: f.Range})
		return
	}
	p.do(p.state.Requested(l.id, peerstate.Key{Track: f.Track, ID: f.Part}, f.First, f.Count))
}

func (p *Peer) sendTo(id string, f peerwire.Frame) {
	if l := p.links[id]; l != nil {
		p.send(l, f)
	}
}

// maxControlBuffer bytes of control frames unsent end a connection.
const maxControlBuffer = 1 << 20

// send puts a frame on the control channel.
func (p *Peer) send(l *link, f peerwire.Frame) {
	if l.closed || l.opened < 2 {
		return
	}
	if l.control.BufferedAmount() > maxControlBuffer { // it asks and does not read
		p.spawn(func() { p.post(func() { p.linkLost(l, peerstate.LostTimeout) }) }) // the loop must not wait for itself
		return
	}
	b := peerwire.Append(nil, f)
	p.stats.control(f.Type(), len(b))
	if err := l.control.Send(b); err != nil {
		p.log.Debug("send", "peer", l.id, "error", err)
	}
}

// sendHeader sends a part's header once a neighbour (docs/peer.md).
func (p *Peer) sendHeader(a peerstate.Action) {
	l, pd := p.links[a.Peer], p.parts[a.Key]
	if l == nil || pd == nil || pd.header == nil || p.cfg.Behaviour == Withhold {
		return
	}
	if _, sent := l.headers[a.Key]; sent {
		return
	}
	for k := range l.headers { // keep only what is still of use
		if p.parts[k] == nil {
			delete(l.headers, k)
		}
	}
	l.headers[a.Key] = struct{}{}
	p.send(l, peerwire.Header{Raw: pd.raw})
}

func (p *Peer) queueChunks(a peerstate.Action) {
	l, pd := p.links[a.Peer], p.parts[a.Key]
	if l == nil || pd == nil || pd.header == nil {
		return
	}
	now := p.now()
	for i := a.First; i < a.First+a.Count; i++ {
		from, to := pd.header.ChunkRange(i)
		l.queue.Push(peerstate.QueuedChunk{Key: a.Key, Chunk: i, Size: to - from, At: now})
	}
	p.pump()
}

// pump sends what the token bucket and the channels let through, one chunk a
// neighbour in turn.
func (p *Peer) pump() {
	now := p.now()
	buffered := func(l *link) int { return int(l.chunks.BufferedAmount()) }
	for {
		i := p.turns.Pick(len(p.order), func(i int) bool {
			l := p.order[i]
			l.queue.SetMark(peerstate.MarkOf(p.state.Committed(l.id)))
			return l.up && l.queue.Len() > 0 && l.queue.Ready(buffered(l))
		})
		if i < 0 {
			return
		}
		l := p.order[i]
		x, ok := l.queue.Next(p.bucket, buffered(l), now)
		if !ok {
			return
		}
		p.turns.Served(i)
		p.sendChunk(l, x)
	}
}

func (p *Peer) sendChunk(l *link, x peerstate.QueuedChunk) {
	pd := p.parts[x.Key]
	if pd == nil {
		return
	}
	from, to := pd.header.ChunkRange(x.Chunk)
	data := pd.buf[from:to]
	b := peerwire.AppendChunkPrefix(make([]byte, 0, to-from+24), x.Key.Track, x.Key.ID, x.Chunk)
	b = append(b, data...)
	if !p.misbehave(l, x, b) {
		p.transmit(l, x, b)
	}
}

func (p *Peer) transmit(l *link, x peerstate.QueuedChunk, frame []byte) {
	if err := l.chunks.Send(frame); err != nil {
		p.log.Debug("send a chunk", "peer", l.id, "error", err)
		return
	}
	p.stats.SentBytes += uint64(x.Size)
	p.uplink.Sent(l.id, int64(x.Size))
}

// announce tells the neighbours that a part is complete here, at the next
// tick: those that have said the same by then need not be told.
func (p *Peer) announce() {
	for _, k := range p.complete {
		p.announcePart(k)
	}
	p.complete = p.complete[:0]
}

func (p *Peer) announcePart(k peerstate.Key) {
	have := p.state.Held(k)
	if have == nil || p.cfg.Uplink < 0 {
		return
	}
	f := peerwire.Have{Track: k.Track, Part: k.ID, Chunks: have.Len(), Bitmap: have.Bytes()}
	for _, l := range p.order {
		if l.up && !p.state.Announced(l.id, k, f.Chunks) {
			p.send(l, f)
		}
	}
}
