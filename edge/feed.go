package edge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"starling/internal/media"
	"starling/internal/peerwire"
	"starling/internal/store"
)

const (
	// feedSendBuffer bounds what the kernel holds for a slow reader: beyond
	// that the feed falls behind and can jump. It allows 20 Mbit/s at 100 ms.
	feedSendBuffer = 256 << 10
	// feedFrameRate and feedFrameBurst bound the frames a viewer may send.
	feedFrameRate, feedFrameBurst = 100, 400
	// byeTimeout bounds the goodbye to a viewer that may be gone.
	byeTimeout = time.Second
)

// serveFeed upgrades /feed/APP/NAME to the feed (docs/peer.md).
func (s *Server) serveFeed(q *request, name string) {
	r := q.r
	q.kind = kindFeed
	defer func() { q.acct.request(q.kind, q.status) }()
	id, err := media.ParseStreamID(name)
	if err != nil {
		q.fail(http.StatusNotFound, err.Error())
		return
	}
	st, ok := s.dir.Get(id)
	if !ok {
		q.fail(http.StatusNotFound, "no stream "+string(id)+" here; "+s.liveStreams())
		return
	}
	q.acct = s.acct.of(id)
	if !s.openFeed() {
		s.acct.refused.Add(1)
		q.fail(http.StatusServiceUnavailable, "this edge is at its limit of feeds, use HLS or another edge")
		return
	}
	defer s.closeFeed()
	ws, err := websocket.Accept(q, r, &websocket.AcceptOptions{
		Subprotocols: []string{peerwire.Subprotocol},
		// Anyone who may play may use the feed: it gives the same public media,
		// and there are no cookies that another site could abuse.
		InsecureSkipVerify: true,
	})
	if err != nil {
		s.log.Debug("feed not opened", "stream", id, "err", err)
		return
	}
	defer ws.CloseNow()
	if ws.Subprotocol() != peerwire.Subprotocol {
		_ = ws.Close(websocket.StatusPolicyViolation, "want subprotocol "+peerwire.Subprotocol)
		return
	}
	bufferLess(r)
	q.acct.feedViewers.Add(1)
	defer q.acct.feedViewers.Add(-1)
	newFeed(s, st, ws, q.acct).run()
}

// openFeed takes a place among the feeds, which Close waits for.
func (s *Server) openFeed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.feeds >= s.cfg.MaxFeeds {
		return false
	}
	s.feeds++
	s.wg.Add(1)
	return true
}

func (s *Server) closeFeed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feeds--
	s.wg.Done()
}

// bufferLess keeps the kernel from holding seconds of media for a slow reader.
func bufferLess(r *http.Request) {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn() // TLS
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(feedSendBuffer) // a hint
	}
}

// feed is one viewer's feed. Its goroutines are the reader (run), the keeper,
// the responder and one pusher a subscribed track; run waits for the others.
type feed struct {
	s      *Server
	stream *store.Stream
	ws     *websocket.Conn
	acct   *account
	log    *slog.Logger
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	wg     sync.WaitGroup
	limit  *rate.Limiter

	heard atomic.Int64 // Unix nanoseconds of the last frame
	greet bool         // HELLO has come; only the reader uses it
	bye   sync.Once

	subs    subscriptions
	answers answers
	headers headerLog
}

func newFeed(s *Server, st *store.Stream, ws *websocket.Conn, acct *account) *feed {
	f := &feed{s: s, stream: st, ws: ws, acct: acct, log: s.log.With("stream", st.ID), limit: rate.NewLimiter(feedFrameRate, feedFrameBurst)}
	// Not the server's context: its end is told by BYE first.
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.subs.tracks = map[uint8]*subscription{}
	f.answers.wake = make(chan struct{}, 1)
	f.headers = headerLog{turn: make(chan struct{}, 1), sent: map[uint8][]media.PartID{}}
	f.heard.Store(time.Now().UnixNano())
	ws.SetReadLimit(peerwire.MaxFrameSize)
	return f
}

// run reads frames until the connection ends.
func (f *feed) run() {
	defer f.wg.Wait()
	defer f.cancel()
	f.wg.Go(f.keep)
	f.wg.Go(f.respond)
	if f.send(peerwire.Hello{Version: peerwire.Version, ID: peerwire.EdgeID, Stream: f.stream.ID}) != nil {
		return
	}
	for {
		typ, b, err := f.ws.Read(f.ctx)
		if err != nil {
			return
		}
		if typ != websocket.MessageBinary {
			f.end(peerwire.ReasonProtocol, "frames are binary messages")
			return
		}
		f.heard.Store(time.Now().UnixNano())
		frame, err := peerwire.Parse(b)
		if err != nil {
			f.end(peerwire.ReasonProtocol, err.Error())
			return
		}
		if !f.limit.Allow() {
			f.end(peerwire.ReasonProtocol, "too many frames a second")
			return
		}
		if !f.handle(frame) {
			return
		}
	}
}

