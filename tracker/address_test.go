package tracker

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"starling/internal/trackerwire"
)

func TestClientAddr(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("2001:db8:1::/48")}
	for name, c := range map[string]struct {
		remote    string
		forwarded []string
		trusted   []netip.Prefix
		want      string // empty: unknown
	}{
		"direct":                       {"203.0.113.7:4711", nil, nil, "203.0.113.7"},
		"nobody is trusted":            {"203.0.113.7:4711", []string{"198.51.100.9"}, nil, "203.0.113.7"},
		"not by a proxy":               {"203.0.113.7:4711", []string{"198.51.100.9"}, proxies, "203.0.113.7"},
		"by a proxy":                   {"10.1.2.3:80", []string{"198.51.100.9"}, proxies, "198.51.100.9"},
		"by two proxies":               {"10.1.2.3:80", []string{"198.51.100.9, 10.9.9.9"}, proxies, "198.51.100.9"},
		"in two headers":               {"10.1.2.3:80", []string{"198.51.100.9", "10.9.9.9"}, proxies, "198.51.100.9"},
		"made up before":               {"10.1.2.3:80", []string{"1.2.3.4, 198.51.100.9"}, proxies, "198.51.100.9"},
		"IPv6":                         {"[2001:db8:1::5]:443", []string{"2001:db8:9::1"}, proxies, "2001:db8:9::1"},
		"IPv4 in IPv6":                 {"[::ffff:203.0.113.7]:443", nil, nil, "203.0.113.7"},
		"zone":                         {"[fe80::1%eth0]:443", nil, nil, "fe80::1"},
		"a proxy that says nothing":    {"10.1.2.3:80", nil, proxies, ""},
		"a proxy that says nonsense":   {"10.1.2.3:80", []string{"198.51.100.9, unknown"}, proxies, ""},
		"only proxies":                 {"10.1.2.3:80", []string{"10.4.4.4"}, proxies, ""},
		"loopback":                     {"127.0.0.1:5000", []string{"198.51.100.9"}, nil, ""},
		"loopback that is trusted":     {"127.0.0.1:5000", []string{"198.51.100.9"}, proxies, "198.51.100.9"},
		"loopback IPv6":                {"[::1]:5000", nil, nil, ""},
		"another address of this host": {"127.3.0.9:5000", nil, nil, "127.3.0.9"},
		"no address":                   {"pipe", nil, nil, ""},
	} {
		a, ok := clientAddr(c.remote, c.forwarded, c.trusted)
		if got := map[bool]string{true: a.String()}[ok]; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func FuzzClientAddr(f *testing.F) {
	for _, s := range []string{"198.51.100.9", "198.51.100.9, 10.0.0.1", ",,", "[::1]", "1.2.3.4:80", "::ffff:10.0.0.1"} {
		f.Add("10.0.0.1:80", s)
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		if a, ok := clientAddr(remote, []string{forwarded}, trusted); ok && (!a.IsValid() || isTrusted(a, trusted) || a.Is4In6() || a.Zone() != "") {
			t.Errorf("%q by %q: %v", forwarded, remote, a)
		}
	})
}

func TestPrefixes(t *testing.T) {
	for _, c := range []struct{ addr, lan, line string }{
		{"203.0.113.7", "203.0.113.7/32", "203.0.113.7/32"},
		{"192.168.3.7", "192.168.3.0/24", "192.168.3.7/32"},
		{"100.64.3.7", "100.64.3.7/32", "100.64.3.7/32"},
		{"2001:db8:9:12ff:1::7", "2001:db8:9:12ff::/64", "2001:db8:9:1200::/56"},
	} {
		a := netip.MustParseAddr(c.addr)
		if lan, line := lanPrefix(a).String(), linePrefix(a).String(); lan != c.lan || line != c.line {
			t.Errorf("%s: LAN %s, line %s, want %s and %s", a, lan, line, c.lan, c.line)
		}
	}
}

