package origin

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"starling/internal/media"
	"starling/internal/store"
	"starling/origin/ingest"
)

// Server is an origin.
type Server struct {
	cfg      Config
	dir      *store.Directory
	log      *slog.Logger
	metrics  *metrics
	seed     []byte
	registry *registry
	ffmpeg   string // path; empty: not there

	listening chan struct{}
	addr      net.Addr

	mu      sync.Mutex
	streams map[media.StreamID]*stream
	ctx     context.Context // of Run
	wg      sync.WaitGroup  // streams
}

// New checks the configuration and loads the state. Nothing runs before Run.
func New(cfg Config, dir *store.Directory, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, dir: dir, log: log.With("role", "origin"), listening: make(chan struct{}), streams: map[media.StreamID]*stream{}}
	if s.metrics, err = newMetrics(reg); err != nil {
		return nil, fmt.Errorf("origin: registering metrics: %w", err)
	}
	if s.seed, err = loadSeed(cfg.StateDir); err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	if s.registry, err = loadRegistry(cfg.StateDir, time.Now()); err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	if cfg.StateDir == "" {
		s.log.Warn("no state directory: signing keys and numbers are new at every start, and viewers must reload after one")
	}
	if cfg.Rungs == nil || len(cfg.Rungs) > 0 || cfg.EncodeSource {
		if s.ffmpeg, err = exec.LookPath(cfg.FFmpeg); err != nil {
			s.log.Error("no encoder: only the source's own rendition will be served; install ffmpeg (apt install ffmpeg, brew install ffmpeg) or set its path in origin.ffmpeg", "err", err)
			s.ffmpeg = ""
		}
	}
	return s, nil
}

// Listening is closed when publishers can connect.
func (s *Server) Listening() <-chan struct{} { return s.listening }

// Addr is where publishers connect; valid after Listening is closed.
func (s *Server) Addr() net.Addr { return s.addr }

// Run serves publishers until ctx ends. It returns when every connection,
// stream and encoder has ended; nil if that was because of ctx.
func (s *Server) Run(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.cfg.RTMPAddr)
	if err != nil {
		return fmt.Errorf("origin: listening for RTMP publishers on %s: %w", s.cfg.RTMPAddr, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer s.wg.Wait()
	defer cancel()
	s.ctx = ctx
	s.addr = l.Addr()
	close(s.listening)
	s.log.Info("waiting for RTMP publishers", "addr", s.addr.String())

	in := s.cfg.Ingest
	in.OnReject = func(reason string) { s.metrics.rejects.WithLabelValues(reason).Inc() }
	in.OnBytes = func(n int) { s.metrics.ingestBytes.Add(float64(n)) }
	return ingest.NewServer(in, s, s.log).Serve(ctx, l)
}

// Publish implements ingest.Host.
func (s *Server) Publish(id media.StreamID, remote string, m ingest.Media) (ingest.Session, error) {
	for {
		st, err := s.stream(id)
		if err != nil {
			return nil, err
		}
		sess, err := st.attach(remote, m)
		if err == errGone && s.ctx.Err() == nil {
			continue // it was being removed: make it anew
		}
		if err != nil {
			return nil, err
		}
		return sess, nil
	}
}

// stream finds a stream or starts it.
func (s *Server) stream(id media.StreamID) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st, ok := s.streams[id]; ok {
		return st, nil
	}
	if len(s.streams) >= s.cfg.MaxStreams {
		return nil, &ingest.Refusal{Reason: "limit", Err: fmt.Errorf("this origin has its %d streams, those that ended in the last minute included: try again later", s.cfg.MaxStreams)}
	}
	key, err := streamKey(s.seed, id)
	if err != nil {
		return nil, err
	}
	st := newStream(s, id, key)
	s.streams[id] = st
	s.wg.Go(func() { st.run(s.ctx) })
	return st, nil
}

// forget removes a stream that has ended itself.
func (s *Server) forget(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[st.id] == st {
		delete(s.streams, st.id)
	}
}

var _ ingest.Host = (*Server)(nil)
