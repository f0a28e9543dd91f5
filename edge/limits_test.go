package edge

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"starling/internal/media"
	"starling/internal/peerwire"
	"starling/internal/store"
)

func TestPartComesWithItsSignedHeader(t *testing.T) {
	r := newRig(t, Config{}, nil)
	r.video.parts(12)
	for _, c := range []struct {
		path, rng string
		status    int
		has       bool
	}{
		{at("v720/%d.1.m4s", firstMSN), "", 200, true},
		{at("v720/%d.1.m4s", firstMSN), "bytes=0-9", 206, true},
		{at("v720/%d.1.m4s", firstMSN), "bytes=90000-", 416, false},
		{at("v720/%d.m4s", firstMSN), "", 200, false},
		{at("v720/init-1.mp4"), "", 200, false},
	} {
		w := r.get(c.path, "Range", c.rng)
		want(t, w, c.status)
		field := w.Header().Get(PartHeaderField)
		if (field != "") != c.has {
			t.Errorf("%s %s: header %q", c.path, c.rng, field)
		}
		mustContain(t, w.Header().Get("Access-Control-Expose-Headers"), PartHeaderField)
		if !c.has {
			continue
		}
		raw, err := base64.RawURLEncoding.DecodeString(field)
		if err != nil {
			t.Fatal(err)
		}
		h, err := media.VerifyHeader(raw, streamInfo().Key)
		if err != nil || h.ID != (media.PartID{MSN: firstMSN, Index: 1}) || h.Track != 1 {
			t.Errorf("header %+v, %v", h, err)
		}
	}
}

// One address cannot take all places of feeds and tracker.
func TestWebSocketsOfOneAddressAreLimited(t *testing.T) {
	r := newRig(t, Config{SocketsPerAddress: 2, Tracker: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err == nil {
			<-ws.CloseRead(r.Context()).Done()
		}
	})}, nil)
	r.video.parts(12)
	handler := r.edge.Handler()
	r.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		q.RemoteAddr = q.Header.Get("X-From") + ":1000"
		handler.ServeHTTP(w, q)
	}))
	defer r.http.Close()
	dial := func(path, from string) (*websocket.Conn, int) {
		ws, resp, err := websocket.Dial(t.Context(), strings.Replace(r.http.URL, "http", "ws", 1)+path, &websocket.DialOptions{
			Subprotocols: []string{peerwire.Subprotocol}, HTTPHeader: http.Header{"X-From": {from}},
		})
		if err == nil {
			t.Cleanup(func() { ws.CloseNow() })
		} else if resp == nil {
			t.Fatal(err)
		}
		return ws, resp.StatusCode
	}
	first, status := dial("/feed/live/demo", "192.0.2.1")
	if status != http.StatusSwitchingProtocols {
		t.Fatal(status)
	}
	if _, status = dial("/tracker", "192.0.2.1"); status != http.StatusSwitchingProtocols {
		t.Fatal(status)
	}
	for _, path := range []string{"/feed/live/demo", "/tracker"} {
		if _, status = dial(path, "192.0.2.1"); status != http.StatusTooManyRequests {
			t.Errorf("a third, %s: %d", path, status)
		}
		if _, status = dial(path, "192.0.2.2"); status != http.StatusSwitchingProtocols {
			t.Errorf("another address, %s: %d", path, status)
		}
	}
	// Its place is given back when a feed ends.
	if err := first.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, status = dial("/feed/live/demo", "192.0.2.1"); status == http.StatusSwitchingProtocols {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the place was not given back")
		}
	}
}

// A body that never comes must not hold a connection, whatever the method.
func TestBodyThatDoesNotComeEndsTheConnection(t *testing.T) {
	r := newRig(t, Config{Tracker: http.NotFoundHandler()}, nil).listen()
	for _, line := range []string{"OPTIONS / HTTP/1.1", "POST /live/demo/index.m3u8 HTTP/1.1", "GET /feed/live/demo HTTP/1.1", "GET /tracker HTTP/1.1"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", r.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(4 * time.Second))
			fmt.Fprintf(conn, "%s\r\nHost: x\r\nContent-Length: 10\r\n\r\n", line)
			answer, err := io.ReadAll(conn)
			if err != nil {
				t.Fatalf("the connection stays open: %v after %q", err, answer)
			}
		})
	}
}

