package relay

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/sync/errgroup"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/wait"
)

const (
	pingInterval = 2 * time.Second
	// pingTimeout is longer than the idle timeout: QUIC finds a dead host or
	// path, PING an upstream that lives but no longer works.
	pingTimeout = 10 * time.Second
	// refusedPause is the wait before a subscription is tried again that an
	// upstream refused which had been serving it.
	refusedPause = time.Second
)

// clientSession is one session with an upstream.
type clientSession struct {
	c    *Client
	conn *quic.Conn
	addr string
	log  *slog.Logger
	ctl  *control
	fail context.CancelCauseFunc // ends the session

	byID      map[uint64]*subscription // guarded by c.mu
	announced map[media.StreamID]bool  // used by the control reader only
	pong      atomic.Int64             // Unix nanoseconds of the last sign of life
}

// run serves the session until it fails, the upstream leaves or ctx ends.
func (s *clientSession) run(ctx context.Context) error {
	ctx, s.fail = context.WithCancelCause(ctx)
	defer s.fail(nil)
	g, ctx := errgroup.WithContext(ctx)
	closeAll := func() {
		err := context.Cause(ctx)
		code, text := closeCode(err), ""
		if errors.Is(err, context.Canceled) {
			code, text = relaywire.CloseNormal, "this node stops"
		} else if ce, ok := errors.AsType[*closeError](err); ok {
			text = ce.Error()
		}
		closeConn(s.conn, code, text)
	}
	stop := context.AfterFunc(ctx, closeAll)
	defer stop()
	g.Go(func() error { return s.start(ctx, g) })
	err := g.Wait()
	s.c.detach(s)
	closeAll()
	return err
}

// start exchanges HELLO and then reads control frames.
func (s *clientSession) start(ctx context.Context, g *errgroup.Group) error {
	helloCtx, cancel := context.WithTimeoutCause(ctx, helloTimeout, closeWith(relaywire.CloseSlow, "no control stream within %v", helloTimeout))
	defer cancel()
	str, err := s.conn.OpenStreamSync(helloCtx)
	if err != nil {
		return causeOf(helloCtx, err)
	}
	s.ctl = newControl(str)
	s.ctl.send(relaywire.Hello{Version: relaywire.Version, Node: s.c.cfg.Node})
	g.Go(func() error { return s.ctl.run(ctx) })
	br := relaywire.NewReader(str)
	if err := str.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return err
	}
	f, err := relaywire.ReadFrame(br)
	if err != nil {
		return controlError(err)
	}
	hello, ok := f.(relaywire.Hello)
	if !ok {
		return closeWith(relaywire.CloseMalformed, "frame %#x before HELLO", uint64(f.Type()))
	}
	if err := str.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if err := s.hello(hello); err != nil {
		return err
	}
	s.log = s.log.With("upstreamNode", hello.Node)
	s.log.Info("relay session opened", "hops", hello.Hops)
	s.c.attach(s)
	s.pong.Store(time.Now().UnixNano())
	g.Go(func() error { return s.acceptSegments(ctx) })
	g.Go(func() error { return s.ping(ctx) })
	return s.readControl(ctx, g, br)
}

// hello checks the upstream's HELLO for a loop and takes its hop list.
func (s *clientSession) hello(h relaywire.Hello) error {
	hops := append([]string{h.Node}, h.Hops...)
	if slices.Contains(hops, s.c.cfg.Node) {
		return closeWith(relaywire.CloseLoop, "node %s is upstream of itself through %v: check relay.upstreams, and that node names are unique", s.c.cfg.Node, hops)
	}
	s.c.setHops(hops)
	return nil
}

func (s *clientSession) readControl(ctx context.Context, g *errgroup.Group, br *bufio.Reader) error {
	for {
		f, err := relaywire.ReadFrame(br)
		if err != nil {
			return controlError(err)
		}
		switch f := f.(type) {
		case relaywire.Hello:
			if err := s.hello(f); err != nil {
				return err
			}
		case relaywire.Catalog:
			info, err := parseCatalog(f.JSON)
			if err != nil {
				return err
			}
			s.announced[info.ID] = true
			s.c.announce(ctx, g, s, info)
		case relaywire.Gone:
			delete(s.announced, f.Stream)
			s.c.withdraw(f.Stream)
		case relaywire.Synced:
			s.c.synced(s)
		case relaywire.SubscribeOK:
			s.c.accepted(s, f.ID)
		case relaywire.SubscribeError:
			s.c.refused(ctx, g, s, f)
		case relaywire.TrackEnd:
			if sub := s.c.byID(s, f.ID); sub != nil {
				sub.noteEnd(f.Last)
			}
		case relaywire.Ping:
			s.ctl.send(relaywire.Pong(f))
		case relaywire.Pong:
			s.pong.Store(time.Now().UnixNano())
		case relaywire.Drain:
			if len(s.c.cfg.Upstreams) > 1 {
				return closeWith(relaywire.CloseSuperseded, "upstream drains, going to another")
			}
			s.log.Warn("the only upstream is going to stop", "in", f.In)
		default:
			return closeWith(relaywire.CloseMalformed, "frame %#x from upstream", uint64(f.Type()))
		}
	}
}

