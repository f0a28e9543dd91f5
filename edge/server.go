package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"starling/internal/httpserver"
	"starling/internal/store"
	"starling/internal/telemetry"
)

// shutdownGrace is how long requests may go on after the server was told to
// stop: parked ones are answered at once, a part takes less than this.
const shutdownGrace = 2 * time.Second

// Server is an edge. Use New.
type Server struct {
	cfg    Config
	dir    *store.Directory
	up     Upstream
	log    *slog.Logger
	views  *views
	fetch  *fetcher
	acct   *accounting
	assets *assets
	places *httpserver.AddressLimit // of WebSockets
	share  *httpserver.AddressLimit // of requests

	requests atomic.Int64 // in progress

	ctx    context.Context // ends when the server stops
	cancel context.CancelFunc
	wg     sync.WaitGroup // upstream calls and feeds

	mu     sync.Mutex
	feeds  int // open
	closed bool

	listening     chan struct{}
	addr, tlsAddr net.Addr
}

// New makes a server on dir. up may be nil (see Upstream). Call Run to listen,
// or use Handler with a listener of your own and call Close at the end.
func New(cfg Config, dir *store.Directory, up Upstream, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, dir: dir, up: up, log: log, listening: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	window := dir.Segments
	if window == 0 {
		window = store.DefaultSegments
	}
	s.acct = newAccounting(dir)
	s.views = newViews(s.ctx, &s.wg, up, cfg.IdleRelease, window, s.acct)
	s.fetch = newFetcher(s.ctx, &s.wg, up, cfg, s.acct)
	s.assets = newAssets(cfg.Assets)
	s.places = &httpserver.AddressLimit{Max: cfg.SocketsPerAddress}
	s.share = &httpserver.AddressLimit{Max: perAddress(cfg, cfg.MaxRequests)}
	if reg != nil {
		if err := reg.Register(s.acct); err != nil {
			return nil, fmt.Errorf("registering the edge's metrics: %w", err)
		}
	}
	return s, nil
}

// Stats gives what left this edge, per stream.
func (s *Server) Stats() []telemetry.EdgeStats { return s.acct.stats() }

// Listening is closed when the listeners are there.
func (s *Server) Listening() <-chan struct{} { return s.listening }

// Addr is the plain listener's address, nil without one. Wait for Listening.
func (s *Server) Addr() net.Addr { return s.addr }

// TLSAddr is the TLS listener's address, nil without one. Wait for Listening.
func (s *Server) TLSAddr() net.Addr { return s.tlsAddr }

// Run listens and serves until ctx ends, then answers what is parked, closes
// the feeds and gives up its upstream tracks. It returns nil after ctx.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	plain, err := listen(s.cfg.Addr, "HTTP")
	if err != nil {
		return err
	}
	secure, err := listen(s.cfg.TLSAddr, "HTTPS")
	if err != nil {
		if plain != nil {
			plain.Close()
		}
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	if plain != nil {
		s.addr = plain.Addr()
		s.serve(ctx, g, plain)
	}
	if secure != nil {
		s.tlsAddr = secure.Addr()
		conf := s.cfg.TLS.Clone()
		conf.NextProtos = []string{"h2", "http/1.1"}
		s.serve(ctx, g, tls.NewListener(secure, conf))
	}
	close(s.listening)
	g.Go(func() error { <-ctx.Done(); return nil })
	return g.Wait()
}

// Close ends parked requests, feeds and upstream tracks, and waits for them.
// Run calls it.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true // no new feed may join the wait
	s.mu.Unlock()
	s.cancel()
	s.views.close()
	s.fetch.close()
	s.wg.Wait()
}

func listen(addr, what string) (net.Listener, error) {
	if addr == Off {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for %s on %s (is the port taken? choose another address): %w", what, addr, err)
	}
	return l, nil
}

func (s *Server) serve(ctx context.Context, g *errgroup.Group, l net.Listener) {
	// Close does not wait for handlers, so they are counted.
	var handlers sync.WaitGroup
	handler := s.Handler()
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handlers.Add(1)
			defer handlers.Done()
			handler.ServeHTTP(w, r)
		}),
		MaxHeaderBytes:    s.cfg.MaxHeaderBytes,
		ReadHeaderTimeout: s.cfg.ReadHeaderTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		ConnContext:       ConnContext,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving viewers on %s: %w", l.Addr(), err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		s.cancel() // answers parked requests
		grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
		handlers.Wait()
		return nil
	})
}

// connKey is the context key of a request's net.Conn.
type connKey struct{}

// ConnContext is for the http.Server.ConnContext of a further listener of
// Handler: feeds need to know their connection.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}
