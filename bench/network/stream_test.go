package network

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// world is a server and a viewer in a network.
func world(t *testing.T, path Path, viewer Line) (*Network, *Host, *Host) {
	t.Helper()
	n := New(Config{Seed: 3, Path: func(_, _ *Host) Path { return path }})
	server := n.Host(Line{Name: "edge.lab"})
	return n, server, n.Host(viewer)
}

func open(ms int) Path { return Path{RTT: time.Duration(ms) * time.Millisecond, Reachable: true} }

func TestHTTPAndWebSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, server, viewer := world(t, open(40), Line{Uplink: 2e6, Downlink: 20e6})
		defer n.Close()
		l, err := server.Listen(80)
		if err != nil {
			t.Fatal(err)
		}
		body := bytes.Repeat([]byte("part"), 25_000)
		mux := http.NewServeMux()
		mux.HandleFunc("/part", func(w http.ResponseWriter, r *http.Request) {
			if r.RemoteAddr == "" {
				t.Error("no remote address")
			}
			_, _ = w.Write(body)
		})
		mux.HandleFunc("/feed", func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			kind, b, err := ws.Read(r.Context())
			if err == nil {
				err = ws.Write(r.Context(), kind, b)
			}
			if err != nil {
				t.Error(err)
			}
			_, _, _ = ws.Read(r.Context()) // until the viewer closes
		})
		srv := &http.Server{Handler: mux}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		tr := &http.Transport{DialContext: viewer.DialContext}
		client := &http.Client{Transport: tr}

		begin := time.Now()
		for i := range 3 {
			resp, err := client.Get("http://edge.lab/part")
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			_ = resp.Body.Close()
			took := time.Since(begin)
			begin = time.Now()
			t.Logf("request %d took %v", i, took)
			// A round trip to connect, one to ask, two more of slow start for
			// 69 segments from a window of 10, and 41 ms of line.
			if i == 0 && (took < 160*time.Millisecond || took > 220*time.Millisecond) {
				t.Errorf("the first request took %v", took)
			}
			if i == 2 && (took < 80*time.Millisecond || took > 130*time.Millisecond) {
				t.Errorf("a request on an open connection took %v", took)
			}
		}
		ws, _, err := websocket.Dial(t.Context(), "ws://edge.lab/feed", &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		if err := ws.Write(t.Context(), websocket.MessageBinary, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, b, err := ws.Read(t.Context()); err != nil || string(b) != "hello" {
			t.Fatalf("%q, %v", b, err)
		}
		if err := ws.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		tr.CloseIdleConnections()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

func TestDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, server, viewer := world(t, open(40), Line{})
		defer n.Close()
		begin := time.Now()
		_, err := viewer.DialContext(t.Context(), "tcp", "edge.lab:80")
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(begin).Round(time.Millisecond) != 40*time.Millisecond {
			t.Errorf("nobody listens: %v after %v", err, time.Since(begin))
		}
		if _, err := viewer.DialContext(t.Context(), "tcp", "nowhere.lab:80"); err == nil {
			t.Error("a name that does not exist was found")
		}
		l, err := server.Listen(80)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.Listen(80); !errors.Is(err, errPortUsed) {
			t.Errorf("a port taken twice: %v", err)
		}
		server.SetUp(false)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := viewer.DialContext(ctx, "tcp", "edge.lab:80"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a server that is cut off: %v", err)
		}
		begin = time.Now()
		if _, err := viewer.DialContext(t.Context(), "tcp", "edge.lab:80"); !errors.Is(err, syscall.ETIMEDOUT) || time.Since(begin) < 10*time.Second {
			t.Errorf("a server that is cut off: %v after %v", err, time.Since(begin))
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// pair opens a stream between the two hosts.
func pair(t *testing.T, server, viewer *Host) (net.Conn, net.Conn) {
	t.Helper()
	l, err := server.Listen(7)
	if err != nil {
		t.Fatal(err)
	}
	a, err := viewer.DialContext(t.Context(), "tcp", "edge.lab:7")
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestStreamKeepsBytesThroughLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := open(60)
		path.Loss, path.Jitter = 0.03, 5*time.Millisecond
		n, server, viewer := world(t, path, Line{Uplink: 5e6, Downlink: 5e6})
		defer n.Close()
		a, b := pair(t, server, viewer)
		want := make([]byte, 2<<20)
		for i := range want {
			want[i] = byte(i * i >> 7)
		}
		begin := time.Now()
		go func() {
			_, err := b.Write(want)
			if err == nil {
				err = b.Close()
			}
			if err != nil {
				t.Error(err)
			}
		}()
		got, err := io.ReadAll(a)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		s := server.Stats()
		t.Logf("2 MiB in %v: %+v", time.Since(begin), s)
		if s.Lost == 0 || time.Since(begin) < 3350*time.Millisecond {
			t.Errorf("faster than the line, or nothing lost: %v, %+v", time.Since(begin), s)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestWriterWaitsForReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, server, viewer := world(t, open(10), Line{})
		defer n.Close()
		a, b := pair(t, server, viewer)
		if err := b.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		sent, err := b.Write(make([]byte, 8<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || sent < receiveWindow-sendBuffer || sent > receiveWindow+2*sendBuffer {
			t.Errorf("%d bytes without a reader, %v", sent, err)
		}
		if err := b.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = b.Write(make([]byte, 8<<20-sent)); _ = b.Close() }()
		if k, err := io.Copy(io.Discard, a); k != 8<<20 || err != nil {
			t.Errorf("%d bytes, %v", k, err)
		}
	})
}

func TestCloseReachesTheOtherEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, server, viewer := world(t, open(10), Line{})
		defer n.Close()
		a, b := pair(t, server, viewer)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed twice: %v", err)
		}
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("reading from a closed end: %v", err)
		}
		var err error
		for range 3 { // the first write is answered by a reset
			if _, err = b.Write([]byte("x")); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("writing to a closed end: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		n.mu.Lock()
		left := len(n.conns)
		n.mu.Unlock()
		if left != 0 {
			t.Errorf("%d ends are left", left)
		}
	})
}

func TestSilentPeerTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, server, viewer := world(t, open(10), Line{})
		defer n.Close()
		a, b := pair(t, server, viewer)
		viewer.SetUp(false)
		if _, err := b.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("a peer that is cut off: %v", err)
		}
		_, _ = a.Close(), b.Close()
	})
}
