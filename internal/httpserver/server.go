// Package httpserver runs one HTTP handler on a node's addresses, with the
// time limits and the orderly stop that every listener needs.
package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of a connection. A handler that streams or holds a request lifts the
// ones it needs with http.ResponseController.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
	// bodyTimeout bounds how long a request's body may take: no listener here
	// needs one, but the server reads what a handler left, however slowly it comes.
	bodyTimeout = time.Second
	// stopGrace is what requests in flight get before they are cut.
	stopGrace = 2 * time.Second
)

// Server serves Handler on Addrs. Set the exported fields, then call Run once.
type Server struct {
	// Addrs are HOST:PORT. The first must be free; the others are further
	// names of the same machine (such as [::1]) and are skipped, with a log
	// line, when they cannot be had.
	Addrs []string
	// Optional makes the first like the others: without any address Run waits
	// for its context.
	Optional bool
	Handler  http.Handler
	TLS      *tls.Config // nil: plain HTTP
	// ConnContext may add to the context of a connection's requests; may be nil.
	ConnContext func(context.Context, net.Conn) context.Context
	Log         *slog.Logger

	once      sync.Once
	listening chan struct{}
	mu        sync.Mutex
	addrs     []net.Addr
}

func (s *Server) init() { s.once.Do(func() { s.listening = make(chan struct{}) }) }

// Listening is closed when all addresses accept connections.
func (s *Server) Listening() <-chan struct{} {
	s.init()
	return s.listening
}

// Addr is the first address, once Listening is closed; nil before.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.addrs) == 0 {
		return nil
	}
	return s.addrs[0]
}

// Run listens and serves until ctx ends, and returns nil after the last handler
// has returned: each sees its request's context end when the grace is over. An
// address in use is a *net.OpError in the chain.
func (s *Server) Run(ctx context.Context) error {
	s.init()
	listeners, err := s.listen(ctx)
	if err != nil {
		return err
	}
	if len(listeners) == 0 {
		close(s.listening)
		<-ctx.Done()
		return nil
	}
	// Requests must not outlive the node, but end after it has begun to stop:
	// their context is cancelled when the grace is over.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	srv := &http.Server{
		TLSConfig:         s.TLS,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       s.ConnContext,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	// Shutdown and Close do not wait for handlers that have taken over their
	// connection (WebSockets), so they are counted here.
	var handlers sync.WaitGroup
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		s.Handler.ServeHTTP(w, r)
	})
	served := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() {
			if s.TLS != nil {
				served <- srv.ServeTLS(l, "", "")
			} else {
				served <- srv.Serve(l)
			}
		}()
	}
	s.mu.Lock()
	for _, l := range listeners {
		s.addrs = append(s.addrs, l.Addr())
	}
	s.mu.Unlock()
	close(s.listening)

	var failed error
	select {
	case <-ctx.Done():
	case failed = <-served:
		served <- nil // counted below
	}
	grace, cancel := context.WithTimeout(base, stopGrace)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		srv.Close()
	}
	cut()
	for range listeners {
		<-served
	}
	handlers.Wait()
	if failed != nil && !errors.Is(failed, http.ErrServerClosed) {
		return fmt.Errorf("serving HTTP on %s: %w", listeners[0].Addr(), failed)
	}
	return nil
}

func (s *Server) listen(ctx context.Context) ([]net.Listener, error) {
	if len(s.Addrs) == 0 {
		return nil, errors.New("serving HTTP: no address to listen on")
	}
	var (
		lc        net.ListenConfig
		listeners []net.Listener
	)
	for i, addr := range s.Addrs {
		l, err := lc.Listen(ctx, "tcp", addr)
		switch {
		case err == nil:
			listeners = append(listeners, l)
		case i == 0 && !s.Optional:
			return nil, fmt.Errorf("listening for HTTP on %s: %w", addr, err)
		default:
			s.Log.Debug("a further address is not available", "addr", addr, "err", err)
		}
	}
	return listeners, nil
}
