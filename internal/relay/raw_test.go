package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"testing"

	"github.com/quic-go/quic-go"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

// The raw ends speak the protocol frame by frame, so that a test can decide
// what the other side does wrong.

// rawUpstream listens like an origin.
type rawUpstream struct {
	t    *testing.T
	addr string
	ln   *quic.Listener
}

func (c *cluster) rawUpstream(t *testing.T) *rawUpstream {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	transport := &quic.Transport{Conn: udp}
	conf, err := relayTLS(c.id.ServerTLS(), true)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := transport.Listen(conf, serverQUIC(DefaultIdleTimeout))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close(); closeTransport(transport, testLog(t)) })
	return &rawUpstream{t, udp.LocalAddr().String(), ln}
}

// rawSession is one end of a session.
type rawSession struct {
	t    *testing.T
	conn *quic.Conn
	ctl  *quic.Stream
	br   *bufio.Reader
}

// accept waits for a downstream and exchanges HELLO.
func (u *rawUpstream) accept(hops ...string) *rawSession {
	u.t.Helper()
	ctx := timeout(u.t)
	conn, err := u.ln.Accept(ctx)
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { conn.CloseWithError(0, "test is over") })
	ctl, err := conn.AcceptStream(ctx)
	if err != nil {
		u.t.Fatal(err)
	}
	s := &rawSession{u.t, conn, ctl, relaywire.NewReader(ctl)}
	expect[relaywire.Hello](s)
	s.send(relaywire.Hello{Version: 1, Node: "raw", Hops: hops})
	return s
}

// rawDial dials like an edge, without HELLO.
func (c *cluster) rawDial(t *testing.T, addr string, conf *tls.Config, qc *quic.Config) (*quic.Conn, error) {
	t.Helper()
	if conf == nil {
		conf = c.id.ClientTLS(relaywire.ALPN)
	}
	if qc == nil {
		qc = clientQUIC(DefaultIdleTimeout)
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	transport := &quic.Transport{Conn: udp}
	t.Cleanup(func() { closeTransport(transport, testLog(t)) })
	ua, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conf.ServerName = "127.0.0.1"
	return transport.Dial(timeout(t), ua, conf, qc)
}

// rawDownstream dials and exchanges HELLO.
func (c *cluster) rawDownstream(t *testing.T, addr string, qc *quic.Config) *rawSession {
	t.Helper()
	conn, err := c.rawDial(t, addr, nil, qc)
	if err != nil {
		t.Fatal(err)
	}
	ctl, err := conn.OpenStreamSync(timeout(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &rawSession{t, conn, ctl, relaywire.NewReader(ctl)}
	s.send(relaywire.Hello{Version: 1, Node: "raw"})
	return s
}

func (s *rawSession) send(frames ...relaywire.Frame) {
	s.t.Helper()
	var b []byte
	for _, f := range frames {
		b = relaywire.Append(b, f)
	}
	if _, err := s.ctl.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

func (s *rawSession) catalog(info *media.StreamInfo) relaywire.Frame {
	b, err := json.Marshal(info)
	if err != nil {
		s.t.Fatal(err)
	}
	return relaywire.Catalog{JSON: b}
}

// expect reads control frames until one of type F.
func expect[F relaywire.Frame](s *rawSession) F {
	s.t.Helper()
	for {
		f, err := relaywire.ReadFrame(s.br)
		if err != nil {
			s.t.Fatalf("waiting for %T: %v", *new(F), err)
		}
		if want, ok := f.(F); ok {
			return want
		}
	}
}

// closedWith waits for the other side to close the session and checks why.
func closedWith(t *testing.T, conn *quic.Conn, code relaywire.CloseCode) {
	t.Helper()
	select {
	case <-conn.Context().Done():
	case <-timeout(t).Done():
		t.Fatalf("the session goes on, want it closed with %s", code)
	}
	ae, ok := errors.AsType[*quic.ApplicationError](context.Cause(conn.Context()))
	if !ok || !ae.Remote || relaywire.CloseCode(ae.ErrorCode) != code {
		t.Fatalf("closed with %v, want %s", context.Cause(conn.Context()), code)
	}
}

// segment opens a segment stream and writes its head and parts.
func (s *rawSession) segment(sub, msn uint64, parts ...*store.Part) *quic.SendStream {
	s.t.Helper()
	str, err := s.conn.OpenUniStreamSync(timeout(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(str, relaywire.AppendSegment(nil, relaywire.Segment{Subscription: sub, MSN: msn}))
	for _, p := range parts {
		s.write(str, encodePart(p.Raw, p.Bytes()))
	}
	return str
}

func (s *rawSession) write(str interface{ Write([]byte) (int, error) }, b []byte) {
	s.t.Helper()
	if _, err := str.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

func encodePart(raw, payload []byte) []byte {
	return append(relaywire.AppendPartHeader(nil, raw), payload...)
}

// fetch accepts a FETCH request.
func (s *rawSession) fetch() (*quic.Stream, relaywire.Fetch) {
	s.t.Helper()
	str, err := s.conn.AcceptStream(timeout(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	br := relaywire.NewReader(str)
	if typ, err := relaywire.ReadStreamType(br); err != nil || typ != relaywire.StreamTypeFetch {
		s.t.Fatal(typ, err)
	}
	f, err := relaywire.ReadFetch(br)
	if err != nil {
		s.t.Fatal(err)
	}
	return str, f
}

func (s *rawSession) answer(str *quic.Stream, code relaywire.FetchCode, parts ...*store.Part) {
	s.t.Helper()
	b := relaywire.AppendFetchCode(nil, code)
	for _, p := range parts {
		b = append(b, encodePart(p.Raw, p.Bytes())...)
	}
	s.write(str, b)
	str.Close()
}