// parseCatalog decodes and checks what later code relies on.
func parseCatalog(b []byte) (*media.StreamInfo, error) {
	info := &media.StreamInfo{}
	if err := json.Unmarshal(b, info); err != nil {
		return nil, closeWith(relaywire.CloseMalformed, "catalog: %v", err)
	}
	if _, err := media.ParseStreamID(string(info.ID)); err != nil {
		return nil, closeWith(relaywire.CloseMalformed, "catalog: %v", err)
	}
	names, numbers := map[string]bool{}, map[uint8]bool{}
	for _, t := range info.Tracks {
		if !media.ValidName(t.Name) || names[t.Name] || numbers[t.Number] {
			return nil, closeWith(relaywire.CloseMalformed, "catalog of %s: track %q", info.ID, t.Name)
		}
		names[t.Name], numbers[t.Number] = true, true
	}
	return info, nil
}

// ping watches that the upstream answers.
func (s *clientSession) ping(ctx context.Context) error {
	for n := uint64(1); wait.For(ctx, pingInterval) == nil; n++ {
		if silent := time.Since(time.Unix(0, s.pong.Load())); silent > pingTimeout {
			return closeWith(relaywire.CloseSlow, "no PONG for %v", silent.Round(time.Second))
		}
		var f relaywire.Ping
		binary.BigEndian.PutUint64(f.Token[:], n)
		s.ctl.send(f)
		s.c.m.rtt.Set(s.conn.ConnectionStats().SmoothedRTT.Seconds())
	}
	return context.Cause(ctx)
}

// incoming is a segment stream whose head was read.
type incoming struct {
	sess  *clientSession
	str   *quic.ReceiveStream
	parts *relaywire.PartReader
	id    uint64 // subscription
	msn   uint64
}

func (in *incoming) cancel() {
	in.str.CancelRead(quic.StreamErrorCode(relaywire.StreamCancelled))
}

// acceptSegments hands segment streams to their subscriptions. Heads are read
// one after the other, so that segments stay in the order in which the
// upstream opened them (RFC 9000 section 2.1: opening a stream opens all
// before it).
func (s *clientSession) acceptSegments(ctx context.Context) error {
	for {
		str, err := s.conn.AcceptUniStream(ctx)
		if err != nil {
			return causeOf(ctx, err)
		}
		in, err := s.readHead(str)
		if err != nil {
			return fmt.Errorf("segment stream: %w", causeOf(ctx, err))
		}
		if in == nil {
			continue
		}
		if sub := s.c.byID(s, in.id); sub != nil {
			sub.enqueue(in)
		} else {
			in.cancel() // of a subscription that ended meanwhile
		}
	}
}

// readHead reads a stream's type and head; nil is a stream to leave alone.
func (s *clientSession) readHead(str *quic.ReceiveStream) (*incoming, error) {
	if err := str.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return nil, err
	}
	br := relaywire.NewReader(str)
	typ, err := relaywire.ReadStreamType(br)
	if err == nil && typ != relaywire.StreamTypeSegment {
		str.CancelRead(quic.StreamErrorCode(relaywire.StreamUnknown))
		return nil, nil
	}
	var head relaywire.Segment
	if err == nil {
		head, err = relaywire.ReadSegment(br)
	}
	if _, reset := errors.AsType[*quic.StreamError](err); reset {
		return nil, nil
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, closeWith(relaywire.CloseMalformed, "segment stream ended within its head")
	}
	if err != nil {
		return nil, err
	}
	return &incoming{sess: s, str: str, parts: relaywire.NewPartReader(br), id: head.Subscription, msn: head.MSN}, str.SetReadDeadline(time.Time{})
}
