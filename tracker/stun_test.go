package tracker

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/prometheus/client_golang/prometheus"
)

func startSTUN(t *testing.T, cfg STUNConfig, reg *prometheus.Registry) *STUN {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	s := NewSTUN(cfg, slog.New(slog.DiscardHandler), reg)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	<-s.Listening()
	return s
}

// pion's own client learns its address, through garbage before and after.
func TestSTUNClient(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := startSTUN(t, STUNConfig{}, reg)
	conn, err := net.Dial("udp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, garbage := range [][]byte{{}, {0}, []byte("hello"), bytes.Repeat([]byte{0xff}, 1500), stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw} {
		if _, err := conn.Write(garbage); err != nil {
			t.Fatal(err)
		}
	}
	c, err := stun.NewClient(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for _, extra := range []stun.Setter{stun.NewSoftware("test"), stun.Fingerprint} {
		var got stun.XORMappedAddress
		var failed error
		if err := c.Do(stun.MustBuild(stun.TransactionID, stun.BindingRequest, extra), func(e stun.Event) {
			if failed = e.Error; failed == nil {
				failed = got.GetFrom(e.Message)
			}
		}); err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		if local := conn.LocalAddr().(*net.UDPAddr); got.Port != local.Port || !got.IP.Equal(local.IP) {
			t.Fatalf("mapped to %s, sent from %s", got, local)
		}
	}
	if n := gathered(t, reg, "starling_stun_packets_total", "result", "ignored"); n != 5 {
		t.Errorf("%v packets ignored", n)
	}
}

func TestSTUNAnswers(t *testing.T) {
	from := netip.MustParseAddrPort("[2001:db8::7]:4242")
	request := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.Fingerprint)
	raw, ok := answerSTUN(request.Raw, from)
	if !ok {
		t.Fatal("no answer")
	}
	m := &stun.Message{Raw: raw}
	var got stun.XORMappedAddress
	if err := errors.Join(m.Decode(), got.GetFrom(m), stun.Fingerprint.Check(m)); err != nil || got.Port != 4242 || got.IP.String() != "2001:db8::7" {
		t.Fatalf("%v, %v", got, err)
	}
	if m.TransactionID != request.TransactionID || m.Type != stun.BindingSuccess {
		t.Fatalf("%v", m)
	}
	// CHANGE-REQUEST would have us answer from another address: not supported.
	request = stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.RawAttribute{Type: stun.AttrChangeRequest, Value: []byte{0, 0, 0, 6}})
	if raw, ok = answerSTUN(request.Raw, from); !ok {
		t.Fatal("no answer")
	}
	m = &stun.Message{Raw: raw}
	var code stun.ErrorCodeAttribute
	if err := errors.Join(m.Decode(), code.GetFrom(m)); err != nil || m.Type != stun.BindingError || code.Code != stun.CodeUnknownAttribute {
		t.Fatalf("%v, %v", m, err)
	}
}

func TestSTUNRate(t *testing.T) {
	l := newSourceLimit(3, 7)
	now := time.Unix(100, 0)
	a, b, c := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	count := func(addr netip.Addr) int {
		n := 0
		for range 10 {
			if l.allow(addr, now) {
				n++
			}
		}
		return n
	}
	if x, y, z := count(a), count(b), count(c); x != 3 || y != 3 || z != 0 {
		t.Errorf("%d, %d, and %d from the same /64", x, y, z)
	}
	if n := count(netip.MustParseAddr("192.0.2.2")); n != 1 {
		t.Errorf("%d beyond the total", n)
	}
	now = now.Add(time.Second)
	if n := count(a); n != 3 {
		t.Errorf("%d in the next second", n)
	}
}

func TestSTUNAddressInUse(t *testing.T) {
	s := startSTUN(t, STUNConfig{}, prometheus.NewRegistry())
	if err := RunSTUN(t.Context(), STUNConfig{Addr: s.Addr().String()}); err == nil {
		t.Fatal("two servers on one port")
	}
}

func FuzzSTUN(f *testing.F) {
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.Fingerprint).Raw)
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername("a:b"), stun.NewShortTermIntegrity("x")).Raw)
	f.Add([]byte("garbage"))
	from := netip.MustParseAddrPort("192.0.2.1:1")
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxSTUN {
			return
		}
		answer, ok := answerSTUN(b, from)
		if !ok {
			return
		}
		m := &stun.Message{Raw: answer}
		if err := m.Decode(); err != nil {
			t.Fatalf("the answer to %x is malformed: %v", b, err)
		}
		if len(answer) > 2*len(b)+64 {
			t.Fatalf("%d bytes answer %d", len(answer), len(b))
		}
	})
}

func TestSTUNEndsWhenReadingFailsForGood(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil { // every read fails at once
		t.Fatal(err)
	}
	s := NewSTUN(STUNConfig{}, slog.New(slog.DiscardHandler), nil)
	if err := s.serve(t.Context(), conn); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("serve ended with %v", err)
	}
}