// handle acts on a frame; false when the connection is over.
func (f *feed) handle(frame peerwire.Frame) bool {
	if hello, ok := frame.(peerwire.Hello); ok {
		return f.hello(hello)
	}
	if !f.greet {
		f.end(peerwire.ReasonProtocol, "HELLO comes first")
		return false
	}
	switch fr := frame.(type) {
	case peerwire.Subscribe:
		return f.subscribe(fr)
	case peerwire.Unsubscribe:
		f.unsubscribe(fr)
	case peerwire.Request:
		return f.request(fr)
	case peerwire.Cancel:
		f.answers.cancel(fr.Range)
	case peerwire.Ping:
		return f.send(peerwire.Pong(fr)) == nil
	case peerwire.Bye:
		f.log.Debug("viewer leaves the feed", "reason", fr.Reason, "text", fr.Text)
		_ = f.ws.CloseNow()
		return false
	}
	return true // PONG and HAVE need no answer, later versions' frames are ignored
}

func (f *feed) hello(h peerwire.Hello) bool {
	switch {
	case f.greet:
		f.end(peerwire.ReasonProtocol, "HELLO comes once")
	case h.Version < peerwire.Version:
		f.end(peerwire.ReasonVersion, "this edge speaks version 1")
	case h.Stream != f.stream.ID:
		f.end(peerwire.ReasonWrongStream, "this is the feed of "+string(f.stream.ID))
	default:
		f.greet = true
		return true
	}
	return false
}

// keep watches the connection: it pings a quiet viewer, gives a silent one up
// (docs/peer.md, rule 5), and says goodbye when the edge stops or the stream
// is gone.
func (f *feed) keep() {
	ticker := time.NewTicker(f.s.cfg.FeedSilence / 10)
	defer ticker.Stop()
	pingAfter := f.s.cfg.FeedSilence * 2 / 5
	var pinged time.Time
	for {
		changed := f.s.dir.Changed()
		if st, ok := f.s.dir.Get(f.stream.ID); !ok || st != f.stream {
			f.end(peerwire.ReasonLeaving, "the stream is gone")
			return
		}
		select {
		case <-changed:
		case now := <-ticker.C:
			heard := time.Unix(0, f.heard.Load())
			switch quiet := now.Sub(heard); {
			case quiet > f.s.cfg.FeedSilence:
				f.end(peerwire.ReasonNone, "silent for too long")
				return
			case quiet > pingAfter && pinged.Before(heard.Add(pingAfter)):
				pinged = now
				if f.send(peerwire.Ping{}) != nil {
					return
				}
			}
		case <-f.s.ctx.Done():
			f.end(peerwire.ReasonLeaving, stopping)
			return
		case <-f.ctx.Done():
			return
		}
	}
}

// end says BYE and closes. The first caller's reason counts.
func (f *feed) end(reason peerwire.Reason, text string) {
	f.bye.Do(func() {
		f.log.Debug("closing a feed", "reason", reason, "text", text)
		ctx, cancel := context.WithTimeout(f.ctx, byeTimeout)
		defer cancel()
		err := f.ws.Write(ctx, websocket.MessageBinary, peerwire.Append(nil, peerwire.Bye{Reason: reason, Text: text}))
		if err == nil {
			code := websocket.StatusPolicyViolation
			if reason == peerwire.ReasonLeaving || reason == peerwire.ReasonNone {
				code = websocket.StatusGoingAway
			}
			// Close waits for the viewer's half, this no longer than byeTimeout.
			stop := context.AfterFunc(ctx, func() { _ = f.ws.CloseNow() })
			_ = f.ws.Close(code, text[:min(len(text), 100)])
			stop()
		}
		f.cancel()
	})
}

// send writes one control frame.
func (f *feed) send(frame peerwire.Frame) error {
	return f.write(peerwire.Append(nil, frame))
}

// write sends one frame. A viewer that does not take it within the write
// timeout is gone.
func (f *feed) write(b []byte) error {
	ctx, cancel := context.WithTimeout(f.ctx, f.s.cfg.WriteTimeout)
	defer cancel()
	err := f.ws.Write(ctx, websocket.MessageBinary, b)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			f.s.acct.feedSlow.Add(1)
		}
		f.cancel()
	}
	return err
}
