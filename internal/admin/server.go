// Package admin is a node's listener for operators: Prometheus metrics, the
// dashboard and the JSON API behind it. It has no login and therefore stays on
// loopback unless the configuration says otherwise.
package admin

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"starling/internal/httpserver"
	"starling/internal/media"
	"starling/internal/store"
	"starling/internal/telemetry"
)

// Config says where the listener is and what it shows.
type Config struct {
	Addrs []string // HOST:PORT; the first must be free
	Hosts []string // Host names to answer to besides localhost and IP addresses

	Node      string
	Role      string // "up", "edge", …
	Build     telemetry.Build
	Addresses func() map[string]string // the node's addresses by purpose, for /api/v1/node; may be nil
	Ready     <-chan struct{}          // closed when the node serves; nil: always

	Assets   fs.FS                // the client's build, with dashboard.html; nil: no dashboard
	Registry *prometheus.Registry // the node's metrics
}

// Server is the admin listener. Make one with New.
type Server struct {
	cfg     Config
	sampler *sampler
	started time.Time
	http    httpserver.Server
}

// New prepares the listener. t and e may be nil when the role is elsewhere.
func New(cfg Config, dir *store.Directory, t Tracker, e Edge, log *slog.Logger) (*Server, error) {
	s := &Server{cfg: cfg, sampler: newSampler(dir, t, e), started: time.Now()}
	if err := cfg.Registry.Register(newCollector(s.sampler)); err != nil {
		return nil, err
	}
	s.http = httpserver.Server{Addrs: cfg.Addrs, Handler: s.Handler(), Log: log}
	return s, nil
}

// Listening is closed when the listener accepts connections.
func (s *Server) Listening() <-chan struct{} { return s.http.Listening() }

// Addr is the first address, once Listening is closed.
func (s *Server) Addr() net.Addr { return s.http.Addr() }

// Run serves and samples until ctx ends, and returns nil after both have.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.http.Run(ctx) })
	g.Go(func() error { s.sample(ctx); return nil })
	return g.Wait()
}

// sample feeds the sampler at every step until ctx ends.
func (s *Server) sample(ctx context.Context) {
	tick := time.NewTicker(step)
	defer tick.Stop()
	s.sampler.observe(time.Now())
	for {
		select {
		case now := <-tick.C:
			s.sampler.observe(now)
		case <-ctx.Done():
			return
		}
	}
}

// Handler serves the listener's paths; Run uses it.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /api/v1/streams", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.sampler.rows(time.Now())) })
	mux.HandleFunc("GET /api/v1/history", s.history)
	mux.HandleFunc("GET /api/v1/node", s.node)
	if s.cfg.Assets != nil {
		mux.HandleFunc("GET /dashboard", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, s.cfg.Assets, "dashboard.html")
		})
		mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(s.cfg.Assets)))
		mux.Handle("GET /{$}", http.RedirectHandler("/dashboard", http.StatusFound))
	}
	return guard(s.cfg.Hosts, mux)
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-s.cfg.Ready:
	default:
		if s.cfg.Ready != nil {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("ok\n"))
}

func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	id, err := media.ParseStreamID(r.URL.Query().Get("stream"))
	if err != nil {
		http.Error(w, "query parameter stream: "+err.Error(), http.StatusBadRequest)
		return
	}
	h, ok := s.sampler.history(id)
	if !ok {
		http.Error(w, "no such stream in the last 15 minutes", http.StatusNotFound)
		return
	}
	writeJSON(w, h)
}

func (s *Server) node(w http.ResponseWriter, _ *http.Request) {
	n := struct {
		Node      string            `json:"node"`
		Role      string            `json:"role"`
		Version   string            `json:"version"`
		Commit    string            `json:"commit"`
		Go        string            `json:"go"`
		StartedMS int64             `json:"startedAtMs"`
		UptimeMS  int64             `json:"uptimeMs"`
		Addresses map[string]string `json:"addresses"`
	}{
		Node: s.cfg.Node, Role: s.cfg.Role,
		Version: s.cfg.Build.Version, Commit: s.cfg.Build.Commit, Go: s.cfg.Build.Go,
		StartedMS: s.started.UnixMilli(), UptimeMS: time.Since(s.started).Milliseconds(),
		Addresses: map[string]string{},
	}
	if s.cfg.Addresses != nil {
		n.Addresses = s.cfg.Addresses()
	}
	writeJSON(w, n)
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(append(b, '\n'))
}
