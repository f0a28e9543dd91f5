package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"starling/internal/media"
)

// runEdge starts the server's own listeners on free ports, with a certificate
// that the returned client trusts.
func runEdge(t *testing.T, cfg Config) (*rig, *http.Client) {
	t.Helper()
	tlsServer := httptest.NewUnstartedServer(nil)
	tlsServer.StartTLS()
	t.Cleanup(tlsServer.Close)
	cfg.Addr, cfg.TLSAddr, cfg.TLS = "127.0.0.1:0", "127.0.0.1:0", &tls.Config{Certificates: tlsServer.TLS.Certificates}
	r := newRig(t, cfg, nil)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.edge.Run(ctx) }()
	<-r.edge.Listening()
	pool := x509.NewCertPool()
	pool.AddCert(tlsServer.Certificate())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r, &http.Client{Transport: transport}
}

func fetchAll(t *testing.T, c *http.Client, url string) (*http.Response, []byte) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, b
}

func TestHTTP2OverTLSAndHTTP1Plain(t *testing.T) {
	r, client := runEdge(t, Config{})
	r.video.parts(14)
	id := media.PartID{MSN: firstMSN + 2, Index: 2}
	for base, proto := range map[string]string{"https://" + r.edge.TLSAddr().String(): "HTTP/2.0", "http://" + r.edge.Addr().String(): "HTTP/1.1"} {
		resp, b := fetchAll(t, client, base+at("v720/%d.m4s", firstMSN))
		if resp.Proto != proto || resp.StatusCode != 200 || len(b) != 6*r.video.size {
			t.Errorf("%s: %s %d, %d bytes", base, resp.Proto, resp.StatusCode, len(b))
		}
		// Many parked requests share one HTTP/2 connection.
		type answer struct {
			resp *http.Response
			body []byte
			err  error
		}
		answers := make(chan answer)
		const n = 50
		for range n {
			go func() {
				resp, err := client.Get(base + at("v720/index.m3u8?_HLS_msn=%d&_HLS_part=%d", id.MSN, id.Index))
				if err != nil {
					answers <- answer{err: err}
					return
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				answers <- answer{resp, b, err}
			}()
		}
		for r.edge.acct.parked.Load() < n {
			if !poll(t) {
				t.Fatalf("%d of %d requests are parked", r.edge.acct.parked.Load(), n)
			}
		}
		r.video.parts(1)
		for range n {
			a := <-answers
			if a.err != nil || a.resp.StatusCode != 200 || !strings.Contains(string(a.body), id.String()) {
				t.Fatalf("%s: %v %+v", proto, a.err, a.resp)
			}
		}
		id.Index++
	}
}

// poll waits a moment for another process of the machine (here the kernel's
// sockets); false when the test has taken too long.
func poll(t *testing.T) bool {
	deadline, ok := t.Deadline()
	timer := time.NewTimer(5 * time.Millisecond)
	defer timer.Stop()
	<-timer.C
	return !ok || time.Until(deadline) > 10*time.Second
}

func TestSlowReaderIsCutAndTheOthersAreNot(t *testing.T) {
	r, client := runEdge(t, Config{WriteTimeout: 500 * time.Millisecond})
	r.video.size = 2 << 20 // more than socket buffers take
	r.video.parts(12)
	conn, err := net.Dial("tcp", r.edge.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: edge\r\n\r\n", at("v720/%d.m4s", firstMSN))
	br := bufio.NewReader(conn)
	if line, err := br.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("%q, %v", line, err)
	}
	// The slow reader takes nothing more; a quick one meanwhile gets all.
	if _, b := fetchAll(t, client, "http://"+r.edge.Addr().String()+at("v720/%d.m4s", firstMSN)); len(b) != 6*r.video.size {
		t.Errorf("the quick reader got %d bytes", len(b))
	}
	// The same over HTTP/2, where flow control holds the answer back.
	resp, err := client.Get("https://" + r.edge.TLSAddr().String() + at("v720/%d.m4s", firstMSN))
	if err != nil || resp.ProtoMajor != 2 {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	for r.edge.requests.Load() != 0 {
		if !poll(t) {
			t.Fatal("a slow reader is still served")
		}
	}
	// What the quick one got is counted in full, what the slow ones did not
	// take is not.
	if got := r.edge.Stats()[0].MediaBytes; got < uint64(6*r.video.size) || got >= uint64(3*6*r.video.size) {
		t.Errorf("%d bytes counted", got)
	}
}

func TestBytesThatLeaveAreCounted(t *testing.T) {
	r, client := runEdge(t, Config{})
	r.video.parts(12)
	base := "http://" + r.edge.Addr().String()
	var media, text uint64
	for range 3 {
		_, b := fetchAll(t, client, base+at("v720/%d.1.m4s", firstMSN))
		media += uint64(len(b))
		req, _ := http.NewRequest(http.MethodGet, base+at("v720/index.m3u8"), nil)
		req.Header.Set("Accept-Encoding", "gzip")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		text += uint64(n)
	}
	fetchAll(t, client, base+at("v720/%d.1.m4s", firstMSN+500))
	stats := r.edge.Stats()
	if len(stats) != 1 || stats[0].MediaBytes != media || stats[0].PlaylistBytes != text || stats[0].Requests != 7 || stats[0].Stream != "live/demo" {
		t.Errorf("%+v, want %d media and %d playlist bytes", stats, media, text)
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(r.edge.acct)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	for name, v := range map[string]float64{
		"starling_edge_requests_total 2xx part live/demo":     3,
		"starling_edge_requests_total 2xx playlist live/demo": 3,
		"starling_edge_requests_total 4xx part live/demo":     1,
		"starling_edge_media_bytes_total http live/demo":      float64(media),
		"starling_edge_media_bytes_total feed live/demo":      0,
		"starling_edge_playlist_bytes_total live/demo":        float64(text),
		"starling_edge_playlist_renders_total":                1,
	} {
		if g, ok := got[name]; !ok || g != v {
			t.Errorf("%s is %v, want %v", name, g, v)
		}
	}
}

func TestTooManyRequestsGet503(t *testing.T) {
	r, client := runEdge(t, Config{MaxRequests: 1})
	r.video.parts(12)
	parked := make(chan struct{})
	go func() {
		defer close(parked)
		resp, err := client.Get("https://" + r.edge.TLSAddr().String() + at("v720/index.m3u8?_HLS_msn=%d&_HLS_part=0", firstMSN+2))
		if err == nil {
			resp.Body.Close()
		}
	}()
	for r.edge.acct.parked.Load() == 0 {
		if !poll(t) {
			t.Fatal("not parked")
		}
	}
	w := r.get(at("v720/index.m3u8"))
	want(t, w, 503)
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	r.video.parts(1)
	<-parked
	want(t, r.get(at("v720/index.m3u8")), 200)
}

func TestCORSAndMethods(t *testing.T) {
	r := newRig(t, Config{}, nil)
	r.video.parts(12)
	w := r.do(t.Context(), http.MethodOptions, at("v720/%d.0.m4s", firstMSN), "Origin", "https://other.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "range")
	want(t, w, 204)
	h := w.Header()
	if h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Range") || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "GET") {
		t.Errorf("%v", h)
	}
	mustContain(t, r.get(at("index.m3u8")).Header().Get("Access-Control-Expose-Headers"), "Content-Range")
	for _, m := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, "BREW"} {
		w := r.do(t.Context(), m, at("index.m3u8"))
		if w.Code != 405 || w.Header().Get("Allow") != allowedMethods {
			t.Errorf("%s: %d %v", m, w.Code, w.Header())
		}
	}
	body := httptest.NewRequest(http.MethodGet, at("index.m3u8"), strings.NewReader("x"))
	rec := httptest.NewRecorder()
	r.edge.Handler().ServeHTTP(rec, body)
	want(t, rec, 413)

	closed := newRig(t, Config{AllowOrigins: []string{"https://mine.example"}}, nil)
	for origin, allow := range map[string]string{"https://mine.example": "https://mine.example", "https://other.example": "", "": ""} {
		w := closed.get(at("index.m3u8"), "Origin", origin)
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != allow || !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "Origin") {
			t.Errorf("origin %q is allowed %q, Vary %v", origin, got, w.Header().Values("Vary"))
		}
	}
}

func TestPagesAndLists(t *testing.T) {
	r := newRig(t, Config{TrackerURL: "wss://tracker.example/tracker", Tracker: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the tracker") }), Assets: fstest.MapFS{
		"index.html":             {Data: []byte("<title>list</title>")},
		"watch.html":             {Data: []byte("<title>watch</title>")},
		"embed.html":             {Data: []byte("<title>embed</title>")},
		"player-ABCD2345.js":     {Data: []byte(strings.Repeat("let x; ", 200))},
		"assets/style.css":       {Data: []byte("body{}")},
		"dashboard.html":         {Data: []byte("admin only")},
		"player-ABCD2345.js.map": {Data: []byte("{}")},
	}}, nil)
	for path, c := range map[string]struct{ body, contentType, cache, csp string }{
		"/":                          {"list", "text/html; charset=utf-8", "no-cache", "frame-ancestors 'self'"},
		"/watch/live/demo":           {"watch", "text/html; charset=utf-8", "no-cache", "frame-ancestors 'self'"},
		"/embed/live/demo":           {"embed", "text/html; charset=utf-8", "no-cache", "frame-ancestors *"},
		"/assets/player-ABCD2345.js": {"let x", "text/javascript; charset=utf-8", immutable, ""},
		"/assets/style.css":          {"body", "text/css; charset=utf-8", "public, max-age=60", ""},
		"/tracker":                   {"the tracker", "text/plain; charset=utf-8", "", ""},
	} {
		w := r.get(path)
		h := w.Header()
		if w.Code != 200 || !strings.Contains(w.Body.String(), c.body) || h.Get("Content-Type") != c.contentType && c.cache != "" || h.Get("Cache-Control") != c.cache ||
			!strings.HasSuffix(h.Get("Content-Security-Policy"), c.csp) || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %q %v", path, w.Code, w.Body, h)
		}
	}
	if w := r.get("/assets/player-ABCD2345.js", "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "gzip" || w.Body.Len() > 200 {
		t.Errorf("%v, %d bytes", w.Header(), w.Body.Len())
	}
	for _, path := range []string{"/assets/../server.go", "/assets/", "/assets", "/dashboard.html", "/dashboard", "/watch/live/demo/x", "/index.html"} {
		if w := r.get(path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}

	var list []listed
	if err := json.Unmarshal(r.get("/streams.json").Body.Bytes(), &list); err != nil || len(list) != 1 || list[0].ID != "live/demo" || strings.Join(list[0].Tracks, " ") != "v720 a128" || list[0].StartedAtMS != epoch.UnixMilli() {
		t.Errorf("%+v, %v", list, err)
	}
	var cat struct {
		media.StreamInfo
		Tracker string `json:"tracker"`
	}
	w := r.get(at("catalog.json"))
	if err := json.Unmarshal(w.Body.Bytes(), &cat); err != nil || cat.Tracker != "wss://tracker.example/tracker" || cat.PartMS != 334 || !cat.Key.Equal(streamInfo().Key) {
		t.Errorf("%+v, %v", cat, err)
	}
	if len(cat.Tracks) != 2 || cat.Tracks[0].Slices != 3 || len(cat.Tracks[0].Inits) != 1 || cat.Tracks[0].Inits[0].ID != 1 || cat.Tracks[0].Inits[0].Data != nil || strings.Contains(w.Body.String(), `"data"`) {
		t.Errorf("tracks %+v", cat.Tracks)
	}
	ended := *streamInfo()
	ended.Ended = true
	r.dir.Put(&ended)
	if b := r.get("/streams.json").Body.String(); b != "[]" {
		t.Errorf("an ended stream is listed: %s", b)
	}
}

func TestListenFailureSaysWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := newRig(t, Config{}, nil)
	s, err := New(Config{Addr: taken.Addr().String()}, r.dir, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Fatalf("%v", err)
	}
}

// FuzzRequest makes sure that no path, query or range makes the edge fail or
// answer outside of the statuses that docs/hls.md knows.
func FuzzRequest(f *testing.F) {
	f.Add("/live/demo/v720/index.m3u8", "_HLS_msn=1&_HLS_part=2", "")
	f.Add(fmt.Sprintf("/live/demo/v720/%d.0.m4s", firstMSN), "", "bytes=1-2")
	f.Add(fmt.Sprintf("/live/demo/v720/%d.m4s", firstMSN), "x", "bytes=-2")
	f.Add("/assets/../x", "", "")
	f.Add("/feed/live/demo", "", "")
	r := newRig(f, Config{}, nil)
	r.video.parts(20)
	// Ended, so that no request has to wait.
	info := *streamInfo()
	info.Ended = true
	r.dir.Put(&info)
	f.Fuzz(func(t *testing.T, path, query, rng string) {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.URL.Path, req.URL.RawQuery = path, query
		req.Header.Set("Range", rng)
		w := httptest.NewRecorder()
		r.edge.Handler().ServeHTTP(w, req)
		switch w.Code {
		case 200, 206, 400, 404, 410, 416, 426:
		default:
			t.Fatalf("%q?%q: %d %s", path, query, w.Code, w.Body)
		}
	})
}
