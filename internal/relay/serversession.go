package relay

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/sync/errgroup"

	"starling/internal/media"
	"starling/internal/relaywire"
)

// serverSession is one downstream node.
type serverSession struct {
	srv  *Server
	conn *quic.Conn
	log  *slog.Logger
	ctl  *control
	peer string // name that the downstream gave

	// subs is used by the control reader only.
	subs map[uint64]*push
}

// close ends the connection with the code that err asks for.
func (s *serverSession) close(err error) {
	text := ""
	if ce, ok := errors.AsType[*closeError](err); ok {
		text = ce.Error()
	}
	closeConn(s.conn, closeCode(err), text)
}

func closeConn(conn *quic.Conn, code relaywire.CloseCode, text string) {
	// CloseWithError always returns nil.
	_ = conn.CloseWithError(quic.ApplicationErrorCode(code), text)
}

// run serves the session until it fails, the peer leaves or ctx ends, and
// gives the reason.
func (s *serverSession) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	// Whatever ends first ends the connection, and with it every blocked
	// read and write of the session.
	stop := context.AfterFunc(ctx, func() {
		err := context.Cause(ctx)
		if errors.Is(err, context.Canceled) {
			err = closeWith(relaywire.CloseNormal, "this node stops")
		}
		s.close(err)
	})
	defer stop()
	g.Go(func() error { return s.start(ctx, g) })
	err := g.Wait()
	s.close(err)
	return err
}

// start accepts the control stream, exchanges HELLO and reads control frames.
func (s *serverSession) start(ctx context.Context, g *errgroup.Group) error {
	helloCtx, cancel := context.WithTimeoutCause(ctx, helloTimeout, closeWith(relaywire.CloseSlow, "no HELLO within %v", helloTimeout))
	defer cancel()
	str, err := s.conn.AcceptStream(helloCtx)
	if err != nil {
		return causeOf(helloCtx, err)
	}
	br := relaywire.NewReader(str)
	if err := str.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return err
	}
	first, err := relaywire.ReadFrame(br)
	if err != nil {
		return controlError(err)
	}
	hello, ok := first.(relaywire.Hello)
	if !ok {
		return closeWith(relaywire.CloseMalformed, "frame %#x before HELLO", uint64(first.Type()))
	}
	if err := str.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	s.log = s.log.With("downstream", hello.Node)
	s.log.Info("relay session opened")
	ctl := newControl(str)
	s.srv.mu.Lock()
	s.ctl, s.peer = ctl, hello.Node
	s.srv.mu.Unlock()
	g.Go(func() error { return ctl.run(ctx) })
	g.Go(func() error { return s.announce(ctx) })
	g.Go(func() error { return s.acceptFetches(ctx, g) })
	return s.readControl(ctx, g, br)
}

// causeOf gives why ctx ended, when it did, and err otherwise.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// controlError explains the end of a control stream.
func controlError(err error) error {
	if errors.Is(err, io.EOF) {
		return closeWith(relaywire.CloseNormal, "control stream was closed")
	}
	if _, ok := errors.AsType[*quic.StreamError](err); ok {
		return closeWith(relaywire.CloseMalformed, "control stream was reset")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return closeWith(relaywire.CloseMalformed, "control stream ended within a frame")
	}
	return err
}

func (s *serverSession) readControl(ctx context.Context, g *errgroup.Group, br *bufio.Reader) error {
	for {
		f, err := relaywire.ReadFrame(br)
		if err != nil {
			return controlError(err)
		}
		switch f := f.(type) {
		case relaywire.Subscribe:
			if err := s.subscribe(ctx, g, f); err != nil {
				return err
			}
		case relaywire.Unsubscribe:
			if p := s.subs[f.ID]; p != nil {
				p.cancel()
				delete(s.subs, f.ID)
			}
		case relaywire.Ping:
			s.ctl.send(relaywire.Pong(f))
		case relaywire.Pong, relaywire.Hello:
		default:
			return closeWith(relaywire.CloseMalformed, "frame %#x from downstream", uint64(f.Type()))
		}
	}
}

func (s *serverSession) subscribe(ctx context.Context, g *errgroup.Group, f relaywire.Subscribe) error {
	for id, p := range s.subs {
		if p.ended() {
			delete(s.subs, id)
		}
	}
	if s.subs[f.ID] != nil {
		return closeWith(relaywire.CloseMalformed, "subscription %d exists", f.ID)
	}
	if len(s.subs) >= s.srv.cfg.MaxSubscriptions {
		s.ctl.send(relaywire.SubscribeError{ID: f.ID, Code: relaywire.SubscribeOverloaded, Reason: fmt.Sprintf("%d subscriptions are the limit of a session", s.srv.cfg.MaxSubscriptions)})
		return nil
	}
	pctx, cancel := context.WithCancel(ctx)
	p := &push{sess: s, req: f, cancel: cancel, done: make(chan struct{})}
	s.subs[f.ID] = p
	g.Go(func() error {
		defer cancel()
		defer close(p.done)
		return p.run(pctx)
	})
	return nil
}

// announce sends HELLO, then the catalogs of all streams, and then each change.
func (s *serverSession) announce(ctx context.Context) error {
	sent := map[media.StreamID]*media.StreamInfo{}
	var said []string
	for first := true; ; first = false {
		changed := s.srv.hub.changed()
		hops, hopsChanged := s.srv.hops()
		if first || !equal(said, hops) {
			s.ctl.send(relaywire.Hello{Version: relaywire.Version, Node: s.srv.cfg.Node, Hops: hops})
			said = hops
		}
		if err := s.announceChanges(ctx, sent); err != nil {
			return err
		}
		if first {
			s.ctl.send(relaywire.Synced{})
		}
		select {
		case <-changed:
		case <-hopsChanged:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// announceChanges sends what differs from what was sent.
func (s *serverSession) announceChanges(ctx context.Context, sent map[media.StreamID]*media.StreamInfo) error {
	live := map[media.StreamID]bool{}
	for _, st := range s.srv.dir.List() {
		info := st.Info()
		live[st.ID] = true
		if sent[st.ID] == info {
			continue
		}
		sent[st.ID] = info
		b, err := json.Marshal(info)
		if err != nil || len(b) > relaywire.MaxPayload {
			s.log.Error("the catalog cannot be announced", "stream", st.ID, "bytes", len(b), "limit", relaywire.MaxPayload, "err", err)
			continue
		}
		s.ctl.send(relaywire.Catalog{JSON: b})
		if err := s.ctl.flush(ctx); err != nil {
			return err
		}
	}
	for id := range sent {
		if !live[id] {
			delete(sent, id)
			s.ctl.send(relaywire.Gone{Stream: id})
		}
	}
	return nil
}

// hops is the hop list to announce and a channel for its change, nil at an
// origin.
func (s *Server) hops() ([]string, <-chan struct{}) {
	if s.cfg.Upstream == nil {
		return nil, nil
	}
	hops, changed := s.cfg.Upstream.Hops()
	if len(hops) > relaywire.MaxHops {
		hops = hops[:relaywire.MaxHops]
	}
	return hops, changed
}
