package tracker

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starling/internal/trackerwire"
)

func TestJoin(t *testing.T) {
	inBubble(t, Config{STUNPort: 3478}, func(t *testing.T, b *bench) {
		p := b.join(1)
		settle(time.Second)
		key := base64.RawURLEncoding.EncodeToString(testKey)
		if w := p.welcome; w == nil || w.Key != key || w.Stream != "live/demo" || !w.P2P || w.MaxPeers < 10 || w.BeaconMS != 2000 ||
			len(w.ICEServers) != 1 || w.ICEServers[0].URLs[0] != "stun:tracker.example:3478" {
			t.Fatalf("welcome %+v", w)
		}
		checkOverlay(t, []*player{p})
		if p.assigns != 1 {
			t.Errorf("%d assigns", p.assigns)
		}
		other := b.dial()
		m := joinMessage(2, 0)
		m.Stream = "live/other"
		other.send(m)
		settle(time.Second)
		if other.count(trackerwire.CodeNoStream) != 1 || other.status() != websocket.StatusTryAgainLater {
			t.Errorf("unknown stream: errors %v, ended %v", other.errors, other.ended)
		}
		late := b.dial()
		settle(joinTimeout + time.Second)
		if late.status() != websocket.StatusPolicyViolation {
			t.Errorf("without join: %v", late.ended)
		}
	})
}

func TestICEServers(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		host string
		want string
	}{
		{Config{STUNPort: 3478}, "example.org", "stun:example.org:3478"},
		{Config{STUNPort: 3478}, "example.org:8443", "stun:example.org:3478"},
		{Config{STUNPort: 19302}, "[2001:db8::1]:8080", "stun:[2001:db8::1]:19302"},
		{Config{STUNPort: 3478}, "[::1]", "stun:[::1]:3478"},
		{Config{STUNPort: 3478}, "", ""},
		{Config{STUNPort: 3478}, "a b", ""},
		{Config{}, "example.org", ""},
		{Config{STUNPort: 3478, STUN: []string{"stun:elsewhere:1"}}, "example.org", "stun:elsewhere:1"},
	} {
		got := ""
		if s := c.cfg.iceServers(c.host); len(s) > 0 {
			got = s[0].URLs[0]
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.host, got, c.want)
		}
	}
}

// Thirty viewers come at once, some go, others come: what they are told fits
// together at every stage, and a crowd is not told n² things.
func TestSwarmOfThirty(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		var players []*player
		for i := range 30 {
			players = append(players, b.join(i))
		}
		settle(time.Second)
		checkOverlay(t, players)
		total := 0
		for _, p := range players {
			total += p.assigns
		}
		if total > 3*30 {
			t.Errorf("%d assigns for 30 joins at once", total)
		}
		if s := b.tracker.Stats(); len(s) != 1 || s[0].Viewers != 30 || s[0].Roots < 2 || s[0].Roots > 4 {
			t.Errorf("stats %+v", s)
		}
		// Every third leaves in its own way.
		var stay []*player
		for i, p := range players {
			switch {
			case i%3 != 0:
				stay = append(stay, p)
			case i%2 == 0:
				p.send(&trackerwire.Leave{})
			default:
				if err := p.ws.Close(websocket.StatusGoingAway, ""); err != nil {
					t.Error(err)
				}
			}
		}
		settle(time.Second)
		checkOverlay(t, stay)
		for i := range 10 {
			stay = append(stay, b.join(100+i))
			settle(100 * time.Millisecond)
		}
		settle(time.Second)
		checkOverlay(t, stay)
		// Those that vanish are away at first, then gone.
		for _, p := range stay[:5] {
			p.vanish()
		}
		keepAlive(stay[5:], 4, 2*time.Second)
		checkOverlay(t, stay[5:])
		if s := b.tracker.Stats()[0]; s.Viewers != 25 {
			t.Errorf("%d viewers", s.Viewers)
		}
	})
}

// keepAlive has players send beacons n times, d apart.
func keepAlive(players []*player, n int, d time.Duration) {
	for range n {
		for _, p := range players {
			p.send(&trackerwire.Beacon{})
		}
		settle(d)
	}
}

