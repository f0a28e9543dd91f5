package ingest

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
)

// pipes is a listener whose connections come from addresses of choice.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

type from struct {
	net.Conn
	addr string
}

func (f from) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.addr)) }

// One address cannot keep all publishers out.
func TestConnectionsOfOneAddressAreHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := 0
		s := NewServer(Config{MaxConnections: 4, OnReject: func(reason string) {
			if reason == "limit" {
				refused++
			}
		}}, nil, slog.New(slog.DiscardHandler))
		l := &pipes{make(chan net.Conn), make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, l) }()
		for i, c := range []struct {
			addr    string
			refused int
		}{{"192.0.2.1:1", 0}, {"192.0.2.1:2", 0}, {"192.0.2.1:3", 1}, {"192.0.2.2:1", 1}, {"127.0.0.1:1", 1}, {"127.0.0.1:2", 2}} {
			theirs, ours := net.Pipe()
			defer theirs.Close()
			l.conns <- from{ours, c.addr}
			synctest.Wait()
			if refused != c.refused {
				t.Errorf("connection %d: %d are refused", i, refused)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
