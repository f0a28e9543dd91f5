package tracker

import (
	"fmt"
	"testing"
	"time"

	"starling/internal/trackerwire"
)

// pairOf gives a viewer and one of its peers.
func pairOf(t *testing.T, players []*player) (bad *player, peers []*player) {
	t.Helper()
	bad = players[0]
	for _, p := range players[1:] {
		if contains(bad.place().Peers, p.id()) {
			peers = append(peers, p)
		}
	}
	if len(peers) < 3 {
		t.Fatalf("%d peers", len(peers))
	}
	return bad, peers
}

func joinAll(b *bench, n int) []*player {
	var out []*player
	for i := range n {
		out = append(out, b.join(i))
	}
	settle(time.Second)
	return out
}

// What a viewer received last is checked after the pair has ended: its report
// counts for some seconds, also when the other one has left meanwhile.
func TestLateReportCounts(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		bad, peers := pairOf(t, joinAll(b, 8))
		report := &trackerwire.Report{Peer: bad.id(), Track: "v480", MSN: 5}
		peers[0].send(&trackerwire.Lost{Peer: bad.id(), Reason: trackerwire.LostClosed})
		settle(time.Second)
		if paired(t, peers[0], bad) {
			t.Fatal("still paired")
		}
		peers[0].send(report)
		bad.send(&trackerwire.Leave{})
		settle(time.Second)
		peers[1].send(report)
		settle(time.Second)
		for _, p := range peers[:2] {
			if p.count(trackerwire.CodeUnknownPeer) != 0 {
				t.Error("a late report was refused")
			}
		}
		if s := b.tracker.Stats()[0]; s.Banned != 1 {
			t.Errorf("stats %+v", s)
		}
		if again := b.join(0); true {
			settle(time.Second)
			if again.count(trackerwire.CodeBanned) != 1 {
				t.Error("the banned session came back")
			}
		}
	})
}

// After that time it is refused, and so is one of a stranger.
func TestReportsThatComeTooLate(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		players := joinAll(b, 8)
		bad, peers := pairOf(t, players)
		peers[0].send(&trackerwire.Lost{Peer: bad.id(), Reason: trackerwire.LostConnectFailed})
		keepAlive(players, 6, 2*time.Second)
		peers[0].send(&trackerwire.Report{Peer: bad.id(), Track: "v480", MSN: 5})
		peers[1].send(&trackerwire.Report{Peer: "nobody", Track: "v480", MSN: 5})
		settle(time.Second)
		for _, p := range peers[:2] {
			if p.count(trackerwire.CodeUnknownPeer) != 1 {
				t.Error("the report was taken")
			}
		}
	})
}

// The separation that a report makes does not end with that of a loss before.
func TestReportAfterLossPartsForGood(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		both := []*player{b.join(1), b.join(2)}
		settle(time.Second)
		both[0].send(&trackerwire.Lost{Peer: both[1].id(), Reason: trackerwire.LostClosed})
		both[0].send(&trackerwire.Report{Peer: both[1].id(), Track: "v480", MSN: 5})
		wait(both, 5*time.Minute)
		if paired(t, both[0], both[1]) {
			t.Error("paired again")
		}
	})
}

// A viewer that comes back from the line of one that was banned, with another
// session, gets everything and may upload nothing.
func TestBannedLineMayNotUpload(t *testing.T) {
	for _, early := range []bool{false, true} {
		t.Run(fmt.Sprint("back before the ban ", early), func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, b *bench) {
				b.from = "203.0.113.66:1"
				bad := b.join(0)
				settle(100 * time.Millisecond)
				players := []*player{bad}
				for i := range 9 {
					b.from = fmt.Sprintf("198.51.100.%d:1", i+1)
					players = append(players, b.join(1+i))
				}
				settle(time.Second)
				bad, peers := pairOf(t, players)
				report := &trackerwire.Report{Peer: bad.id(), Track: "v480", MSN: 5}
				peers[0].send(report)
				settle(100 * time.Millisecond)
				b.from = "203.0.113.66:2"
				var again *player
				if early {
					bad.send(&trackerwire.Leave{})
					again = b.join(100)
					settle(100 * time.Millisecond)
				}
				peers[1].send(report)
				settle(100 * time.Millisecond)
				if !early {
					again = b.join(100)
				}
				b.from = "203.0.113.67:2"
				other := b.join(101)
				settle(time.Second)
				for range 5 { // others leave, and their places are to be filled
					players[len(players)-1].send(&trackerwire.Leave{})
					players = players[:len(players)-1]
					settle(time.Second)
					if n := len(again.place().Children); n > 0 {
						t.Fatalf("it has %d children", n)
					}
				}
				if len(again.place().Peers) == 0 {
					t.Error("it gets nothing from others")
				}
				if len(other.place().Children) == 0 {
					t.Error("a viewer of another line has no children")
				}
			})
		})
	}
}

// Two viewers of one line count as one accuser of somebody elsewhere, since one
// person can be both; of a housemate they count as two.
func TestAccusersOfOneLine(t *testing.T) {
	for _, c := range []struct {
		name          string
		bad, one, two string
		banned        int
	}{
		{"one line against another", "203.0.113.1", "198.51.100.1", "198.51.100.1", 0},
		{"two lines", "203.0.113.1", "198.51.100.1", "198.51.100.2", 1},
		{"all of one line", "203.0.113.1", "203.0.113.1", "203.0.113.1", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, b *bench) {
				var players []*player
				for i, from := range []string{c.bad, c.one, c.two} {
					b.from = from + ":1"
					players = append(players, b.join(i))
					settle(100 * time.Millisecond)
				}
				settle(time.Second)
				bad := players[0]
				for _, p := range players[1:] {
					if !paired(t, p, bad) {
						t.Fatal("not paired with the one to be accused")
					}
					p.send(&trackerwire.Report{Peer: bad.id(), Track: "v480", MSN: 5})
					settle(10 * time.Millisecond)
				}
				settle(time.Second)
				if s := b.tracker.Stats()[0]; s.Banned != c.banned {
					t.Errorf("%d banned, want %d", s.Banned, c.banned)
				}
			})
		})
	}
}