func TestSignals(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		x, y := b.join(1), b.join(2)
		settle(time.Second)
		offer := "AQAE"
		x.send(&trackerwire.SignalTo{To: y.id(), Data: trackerwire.SignalData{Offer: &offer}})
		y.send(&trackerwire.SignalTo{To: x.id(), Data: trackerwire.SignalData{Restart: true}})
		settle(time.Second)
		if len(y.signals) != 1 || y.signals[0].From != x.id() || *y.signals[0].Data.Offer != offer {
			t.Fatalf("y got %+v", y.signals)
		}
		if len(x.signals) != 1 || !x.signals[0].Data.Restart {
			t.Fatalf("x got %+v", x.signals)
		}
		// Neither a stranger nor oneself can be signalled.
		for _, to := range []string{"0000000000000000", x.id(), trackerwire.EdgeID} {
			x.send(&trackerwire.SignalTo{To: to, Data: trackerwire.SignalData{Offer: &offer}})
		}
		settle(time.Second)
		if x.count(trackerwire.CodeUnknownPeer) != 3 || len(y.signals) != 1 {
			t.Fatalf("x got errors %v, y %d signals", x.errors, len(y.signals))
		}
		// A pair that was lost is no pair.
		x.send(&trackerwire.Lost{Peer: y.id(), Reason: trackerwire.LostConnectFailed})
		settle(time.Second)
		x.send(&trackerwire.SignalTo{To: y.id(), Data: trackerwire.SignalData{Offer: &offer}})
		settle(time.Second)
		if x.count(trackerwire.CodeUnknownPeer) != 4 || len(x.place().Peers) != 0 || len(y.place().Peers) != 0 {
			t.Fatalf("after lost: %+v, %+v", x.place(), y.place())
		}
	})
}

// A viewer further away in the swarm cannot be signalled either.
func TestSignalsGoOnlyToNeighbours(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		var players []*player
		for i := range 40 {
			players = append(players, b.join(i))
		}
		settle(time.Second)
		x, refused, passed := players[20], 0, 0
		for _, p := range players {
			before := x.count(trackerwire.CodeUnknownPeer)
			x.send(&trackerwire.SignalTo{To: p.id(), Data: trackerwire.SignalData{Restart: true}})
			settle(time.Millisecond)
			if x.count(trackerwire.CodeUnknownPeer) > before {
				refused++
				if len(p.signals) != 0 || contains(x.place().Peers, p.id()) {
					t.Errorf("refused wrongly, or passed on")
				}
			} else {
				passed++
				if len(p.signals) != 1 || !contains(x.place().Peers, p.id()) {
					t.Errorf("passed wrongly, or lost")
				}
			}
		}
		if passed == 0 || refused < 20 {
			t.Errorf("%d passed, %d refused", passed, refused)
		}
	})
}

func TestReportsBan(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		var players []*player
		byID := map[string]*player{}
		for i := range 12 {
			players = append(players, b.join(i))
		}
		settle(time.Second)
		for _, p := range players {
			byID[p.id()] = p
		}
		// The first viewer poisons; two of its neighbours say so.
		bad := players[0]
		report := &trackerwire.Report{Peer: bad.id(), Track: "v480", MSN: 5}
		stranger := ""
		for id := range byID {
			if id != bad.id() && !contains(bad.place().Peers, id) {
				stranger = id
			}
		}
		if stranger != "" {
			byID[stranger].send(report)
			settle(time.Second)
			if byID[stranger].count(trackerwire.CodeUnknownPeer) != 1 {
				t.Error("a stranger's report was taken")
			}
		}
		first := byID[bad.place().Peers[0]]
		first.send(report)
		first.send(report)
		settle(time.Second)
		if bad.status() != -1 || contains(first.place().Peers, bad.id()) || first.count(trackerwire.CodeUnknownPeer) != 0 {
			t.Fatalf("after one reporter: banned %v, still paired %v", bad.ended, contains(first.place().Peers, bad.id()))
		}
		told := bad.place().Peers
		if len(told) < 2 {
			t.Fatalf("only %d peers left", len(told))
		}
		byID[told[0]].send(report)
		settle(time.Second)
		if bad.count(trackerwire.CodeBanned) != 1 || bad.status() != websocket.StatusPolicyViolation {
			t.Fatalf("after two reporters: errors %v, ended %v", bad.errors, bad.ended)
		}
		for _, id := range told {
			if !contains(byID[id].bans, bad.id()) {
				t.Errorf("%s was not told of the ban", id)
			}
		}
		checkOverlay(t, players[1:])
		again := b.join(0)
		settle(time.Second)
		if again.count(trackerwire.CodeBanned) != 1 || again.status() != websocket.StatusPolicyViolation {
			t.Errorf("the banned session came back: %v", again.errors)
		}
		if s := b.tracker.Stats()[0]; s.Banned != 1 || s.Viewers != 11 {
			t.Errorf("stats %+v", s)
		}
	})
}
