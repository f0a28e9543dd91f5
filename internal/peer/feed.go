package peer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/coder/websocket"

	"starling/internal/media"
	"starling/internal/peerstate"
	"starling/internal/peerwire"
	"starling/internal/wait"
)

// Times of the feed.
const (
	feedIdle     = 10_000 // ms without a subscription before the feed is closed
	feedMinRetry = 250 * time.Millisecond
	feedMaxRetry = 10 * time.Second
	pingAfter    = 2000 // ms without a received frame (docs/peer.md rule 5)
	goneAfter    = 5000
	muteAfter    = 2500 // the same of one that left a PING unanswered when a part was due
)

// feed is the connection over which the edge pushes slices. It is open while
// something is subscribed there.
type feed struct {
	want    map[feedSlice]feedWant
	running bool               // a goroutine keeps the connection
	out     chan []byte        // nil while not connected
	drop    context.CancelFunc // ends the connection, nil while there is none
	begun   bool               // was connected before: subscriptions go on from the live end
	idleAt  int64
	heard   int64
	pinged  int64
}

// feedWant is what is wanted of a slice: the parts from from on, and with an
// end only those before until.
type feedWant struct {
	from, until media.PartID
}

// feedSlice is a slice of a track.
type feedSlice struct {
	track uint8
	slice int
}

func (p *Peer) feedSubscribe(a peerstate.Action) {
	for s := range peerwire.MaxSlices {
		if !a.Slices.Has(s) {
			continue
		}
		k, w := feedSlice{a.Key.Track, s}, feedWant{a.Key.ID, a.Until}
		if old, ok := p.feed.want[k]; ok && p.feed.out == nil && old.until == w.from {
			w.from = old.from // it goes on where the first one, not yet sent, ends
		}
		p.feed.want[k] = w
	}
	p.feed.idleAt = 0
	if !p.feed.running {
		p.openFeed()
		return
	}
	p.feedSend(feedFrame(a.Key.Track, a.Slices, feedWant{a.Key.ID, a.Until}))
}

func feedFrame(track uint8, slices peerwire.SliceMask, w feedWant) peerwire.Subscribe {
	f := peerwire.Subscribe{Track: track, Slices: slices, Part: w.from}
	if w.until.MSN != 0 {
		f.Flags, f.Until = peerwire.Ends, w.until
	}
	return f
}

func (p *Peer) feedUnsubscribe(f peerwire.Unsubscribe) {
	for s := range peerwire.MaxSlices {
		if f.Slices.Has(s) {
			delete(p.feed.want, feedSlice{f.Track, s})
		}
	}
	p.feedSend(f)
	if len(p.feed.want) == 0 {
		p.feed.idleAt = p.now()
	}
}

func (p *Peer) feedSend(f peerwire.Frame) {
	if p.feed.out == nil {
		return
	}
	b := peerwire.Append(nil, f)
	p.stats.control(f.Type(), len(b))
	select {
	case p.feed.out <- b:
	default: // 64 frames unsent: the connection is dead
		p.log.Warn("the feed takes no frames; connecting again")
		p.feed.drop()
	}
}

// tendFeed closes an idle feed, unless it is the backup of a slice, and finds
// out about a dead one.
func (p *Peer) tendFeed(now int64) {
	f := &p.feed
	switch {
	case f.out == nil:
	case len(f.want) == 0 && now-f.idleAt > feedIdle && !p.state.EdgeBacksUp(), now-f.heard > goneAfter:
		f.drop()
	case now-f.heard > pingAfter && now-f.pinged > pingAfter:
		f.pinged = now
		p.feedSend(peerwire.Ping{})
	}
}

// openFeed keeps a feed connection, again after each loss, while something is
// subscribed there.
func (p *Peer) openFeed() {
	addr, err := websocketURL(p.base, "/feed/"+string(p.stream))
	if err != nil {
		p.log.Error("no feed", "error", err)
		return
	}
	p.feed.running = true
	p.spawn(func() {
		retry := feedMinRetry
		for {
			up, err := p.runFeed(addr)
			again := make(chan bool, 1)
			p.post(func() { again <- p.feedLost(err) })
			select {
			case yes := <-again:
				if !yes {
					return
				}
			case <-p.ctx.Done():
				return
			}
			if up {
				retry = feedMinRetry
			}
			if wait.For(p.ctx, retry/2+rand.N(retry)) != nil {
				return
			}
			retry = min(2*retry, feedMaxRetry)
		}
	})
}