// What is kept of an address does not show it, and is the same for one line.
func TestOriginShowsNoAddress(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		b.from = "203.0.113.7:1"
		b.join(1)
		b.join(2)
		b.from = "203.0.113.8:1"
		b.join(3)
		settle(time.Second)
		lines := map[string]int{}
		for _, v := range b.tracker.rooms["live/demo"].viewers {
			lines[v.line]++
			if strings.Contains(v.line, "203") || len(v.line) != 16 {
				t.Errorf("line %q", v.line)
			}
		}
		if len(lines) != 2 {
			t.Errorf("lines %v", lines)
		}
	})
}

// Viewers of one household are paired with each other.
func TestHousematesArePaired(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		var players []*player
		for i := range 24 {
			b.from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + i%12)}), 1).String()
			players = append(players, b.join(i))
			settle(100 * time.Millisecond)
		}
		settle(time.Second)
		checkOverlay(t, players)
		together := 0
		for i := range 12 {
			if paired(t, players[i], players[i+12]) {
				together++
			}
		}
		if together < 10 { // one in nine pairs would be by chance
			t.Errorf("%d of 12 pairs of housemates are paired", together)
		}
	})
}

func TestUplinkIsReplanned(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		uplink, next            int64
		sincePlanned, sinceFell time.Duration
		want                    bool
	}{
		"the same":               {3_000_000, 3_000_000, time.Hour, time.Hour, false},
		"hardly more":            {3_000_000, 3_900_000, time.Hour, time.Hour, false},
		"more":                   {3_000_000, 3_900_010, time.Hour, time.Hour, true},
		"more, too soon":         {3_000_000, 6_000_000, 999 * time.Millisecond, time.Hour, false},
		"more, soon":             {3_000_000, 6_000_000, time.Second, time.Hour, true},
		"more, soon after less":  {3_000_000, 6_000_000, 9 * time.Second, 9 * time.Second, false},
		"less":                   {3_000_000, 2_000_000, 2 * time.Second, time.Hour, true},
		"less, too soon":         {3_000_000, 2_000_000, time.Second, time.Hour, false},
		"nothing any more":       {3_000_000, 0, 0, 0, true},
		"something after it":     {0, 3_000_000, 10 * time.Second, 10 * time.Second, true},
		"something soon after 0": {0, 3_000_000, 5 * time.Second, 5 * time.Second, false},
	} {
		v := &viewer{uplink: c.uplink, planned: now.Add(-c.sincePlanned), fellAt: now.Add(-c.sinceFell)}
		if got := v.replan(c.next, now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// slowly has a viewer say that a parent is slow, if it is one.
func slowly(p *player, parent string) bool {
	for _, tr := range p.place().Tracks {
		for _, sl := range tr.Slices {
			if sl.Parent == parent {
				p.send(&trackerwire.Lost{Peer: parent, Reason: trackerwire.LostSlow})
				return true
			}
		}
	}
	return false
}

// A viewer of which several children say that it does not deliver feeds nobody
// for two minutes, is still fed, and then gets children again.
func TestFreeRiderIsALeafForAWhile(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		var players []*player
		for i := range 12 {
			p := b.dial()
			uplink := 3_000_000
			if i == 0 {
				uplink = 8_000_000
			}
			p.send(joinMessage(i, uplink))
			players = append(players, p)
			settle(100 * time.Millisecond)
		}
		settle(time.Second)
		rider := players[0]
		if len(rider.place().Children) < 2 {
			t.Fatalf("children %v", rider.place().Children)
		}
		for range 10 {
			for _, p := range players[1:] {
				slowly(p, rider.id())
			}
			settle(50 * time.Millisecond)
		}
		r := b.tracker.rooms["live/demo"]
		if share := r.complaints.Share(rider.id(), r.clock(time.Now())); share != 0 {
			t.Fatalf("%d quarters of its uplink are planned with", share)
		}
		for now := 0; now < 100; now += 2 {
			keepAlive(players, 1, 2*time.Second)
			if n := len(rider.place().Children); n > 0 {
				t.Fatalf("it has %d children after %d s", n, now)
			}
		}
		wait(players, 2*time.Minute)
		if len(rider.place().Children) == 0 {
			t.Error("it never gets children again")
		}
		checkOverlay(t, players)
	})
}
