package network

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/transport/v4"
	"golang.org/x/net/nettest"

	"starling/bench/profile"
)

// arrival is a datagram as its receiver saw it.
type arrival struct {
	number int
	at     time.Duration
}

// shower sends packets of that size at once, or one each gap, and gives what
// came of them and when, counted from the first.
func shower(t *testing.T, from, to *Host, count, size int, gap time.Duration) []arrival {
	t.Helper()
	a, err := from.Net().ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := to.Net().ListenPacket("udp4", "0.0.0.0:9")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	var got []arrival
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2000)
		for {
			k, src, err := b.ReadFrom(buf)
			if err != nil {
				return
			}
			if k != size || src.String() != a.LocalAddr().String() {
				t.Errorf("%d bytes from %v, want %d from %v", k, src, size, a.LocalAddr())
			}
			got = append(got, arrival{int(buf[0]) | int(buf[1])<<8, time.Since(begin)})
		}
	}()
	msg := make([]byte, size)
	for i := range count {
		msg[0], msg[1] = byte(i), byte(i>>8)
		if _, err := a.WriteTo(msg, &net.UDPAddr{IP: to.Inner().AsSlice(), Port: 9}); err != nil {
			t.Fatal(err)
		}
		if gap > 0 {
			time.Sleep(gap)
		}
	}
	time.Sleep(10 * time.Second)
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	<-done
	return got
}

func within(got, want, tolerance time.Duration) bool { return (got - want).Abs() <= tolerance }

func TestRateAndDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Seed: 1, Path: func(_, _ *Host) Path { return open(60) }})
		defer n.Close()
		// 972 bytes and 28 of header at 2 Mbit/s: 4 ms each.
		got := shower(t, n.Host(Line{Uplink: 2e6}), n.Host(Line{}), 40, 972, 0)
		if len(got) != 40 || !within(got[0].at, 34*time.Millisecond, time.Millisecond) || !within(got[39].at, 190*time.Millisecond, time.Millisecond) {
			t.Errorf("by the uplink: %d came, %v", len(got), got)
		}
		got = shower(t, n.Host(Line{}), n.Host(Line{Downlink: 4e6}), 40, 972, 0)
		if len(got) != 40 || !within(got[0].at, 32*time.Millisecond, time.Millisecond) || !within(got[39].at, 110*time.Millisecond, time.Millisecond) {
			t.Errorf("by the downlink: %d came, %v", len(got), got)
		}
	})
}

func TestLinesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, server, viewer := world(t, open(20), Line{Downlink: 2e6})
		defer n.Close()
		a, b := pair(t, server, viewer)
		// A stream's 30 KB take 125 ms of the line with their headers; the
		// packet comes behind them.
		if _, err := b.Write(make([]byte, 10*segmentSize)); err != nil {
			t.Fatal(err)
		}
		got := shower(t, server, viewer, 1, 972, 0)
		if len(got) != 1 || !within(got[0].at, 10*time.Millisecond+60_480*time.Microsecond+4*time.Millisecond, 2*time.Millisecond) {
			t.Errorf("%v", got)
		}
		_, _ = a.Close(), b.Close()
	})
}

func TestQueueDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Seed: 1})
		defer n.Close()
		up, down := n.Host(Line{Uplink: 2e6, QueueMS: 100}), n.Host(Line{Downlink: 2e6, QueueMS: 100})
		free := n.Host(Line{})
		// 100 ms are 25 packets; one more is on the line.
		if got := shower(t, up, free, 100, 972, 0); len(got) < 25 || len(got) > 27 || up.Stats().DroppedUp != uint64(100-len(got)) {
			t.Errorf("%d came, %+v", len(got), up.Stats())
		}
		if got := shower(t, free, down, 100, 972, 0); len(got) < 25 || len(got) > 27 || down.Stats().DroppedDown != uint64(100-len(got)) {
			t.Errorf("%d came, %+v", len(got), down.Stats())
		}
		if s := up.Stats(); s.MaxQueueDelay < 100*time.Millisecond || s.MaxQueueDelay > 108*time.Millisecond || s.SentPackets != 100 || s.SentBytes != 100_000 {
			t.Errorf("%+v", s)
		}
		// A slow line still has room for a window's burst.
		slow := n.Host(Line{Uplink: 64_000, QueueMS: 100})
		if got := shower(t, slow, free, 20, 972, 0); len(got) != 20 {
			t.Errorf("%d of 20 came over a slow line", len(got))
		}
	})
}

