// Package relay carries streams from the origin to edges and from edge to edge
// over QUIC (docs/relay.md): a Server gives what a store.Directory holds to
// downstream nodes, a Client keeps a Directory equal to an upstream's. A node
// between two others runs both over one Directory and forwards every chunk as
// soon as it is verified.
package relay

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

// DefaultAddr is the relay's listening address.
const DefaultAddr = ":4443"

// Upstream is what a server needs of the client of its own node, so that a
// subscription from downstream reaches further up. *Client implements it.
type Upstream interface {
	// Acquire makes the track flow into the Directory until release.
	Acquire(ctx context.Context, stream media.StreamID, track string) (release func(), err error)
	// Fetch gives parts that the Directory does not hold.
	Fetch(ctx context.Context, stream media.StreamID, track string, msn, first, last uint64) ([]*store.Part, error)
	// Hops gives the nodes through which media comes, nearest first, and a
	// channel that is closed when they change.
	Hops() ([]string, <-chan struct{})
}

// ServerConfig configures the upstream side.
type ServerConfig struct {
	// Addr is the UDP address to listen on; default DefaultAddr.
	Addr string
	// TLS must hold the node's certificate and require client certificates
	// of the cluster (pki.Identity.ServerTLS).
	TLS *tls.Config
	// Node is this node's name, unique in the cluster, by which loops are
	// found; default the host name and a random suffix. A node's server and
	// client must be given the same name.
	Node string
	// Upstream is this node's client; nil at an origin.
	Upstream Upstream
	// MaxSessions bounds downstream sessions; default 256.
	MaxSessions int
	// MaxSubscriptions bounds the subscriptions of one session; default 512.
	MaxSubscriptions int
	// MaxLag is how many segments may begin while one is being sent before
	// that one is abandoned for the newest; default 3. It bounds the delay of
	// a downstream whose link is too slow.
	MaxLag int
	// IdleTimeout is how long a silent downstream is kept; default
	// DefaultIdleTimeout.
	IdleTimeout time.Duration
}

// Server gives the streams of a Directory to downstream nodes.
type Server struct {
	cfg ServerConfig
	dir *store.Directory
	log *slog.Logger
	m   *serverMetrics
	hub *catalogHub

	addr      net.Addr
	listening chan struct{}

	mu       sync.Mutex
	sessions map[*serverSession]struct{}
}

// NewServer checks cfg and makes a server; Run makes it listen. reg may be nil.
func NewServer(cfg ServerConfig, dir *store.Directory, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	var err error
	if cfg.TLS, err = relayTLS(cfg.TLS, true); err != nil {
		return nil, err
	}
	if cfg.Node, err = nodeName(cfg.Node); err != nil {
		return nil, err
	}
	cfg.Addr = cmp.Or(cfg.Addr, DefaultAddr)
	cfg.MaxSessions = cmp.Or(cfg.MaxSessions, 256)
	cfg.MaxSubscriptions = cmp.Or(cfg.MaxSubscriptions, maxSegmentStreams/2)
	cfg.MaxLag = cmp.Or(cfg.MaxLag, 3)
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, DefaultIdleTimeout)
	return &Server{
		cfg: cfg, dir: dir, log: log.With("component", "relay-server", "node", cfg.Node), m: newServerMetrics(reg), hub: newCatalogHub(dir),
		listening: make(chan struct{}), sessions: map[*serverSession]struct{}{},
	}, nil
}

// nodeName checks a configured name or makes one.
func nodeName(name string) (string, error) {
	if name != "" {
		if !media.ValidName(name) {
			return "", fmt.Errorf("relay: node name %q: %w", name, media.ErrName)
		}
		return name, nil
	}
	host, err := os.Hostname()
	if host = strings.Trim(host, "."); err != nil || !media.ValidName(host) || len(host) > 50 {
		host = "node"
	}
	// Two nodes on one machine must not look like a loop.
	suffix := make([]byte, 3)
	if _, err := rand.Read(suffix); err != nil {
		return "", err
	}
	return host + "-" + hex.EncodeToString(suffix), nil
}

// Listening is closed when the server accepts sessions.
func (s *Server) Listening() <-chan struct{} { return s.listening }

// Addr is the listening address, once Listening is closed.
func (s *Server) Addr() net.Addr {
	select {
	case <-s.listening:
		return s.addr
	default:
		return nil
	}
}

// Run listens and serves until ctx ends, closes all sessions and returns nil;
// it returns early only when it cannot listen. It is called once.
func (s *Server) Run(ctx context.Context) error {
	udp, err := listenUDP(s.cfg.Addr, s.log)
	if err != nil {
		return err
	}
	transport := &quic.Transport{Conn: udp, StatelessResetKey: resetKey(s.cfg.TLS)}
	defer closeTransport(transport, s.log)
	ln, err := transport.Listen(s.cfg.TLS, serverQUIC(s.cfg.IdleTimeout))
	if err != nil {
		return fmt.Errorf("listening for relay sessions on %s: %w", udp.LocalAddr(), err)
	}
	s.addr = udp.LocalAddr()
	close(s.listening)
	s.log.Info("relay listens", "addr", s.addr.String())

	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { s.hub.run(ctx) })
	for {
		conn, err := ln.Accept(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accepting relay sessions: %w", err)
		}
		wg.Go(func() { s.serve(ctx, conn) })
	}
}

// serve runs one session to its end.
func (s *Server) serve(ctx context.Context, conn *quic.Conn) {
	sess := &serverSession{srv: s, conn: conn, log: s.log.With("remote", conn.RemoteAddr().String()), subs: map[uint64]*push{}}
	if !s.add(sess) {
		sess.close(closeWith(relaywire.CloseOverloaded, "this node has its %d sessions", s.cfg.MaxSessions))
		s.m.closed.WithLabelValues(relaywire.CloseOverloaded.String()).Inc()
		return
	}
	defer s.drop(sess)
	err := sess.run(ctx)
	reason := endReason(err)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		reason = relaywire.CloseNormal.String()
	}
	s.m.closed.WithLabelValues(reason).Inc()
	sess.log.Info("relay session ended", "downstream", sess.peer, "reason", reason, "err", err)
}

func (s *Server) add(sess *serverSession) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) >= s.cfg.MaxSessions {
		return false
	}
	s.sessions[sess] = struct{}{}
	s.m.sessions.Inc()
	return true
}

func (s *Server) drop(sess *serverSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, sess)
	s.m.sessions.Dec()
}

// Drain asks every downstream to find another upstream within d, before this
// node stops. Sessions go on until Run's context ends.
func (s *Server) Drain(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sess := range s.sessions {
		if sess.ctl != nil {
			sess.ctl.send(relaywire.Drain{In: d})
		}
	}
}