// feedLost takes note of a lost connection and tells whether to try again.
func (p *Peer) feedLost(err error) bool {
	p.feed.out, p.feed.drop = nil, nil
	if len(p.feed.want) == 0 {
		p.feed.running = false
		return false
	}
	p.log.Debug("feed lost", "error", err)
	p.do(p.state.NeighbourGone(peerstate.Edge, "", p.now()))
	return true
}

// feedUp introduces the viewer and subscribes to what is wanted: on the first
// connection from where playback begins, later from the live end, since what
// was missed meanwhile is repaired.
func (p *Peer) feedUp(out chan []byte, drop context.CancelFunc) {
	f := &p.feed
	f.out, f.drop, f.heard = out, drop, p.now()
	p.feedSend(peerwire.Hello{Version: peerwire.Version, ID: p.stats.ID, Stream: p.stream})
	p.feedRenew()
	f.begun = f.begun || len(f.want) > 0
	p.do(p.state.NeighbourUp(peerstate.Edge, p.now()))
}

// feedRenew subscribes anew, slices with the same bounds together.
func (p *Peer) feedRenew() {
	type group struct {
		track uint8
		feedWant
	}
	groups := map[group]peerwire.SliceMask{}
	for k, w := range p.feed.want {
		if t := p.track(k.track); t != nil && p.feed.begun && len(t.ids) > 0 {
			next := t.newest()
			next.Index++
			if w.from = next; w.until.MSN != 0 && w.until.Compare(next) < 0 {
				w.until = next // the headers alone
			}
		}
		g := group{k.track, w}
		groups[g] = groups[g].With(k.slice)
	}
	for g, slices := range groups {
		p.feedSend(feedFrame(g.track, slices, g.feedWant))
	}
}

// runFeed is one connection: it returns when that ends, and whether it worked.
func (p *Peer) runFeed(addr string) (up bool, err error) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	dialCtx, stopDial := context.WithTimeout(ctx, fetchTimeout)
	defer stopDial()
	conn, _, err := websocket.Dial(dialCtx, addr, &websocket.DialOptions{HTTPClient: p.host.http,
		Subprotocols: []string{peerwire.Subprotocol}, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return false, fmt.Errorf("dial the feed: %w", err)
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != peerwire.Subprotocol {
		return false, fmt.Errorf("%s does not speak %s", addr, peerwire.Subprotocol)
	}
	conn.SetReadLimit(peerwire.MaxFrameSize)
	out, written := make(chan []byte, 64), make(chan struct{})
	go func() {
		defer close(written)
		defer cancel()
		writeFrames(ctx, conn, websocket.MessageBinary, out)
	}()
	defer func() { cancel(); <-written }()
	p.post(func() { p.feedUp(out, cancel) })
	for {
		_, b, err := conn.Read(ctx)
		if err != nil {
			return true, fmt.Errorf("read from the feed: %w", err)
		}
		f, err := peerwire.Parse(b)
		if err != nil {
			return true, fmt.Errorf("read from the feed: %w", err)
		}
		p.post(func() { p.onFeedFrame(f, len(b)) })
	}
}

// writeFrames sends what comes on out until the connection or ctx ends.
func writeFrames(ctx context.Context, conn *websocket.Conn, kind websocket.MessageType, out <-chan []byte) {
	for {
		select {
		case b := <-out:
			if err := conn.Write(ctx, kind, b); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (p *Peer) onFeedFrame(f peerwire.Frame, size int) {
	p.feed.heard = p.now()
	if c, ok := f.(peerwire.Chunk); ok {
		p.onChunk(c, peerstate.Edge)
		return
	}
	p.stats.control(f.Type(), size)
	switch f := f.(type) {
	case peerwire.Header:
		p.onHeader(f.Raw, peerstate.Edge)
	case peerwire.Ping:
		p.feedSend(peerwire.Pong(f))
	case peerwire.Refuse:
		// A feed that is full: what it would have pushed is fetched, and it
		// is tried again when the connection is made anew.
		p.stats.Refusals++
		p.do(p.state.NeighbourGone(peerstate.Edge, "", p.now()))
	case peerwire.Bye:
		p.log.Debug("the feed said goodbye", "reason", f.Reason.String(), "text", f.Text)
		if p.feed.drop != nil {
			p.feed.drop()
		}
	}
}
