package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/message"
)

// serve runs a server and returns its address and the reasons of rejections.
func serve(t *testing.T, cfg Config, host Host) (addr string, reasons chan string) {
	t.Helper()
	reasons = make(chan string, 10)
	cfg.OnReject = func(r string) { reasons <- r }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := NewServer(cfg, host, slog.New(slog.NewTextHandler(t.Output(), nil)))
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), reasons
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

func want(t *testing.T, reasons chan string, reason string) {
	t.Helper()
	select {
	case got := <-reasons:
		if got != reason {
			t.Errorf("rejected for %q, want %q", got, reason)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("not rejected, want %q", reason)
	}
}

func TestBrokenPublishersAreDropped(t *testing.T) {
	short := Config{Negotiate: 200 * time.Millisecond, Idle: 300 * time.Millisecond, Video: 400 * time.Millisecond}
	publish := func(c net.Conn) *client {
		if _, err := c.Write(handshakeBytes()); err != nil {
			t.Error(err)
		}
		cl := newClient(t, c)
		if err := cl.connect("live", "x"); err != nil {
			t.Error(err)
		}
		return cl
	}
	for _, c := range []struct {
		name, reason string
		act          func(net.Conn)
	}{
		{"says nothing", "handshake", func(net.Conn) {}},
		{"garbage", "handshake", func(c net.Conn) { c.Write([]byte("GET / HTTP/1.1\r\n\r\n" + strings.Repeat("x", 5000))) }},
		{"garbage after the handshake", "handshake", func(c net.Conn) { c.Write(append(handshakeBytes(), strings.Repeat("\xff", 500)...)) }},
		{"never publishes", "handshake", func(c net.Conn) { c.Write(handshakeBytes()) }},
		{"too much before publishing", "handshake", func(c net.Conn) {
			c.Write(handshakeBytes())
			_ = newClient(t, c).send(message.TypeAudio, 0, make([]byte, maxNegotiation))
		}},
		{"no media", "timeout", func(c net.Conn) { publish(c) }},
		{"sound alone", "no-video", func(c net.Conn) {
			cl := publish(c)
			for ms := int64(0); cl.send(message.TypeAudio, ms, audioFrame) == nil; ms += 20 {
				<-time.After(20 * time.Millisecond) // the publisher's own pace
			}
		}},
		{"unknown codec", "codec", func(c net.Conn) { _ = publish(c).send(message.TypeVideo, 0, []byte{0x22, 0, 0, 0, 0}) }},
		{"too large", "protocol", func(c net.Conn) {
			cl := publish(c)
			_ = cl.send(message.TypeSetChunkSize, 0, []byte{0, 0x10, 0, 0})
			cl.w.SetChunkSize(1 << 20)
			_ = cl.send(message.TypeVideo, 0, make([]byte, 5<<20))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, reasons := serve(t, short, newStage())
			conn := dial(t, addr)
			c.act(conn)
			want(t, reasons, c.reason)
		})
	}
}

func TestTheHostsRefusalReachesThePublisher(t *testing.T) {
	s := newStage()
	s.refusal = &Refusal{"busy", errors.New("taken already")}
	addr, reasons := serve(t, Config{}, s)
	c := dial(t, addr)
	if _, err := c.Write(append(handshakeBytes(), script(t)...)); err != nil {
		t.Fatal(err)
	}
	want(t, reasons, "busy")
	b, _ := io.ReadAll(c)
	if !strings.Contains(string(b), "NetStream.Publish.BadName") || !strings.Contains(string(b), "taken already") {
		t.Error("the publisher is not told why")
	}
}

func TestTheNumberOfConnectionsIsBounded(t *testing.T) {
	addr, reasons := serve(t, Config{MaxConnections: 2}, newStage())
	dial(t, addr)
	dial(t, addr)
	c := dial(t, addr)
	want(t, reasons, "limit")
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the third connection stays open")
	}
}

func TestSessionsAreClosed(t *testing.T) {
	s := newStage()
	addr, _ := serve(t, Config{}, s)
	c := dial(t, addr)
	if _, err := c.Write(append(handshakeBytes(), script(t)...)); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the session is not closed")
	}
	if s.id != "live/demo" {
		t.Errorf("id %q", s.id)
	}
}

// Publishers say goodbye in several messages, the last ones after the stream's end.
func TestTheGoodbyeOfAPublisherIsReadToItsEnd(t *testing.T) {
	s := newStage()
	addr, _ := serve(t, Config{}, s)
	c := dial(t, addr)
	if _, err := c.Write(append(handshakeBytes(), script(t)...)); err != nil {
		t.Fatal(err)
	}
	<-s.closed
	for range 8 {
		if _, err := c.Write(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("the connection ends with %v", err)
	}
}