// timed notes how much is written under each write deadline.
type timed struct {
	*httptest.ResponseRecorder
	most, now int
}

func (w *timed) SetWriteDeadline(time.Time) error { w.now = 0; return nil }

func (w *timed) Write(b []byte) (int, error) {
	w.now += len(b)
	w.most = max(w.most, w.now)
	return w.ResponseRecorder.Write(b)
}

// The write timeout is for 128 KiB, of a page's script too: a reader at 100
// kbit/s gets it all.
func TestLargeFileIsSentInPiecesWithTheirOwnTime(t *testing.T) {
	script := make([]byte, 500_000)
	for i := range script {
		script[i] = byte(rand.Uint32()) // does not compress
	}
	r := newRig(t, Config{Assets: fstest.MapFS{"player.js": {Data: script}}}, nil)
	w := &timed{ResponseRecorder: httptest.NewRecorder()}
	r.edge.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/assets/player.js", nil))
	if w.Code != 200 || w.Body.String() != string(script) {
		t.Fatalf("%d with %d bytes", w.Code, w.Body.Len())
	}
	if w.most > writeChunk {
		t.Errorf("%d bytes under one deadline", w.most)
	}
}

// A stream that was removed takes its labels with it.
func TestRemovedStreamLosesItsMetrics(t *testing.T) {
	r := newRig(t, Config{}, nil)
	r.video.parts(12)
	want(t, r.get(at("v720/%d.1.m4s", firstMSN)), 200)
	if s := r.edge.Stats(); len(s) != 1 {
		t.Fatalf("%d streams are counted", len(s))
	}
	ended := *streamInfo()
	ended.Ended, ended.Revision = true, 2
	r.dir.Put(&ended)
	if s := r.edge.Stats(); len(s) != 1 || s[0].MediaBytes == 0 {
		t.Fatalf("an ended stream is still to be reconciled: %+v", s)
	}
	r.dir.Remove("live/demo")
	if s := r.edge.Stats(); len(s) != 0 {
		t.Errorf("still counted: %+v", s)
	}
	if left := labelled(t, r.edge.acct, "live/demo"); left != 0 {
		t.Errorf("%d series are left", left)
	}
}

// labelled counts the series of a stream.
func labelled(t *testing.T, c prometheus.Collector, stream string) (n int) {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "stream" && l.GetValue() == stream {
					n++
				}
			}
		}
	}
	return n
}

// One address cannot park all requests that the edge takes.
func TestRequestsOfOneAddressAreAQuarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{MaxRequests: 8}, nil)
		defer r.edge.Close()
		r.video.parts(12)
		next := at("v720/index.m3u8?_HLS_msn=%d&_HLS_part=0", firstMSN+2)
		first, second := r.park(next), r.park(next)
		w := r.get(next)
		want(t, w, http.StatusTooManyRequests)
		if w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		other := httptest.NewRequest(http.MethodGet, at("v720/index.m3u8"), nil)
		other.RemoteAddr = "192.0.2.99:1"
		got := httptest.NewRecorder()
		r.edge.Handler().ServeHTTP(got, other)
		want(t, got, 200)
		r.video.parts(1)
		want(t, <-first, 200)
		want(t, <-second, 200)
		want(t, r.get(at("v720/index.m3u8")), 200)
	})
}

// One address that asks for ever other old segments leaves fetches to others.
func TestFetchesOfOneAddressAreAQuarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &fakeUpstream{onFetch: func(ctx context.Context, _ string, _, _, _ uint64) ([]*store.Part, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		r := newRig(t, Config{MaxFetches: 8}, up)
		defer r.edge.Close()
		r.video.parts(12)
		for i := range 2 {
			r.park(at("v720/%d.m4s", firstMSN-10-i))
		}
		start := time.Now()
		want(t, r.get(at("v720/%d.m4s", firstMSN-20)), 503)
		if time.Since(start) != 0 {
			t.Error("a third fetch was begun")
		}
		joined := r.park(at("v720/%d.m4s", firstMSN-10)) // shares the one under way
		if answered(joined) {
			t.Error("a viewer who asks for the same was refused")
		}
	})
}
