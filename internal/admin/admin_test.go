package admin

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"starling/internal/media"
	"starling/internal/store"
	"starling/internal/telemetry"
)

// roles plays both a tracker and an edge whose counters the test sets.
type roles struct {
	mu      sync.Mutex
	tracker []telemetry.StreamStats
	edge    []telemetry.EdgeStats
}

func (r *roles) set(t telemetry.StreamStats, e telemetry.EdgeStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Stream, e.Stream = "live/demo", "live/demo"
	r.tracker, r.edge = []telemetry.StreamStats{t}, []telemetry.EdgeStats{e}
}

type asTracker struct{ *roles }

func (r asTracker) Stats() []telemetry.StreamStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.tracker)
}

type asEdge struct{ *roles }

func (r asEdge) Stats() []telemetry.EdgeStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.edge)
}

func newServer(t *testing.T, dir *store.Directory, tr Tracker, e Edge) *Server {
	t.Helper()
	s, err := New(Config{
		Role: "up", Node: "n1", Build: telemetry.Build{Version: "v1"}, Hosts: []string{"ops.example"},
		Registry:  prometheus.NewRegistry(),
		Assets:    fstest.MapFS{"dashboard.html": {Data: []byte("<title>Dashboard</title>")}, "app.js": {Data: []byte("1")}},
		Addresses: func() map[string]string { return map[string]string{"edge": "127.0.0.1:1"} },
	}, dir, tr, e, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://localhost"+path, nil))
	return w.Code, w.Body.String()
}

func getJSON(t *testing.T, s *Server, path string, v any) {
	t.Helper()
	code, body := get(t, s, path)
	if code != 200 {
		t.Fatalf("%s: %d %s", path, code, body)
	}
	if err := json.Unmarshal([]byte(body), v); err != nil {
		t.Fatalf("%s: %v in %s", path, err, body)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(b)) }

// Ten seconds without peers and then twenty with: the rates follow within the
// window, the totals keep the whole past, and the history shows both.
func TestOffloadAndRatesFollowTheCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r roles
		dir := &store.Directory{}
		dir.Put(&media.StreamInfo{ID: "live/demo", StartedAtMS: 7, Tracks: []media.TrackInfo{{Name: "v720"}, {Name: "a128"}}})
		s := newServer(t, dir, asTracker{&r}, asEdge{&r})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.sample(ctx) }()
		synctest.Wait()

		var peer, edge uint64
		pass := func(seconds int, peerRate, edgeRate uint64) {
			for range seconds / 2 {
				peer, edge = peer+2*peerRate, edge+2*edgeRate
				r.set(telemetry.StreamStats{Viewers: 6, Peers: 5, PeerBytes: peer, FeedBytes: edge / 2, HTTPBytes: edge / 2, LatencyP50MS: 1500, Stalls: 1},
					telemetry.EdgeStats{MediaBytes: edge / 4, FeedBytes: edge - edge/4, PlaylistBytes: 1e9})
				time.Sleep(step) // virtual
				synctest.Wait()
			}
		}
		var rows []row
		pass(10, 0, 1000)
		getJSON(t, s, "/api/v1/streams", &rows)
		if len(rows) != 1 || rows[0].Offload != 0 || !near(rows[0].EdgeBitrate, 8000) {
			t.Fatalf("without peers: %+v", rows)
		}
		pass(20, 750, 250)
		getJSON(t, s, "/api/v1/streams", &rows)
		got := rows[0]
		if !near(got.Offload, 0.75) || !near(got.PeerBitrate, 6000) || !near(got.EdgeBitrate, 2000) || !near(got.OffloadTotal, 0.5) {
			t.Errorf("with peers: %+v", got)
		}
		if !got.Live || got.StartedAtMS != 7 || !slices.Equal(got.Tracks, []string{"v720", "a128"}) || got.Viewers != 6 || got.Peers != 5 {
			t.Errorf("the stream itself: %+v", got)
		}
		if got.ReportedEdgeBytes != got.EdgeBytes || got.EdgeBytes != 15000 {
			t.Errorf("edge bytes: %+v", got)
		}

		var h history
		getJSON(t, s, "/api/v1/history?stream=live/demo", &h)
		if n := len(h.T); n != 16 || h.StepMS != 2000 || h.T[n-1]-h.T[0] != 30_000 || len(h.Stalls) != n || len(h.PeerBitrate) != n {
			t.Fatalf("history: %+v", h)
		}
		if h.Offload[5] != 0 || !near(h.Offload[15], 0.75) || h.Viewers[15] != 6 || h.LatencyP50MS[15] != 1500 {
			t.Errorf("history: %+v", h)
		}

		if _, body := get(t, s, "/metrics"); !strings.Contains(body, `starling_stream_offload_ratio{stream="live/demo"} 0.75`) ||
			!strings.Contains(body, `starling_stream_accounting_difference_ratio{stream="live/demo"} 0`) {
			t.Errorf("metrics:\n%s", body)
		}
		cancel()
		<-done
	})
}

func TestHistoryIsBoundedAndThenForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := &store.Directory{}
		dir.Put(&media.StreamInfo{ID: "live/demo"})
		s := newServer(t, dir, nil, nil)
		for range 2 * ringSize {
			s.sampler.observe(time.Now())
			time.Sleep(step) // virtual
		}
		h, _ := s.sampler.history("live/demo")
		if len(h.T) != ringSize || h.T[ringSize-1]-h.T[0] != historySpan.Milliseconds() || !slices.IsSorted(h.T) {
			t.Errorf("%d samples over %d ms", len(h.T), h.T[len(h.T)-1]-h.T[0])
		}
		dir.Remove("live/demo")
		s.sampler.observe(time.Now())
		if rows := s.sampler.rows(time.Now()); len(rows) != 1 || rows[0].Live {
			t.Errorf("just after the end: %+v", rows)
		}
		time.Sleep(historySpan + step) // virtual
		s.sampler.observe(time.Now())
		if rows := s.sampler.rows(time.Now()); len(rows) != 0 {
			t.Errorf("long after the end: %+v", rows)
		}
	})
}

func TestARestartedRoleCountsOn(t *testing.T) {
	var c counter
	for i, step := range []struct{ in, want uint64 }{{10, 10}, {15, 15}, {3, 18}, {3, 18}, {0, 18}, {2, 20}} {
		if got := c.observe(step.in); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
}

func TestATrackerAloneTakesTheViewersWord(t *testing.T) {
	var r roles
	s := newServer(t, &store.Directory{}, asTracker{&r}, nil)
	now := time.Unix(1000, 0)
	r.set(telemetry.StreamStats{}, telemetry.EdgeStats{})
	s.sampler.observe(now)
	r.set(telemetry.StreamStats{PeerBytes: 300, FeedBytes: 60, HTTPBytes: 40}, telemetry.EdgeStats{})
	if got := s.sampler.rows(now.Add(step))[0]; got.EdgeBytes != 100 || got.Offload != 0.75 {
		t.Errorf("%+v", got)
	}
}

func TestOnlyKnownHostNamesAreAnswered(t *testing.T) {
	s := newServer(t, &store.Directory{}, nil, nil)
	for host, want := range map[string]int{
		"localhost:9090": 200, "127.0.0.1:9090": 200, "[::1]:9090": 200, "LOCALHOST.": 200, "192.0.2.1": 200, "ops.example:9090": 200,
		"evil.example": 421, "localhost.evil.example:9090": 421, "127.0.0.1.evil.example": 421, "": 421,
	} {
		req := httptest.NewRequest("GET", "/api/v1/streams", nil)
		req.Host = host
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestPaths(t *testing.T) {
	s := newServer(t, &store.Directory{}, nil, nil)
	for _, c := range []struct {
		method, path string
		code         int
		body         string
	}{
		{"GET", "/healthz", 200, "ok"},
		{"GET", "/dashboard", 200, "<title>Dashboard"},
		{"GET", "/assets/app.js", 200, "1"},
		{"GET", "/", 302, ""},
		{"GET", "/api/v1/streams", 200, "[]"},
		{"GET", "/api/v1/history", 400, "stream"},
		{"GET", "/api/v1/history?stream=live/none", 404, "no such stream"},
		{"GET", "/api/v1/node", 200, `"addresses":{"edge":"127.0.0.1:1"}`},
		{"GET", "/nothing", 404, ""},
		{"POST", "/api/v1/streams", 405, ""},
	} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(c.method, "http://localhost"+c.path, nil))
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.body) {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is readable by other origins", c.path)
		}
	}
}

func TestNotHealthyBeforeReady(t *testing.T) {
	s := newServer(t, &store.Directory{}, nil, nil)
	ready := make(chan struct{})
	s.cfg.Ready = ready
	if code, _ := get(t, s, "/healthz"); code != http.StatusServiceUnavailable {
		t.Errorf("before: %d", code)
	}
	close(ready)
	if code, _ := get(t, s, "/healthz"); code != 200 {
		t.Errorf("after: %d", code)
	}
}

func TestRunServesAndStops(t *testing.T) {
	s := newServer(t, &store.Directory{}, nil, nil)
	s.http.Addrs = []string{"127.0.0.1:0"}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Listening()
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + s.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	cancel()
	if err := <-done; err != nil || res.StatusCode != 200 {
		t.Errorf("%v, %d", err, res.StatusCode)
	}
}

// A stream that is only in the history has no metrics any more.
func TestRemovedStreamLosesItsMetrics(t *testing.T) {
	var r roles
	dir := &store.Directory{}
	dir.Put(&media.StreamInfo{ID: "live/demo"})
	s := newServer(t, dir, asTracker{&r}, asEdge{&r})
	r.set(telemetry.StreamStats{PeerBytes: 300}, telemetry.EdgeStats{FeedBytes: 100})
	s.sampler.observe(time.Now())
	if _, body := get(t, s, "/metrics"); !strings.Contains(body, `{stream="live/demo"}`) {
		t.Fatalf("a stream on air is not there:\n%s", body)
	}
	dir.Remove("live/demo")
	if _, body := get(t, s, "/metrics"); strings.Contains(body, "live/demo") {
		t.Errorf("it is still there:\n%s", body)
	}
	if _, ok := s.sampler.history("live/demo"); !ok {
		t.Error("the history lost it")
	}
}