func TestLossJitterAndSeed(t *testing.T) {
	const count = 20_000
	draw := func(seed uint64) (got []arrival) {
		synctest.Test(t, func(t *testing.T) {
			n := New(Config{Seed: seed, Path: func(_, _ *Host) Path {
				return Path{RTT: 40 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.02, Reachable: true}
			}})
			defer n.Close()
			a, b := n.Host(Line{}), n.Host(Line{})
			got = shower(t, a, b, count, 100, 5*time.Millisecond)
			if lost := a.Stats().Lost; int(lost) != count-len(got) || math.Abs(float64(lost)/count-0.02) > 0.004 {
				t.Errorf("%d lost of %d, %d came", lost, count, len(got))
			}
		})
		return got
	}
	got := draw(5)
	least, most := time.Hour, time.Duration(0)
	for i, a := range got {
		if i > 0 && a.number <= got[i-1].number {
			t.Fatalf("packet %d came before %d", got[i-1].number, a.number)
		}
		delay := a.at - time.Duration(a.number)*5*time.Millisecond
		least, most = min(least, delay), max(most, delay)
	}
	if !within(least, 20*time.Millisecond, time.Millisecond) || !within(most, 30*time.Millisecond, time.Millisecond) {
		t.Errorf("delays of %v to %v, want 20 to 30 ms", least, most)
	}
	if !slices.Equal(got, draw(5)) {
		t.Error("one seed, two outcomes")
	}
	if slices.Equal(got, draw(6)) {
		t.Error("two seeds, one outcome")
	}
}

func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Path: func(a, b *Host) Path { return Path{Reachable: a.id+b.id != 1} }})
		defer n.Close()
		a, b, c := n.Host(Line{}), n.Host(Line{}), n.Host(Line{})
		if got := shower(t, a, b, 10, 100, 0); len(got) != 0 || a.Stats().Unreachable != 10 {
			t.Errorf("%d came to a host that cannot be reached", len(got))
		}
		if got := shower(t, a, c, 10, 100, 0); len(got) != 10 {
			t.Errorf("%d of 10 came to a host that can", len(got))
		}
		c.SetUp(false)
		if got := shower(t, a, c, 10, 100, 0); len(got) != 0 {
			t.Errorf("%d came to a host that is cut off", len(got))
		}
		c.SetUp(true)
		if got := shower(t, c, a, 10, 100, 0); len(got) != 10 {
			t.Errorf("%d of 10 came from a host that is back", len(got))
		}
	})
}

func TestSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		h := n.Host(Line{Addr: netip.MustParseAddr("127.1.0.2")})
		twin := n.Host(Line{Addr: netip.MustParseAddr("127.1.0.2")})
		if h.Inner() == twin.Inner() || h.Addr() != twin.Addr() {
			t.Errorf("a household: %v %v, %v %v", h.Inner(), h.Addr(), twin.Inner(), twin.Addr())
		}
		c, err := h.Net().DialUDP("udp", nil, &net.UDPAddr{IP: twin.Inner().AsSlice(), Port: 5})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := c.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if _, err := c.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if _, err := h.Net().ListenUDP("udp", c.LocalAddr().(*net.UDPAddr)); !errors.Is(err, errPortUsed) {
			t.Errorf("a port taken twice: %v", err)
		}
		if _, err := h.Net().ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(1, 2, 3, 4)}); err == nil {
			t.Error("listens on an address of others")
		}
		if _, err := h.Net().DialTCP("tcp", nil, nil); !errors.Is(err, transport.ErrNotSupported) {
			t.Error(err)
		}
		ifs, err := h.Net().Interfaces()
		if err != nil || len(ifs) != 1 {
			t.Fatalf("%v, %v", ifs, err)
		}
		go func() { _ = n.Close() }()
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(make([]byte, 9)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the network's end: %v", err)
		}
	})
}

func TestProfiled(t *testing.T) {
	p, err := profile.Named("reference")
	if err != nil {
		t.Fatal(err)
	}
	viewers := p.Audience(30, time.Minute, 4)
	n := New(Config{Path: Profiled(p, 4)})
	defer n.Close()
	edge, origin := n.Host(Line{Name: "edge"}), n.Host(Line{Name: "origin"})
	a, b := n.Host(ViewerLine(&viewers[3])), n.Host(ViewerLine(&viewers[9]))
	n.mu.Lock()
	defer n.mu.Unlock()
	want := p.Path(&viewers[3], &viewers[9], 4)
	for _, r := range []*route{n.route(a, b), n.route(b, a)} {
		if r.rtt() != int64(want.RTT) || r.loss != want.Loss || r.open != want.Reachable {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
	if r := n.route(edge, a); !r.open || r.delay < int64(p.MinRTT)/2 {
		t.Errorf("from the edge: %+v", r)
	}
	if r := n.route(edge, origin); r.rtt() != int64(time.Millisecond) {
		t.Errorf("between servers: %+v", r)
	}
}

// TestConn runs in real time, as the conformance tests want subtests.
func TestConn(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		n := New(Config{})
		server, viewer := n.Host(Line{Name: "edge.lab"}), n.Host(Line{})
		a, b := pair(t, server, viewer)
		return a, b, func() {
			_, _ = a.Close(), b.Close()
			_ = n.Close()
		}, nil
	})
}
