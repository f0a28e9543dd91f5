// Package ingest takes publications over RTMP.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"starling/internal/httpserver"
	"starling/internal/media"
)

// Config of a Server. Zero values mean the defaults.
type Config struct {
	// MaxConnections bounds publishers, and those that are still negotiating.
	// Default 64. One address, or IPv6 /64, may have half of them; loopback is
	// exempt.
	MaxConnections int
	// Negotiate is the time for handshake and commands. Default 10 s.
	Negotiate time.Duration
	// Idle is the longest time without a message. Default 10 s.
	Idle time.Duration
	// Video is the longest time without a picture, from the start and later. Default 10 s.
	Video time.Duration
	// MaxFrame bounds an access unit, bytes. Default 4 MiB: an IDR of 4K video.
	MaxFrame int

	OnReject func(reason string) // counts refused and broken publications; may be nil
	OnBytes  func(n int)         // counts received bytes; may be nil
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration) {
		if *d == 0 {
			*d = 10 * time.Second
		}
	}
	def(&c.Negotiate)
	def(&c.Idle)
	def(&c.Video)
	if c.MaxConnections == 0 {
		c.MaxConnections = 64
	}
	if c.MaxFrame == 0 {
		c.MaxFrame = 4 << 20
	}
	if c.OnReject == nil {
		c.OnReject = func(string) {}
	}
	if c.OnBytes == nil {
		c.OnBytes = func(int) {}
	}
	return c
}

// Refusal is a Host's or Session's error with a word for metrics.
type Refusal struct {
	Reason string // such as "busy" or "keyframes"
	Err    error
}

func (r *Refusal) Error() string { return r.Err.Error() }
func (r *Refusal) Unwrap() error { return r.Err }

// Server takes RTMP connections.
type Server struct {
	cfg  Config
	host Host
	log  *slog.Logger
}

// NewServer makes a Server that hands publications to host.
func NewServer(cfg Config, host Host, log *slog.Logger) *Server {
	return &Server{cfg.withDefaults(), host, log}
}

// Serve accepts connections until ctx ends, then closes them and waits.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	slots := make(chan struct{}, s.cfg.MaxConnections)
	places := &httpserver.AddressLimit{Max: max(s.cfg.MaxConnections/2, 1)}
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("accepting RTMP: %w", err)
			}
			s.log.Error("accepting RTMP", "err", err) // such as too many open files: it passes
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		leave, ok := places.Enter(c.RemoteAddr().String())
		if !ok {
			s.refuse(c, places.Max)
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			leave()
			s.refuse(c, s.cfg.MaxConnections)
			continue
		}
		wg.Go(func() {
			defer leave()
			defer func() { <-slots }()
			s.handle(ctx, c)
		})
	}
}

// refuse closes a connection that is one too many.
func (s *Server) refuse(c net.Conn, limit int) {
	s.cfg.OnReject("limit")
	s.log.Warn("publisher refused: too many connections", "remote", c.RemoteAddr().String(), "limit", limit)
	c.Close()
}

// handle is the life of one connection.
func (s *Server) handle(ctx context.Context, nc net.Conn) {
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	log := s.log.With("remote", nc.RemoteAddr().String())
	p := &publication{srv: s, nc: nc, log: log}
	err := p.protect()
	if p.demux.session != nil {
		p.demux.session.Close(err)
	}
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		p.log.Info("publisher has left")
		p.drain()
		return
	}
	reason, code := p.classify(err)
	s.cfg.OnReject(reason)
	p.log.Warn("publication ended", "reason", reason, "err", err)
	if p.conn != nil {
		p.farewell(code, err)
	}
}

// publication is one connection's state.
type publication struct {
	srv    *Server
	nc     net.Conn
	log    *slog.Logger
	conn   *conn
	demux  demuxer
	stream media.StreamID
}

// protect turns a panic, which could only come from the library's parsers,
// into the end of this connection: one publisher must not end all streams.
func (p *publication) protect() (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.log.Error("panic in a publication", "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("malformed RTMP: %v", v)
		}
	}()
	return p.run()
}

func (p *publication) run() error {
	cfg := &p.srv.cfg
	_ = p.nc.SetDeadline(time.Now().Add(cfg.Negotiate))
	in := &counted{Conn: p.nc, add: cfg.OnBytes, limited: true, left: maxNegotiation}
	conn, id, err := accept(in, cfg.MaxFrame)
	in.limited = false
	p.conn = conn
	if err != nil {
		if conn != nil {
			return &Refusal{"name", err}
		}
		return &Refusal{"handshake", err}
	}
	p.stream = id
	p.log = p.log.With("stream", string(id))
	if err := conn.start(); err != nil {
		return err
	}
	p.demux = demuxer{limit: 2 * cfg.MaxFrame, open: func(m Media) (Session, error) {
		return p.srv.host.Publish(id, p.nc.RemoteAddr().String(), m)
	}}
	picture := time.Now()
	for {
		now := time.Now()
		deadline := now.Add(cfg.Idle)
		if last := picture.Add(cfg.Video); last.Before(deadline) {
			deadline = last
		}
		_ = p.nc.SetDeadline(deadline)
		m, err := conn.media()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Since(picture) >= cfg.Video:
			return &Refusal{"no-video", errNoVideo}
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := p.demux.take(m); err != nil {
			return err
		}
		if m.kind == kindVideo && p.demux.media.Video != nil {
			picture = time.Now()
		} else if time.Since(picture) >= cfg.Video {
			return &Refusal{"no-video", errNoVideo}
		}
	}
}

// farewell tells the publisher why before the connection is closed.
func (p *publication) farewell(code string, why error) {
	_ = p.nc.SetDeadline(time.Now().Add(time.Second))
	if p.conn.refuse(code, why.Error()) != nil {
		return
	}
	if t, ok := p.nc.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
	p.drain()
}

// drain reads what the publisher has under way, for a second at most: a
// connection closed with bytes unread is reset, so that the publisher would
// fail in its own goodbye (deleteStream after FCUnpublish) or lose ours.
func (p *publication) drain() {
	_ = p.nc.SetDeadline(time.Now().Add(time.Second))
	_, _ = io.Copy(io.Discard, io.LimitReader(p.nc, 64<<20))
}

// maxNegotiation bounds what may be sent before publishing: the handshake has
// 3 KiB and the commands about one. A message could otherwise claim 10 MiB of
// memory on each of 62 chunk streams before a name is even known.
const maxNegotiation = 256 << 10

var errNegotiation = fmt.Errorf("more than %d bytes before the publish command", maxNegotiation)

// counted counts what is read, and bounds it at first.
type counted struct {
	net.Conn
	add     func(int)
	limited bool
	left    int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.add(n)
	if c.limited {
		if c.left -= n; c.left < 0 {
			return 0, errNegotiation
		}
	}
	return n, err
}
