package tracker

import (
	"testing"
	"time"

	"starling/internal/swarm"
	"starling/internal/trackerwire"
)

// wait lets d pass while the players send their beacons.
func wait(players []*player, d time.Duration) {
	for ; d > 0; d -= 2 * time.Second {
		keepAlive(players, 1, min(d, 2*time.Second))
	}
}

// paired reports whether both were told of the other; they must agree.
func paired(t *testing.T, x, y *player) bool {
	t.Helper()
	there := contains(x.place().Peers, y.id())
	if there != contains(y.place().Peers, x.id()) {
		t.Fatal("two viewers disagree about being paired")
	}
	return there
}

// sweepTime is how late the end of a separation may be noticed.
const sweepTime = catalogPoll + 100*time.Millisecond

// Every loss of a pair parts it for twice as long as the last, and not longer.
func TestLostPairsMeetAgain(t *testing.T) {
	for reason, base := range map[string]time.Duration{trackerwire.LostTimeout: 30 * time.Second,
		trackerwire.LostClosed: 30 * time.Second, trackerwire.LostConnectFailed: time.Minute, "later": 30 * time.Second} {
		t.Run(reason, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, b *bench) {
				both := []*player{b.join(1), b.join(2)}
				x, y := both[0], both[1]
				settle(time.Second)
				for try := range 4 {
					if !paired(t, x, y) {
						t.Fatalf("try %d: not paired", try)
					}
					both[try%2].send(&trackerwire.Lost{Peer: both[1-try%2].id(), Reason: reason})
					settle(100 * time.Millisecond)
					if paired(t, x, y) {
						t.Fatalf("try %d: still paired", try)
					}
					wait(both, base<<try-200*time.Millisecond)
					if paired(t, x, y) {
						t.Fatalf("try %d: paired before %s", try, base<<try)
					}
					wait(both, 100*time.Millisecond+sweepTime)
				}
				checkOverlay(t, both)
			})
		})
	}
}

// Two viewers of which one is slow stay together: nobody else is there.
func TestSlowPairStaysTogether(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		both := []*player{b.join(1), b.join(2)}
		settle(time.Second)
		for range 10 {
			both[0].send(&trackerwire.Lost{Peer: both[1].id(), Reason: trackerwire.LostSlow})
			keepAlive(both, 1, time.Second)
			if !paired(t, both[0], both[1]) {
				t.Fatal("parted")
			}
		}
		if s := b.tracker.Stats()[0]; s.Roots != 2 {
			t.Errorf("%d roots", s.Roots)
		}
	})
}

// Somebody that leaves and comes back is somebody else.
func TestSeparationEndsWithTheViewer(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		x, y := b.join(1), b.join(2)
		settle(time.Second)
		for range 3 {
			x.send(&trackerwire.Lost{Peer: y.id(), Reason: trackerwire.LostClosed})
			settle(time.Second)
			if paired(t, x, y) {
				t.Fatal("still paired")
			}
			y.send(&trackerwire.Leave{})
			settle(time.Second)
			y = b.join(2)
			settle(time.Second)
			if !paired(t, x, y) {
				t.Fatal("a new viewer is not paired")
			}
		}
		x.send(&trackerwire.Leave{})
		y.send(&trackerwire.Leave{})
		settle(time.Second)
		if n := b.tracker.rooms["live/demo"].separations.Len(); n != 0 {
			t.Errorf("%d separations left", n)
		}
	})
}

// Bad data parts a pair for good, whatever it lost before.
func TestReportedPairStaysApart(t *testing.T) {
	inBubble(t, Config{Beacon: 10 * time.Minute}, func(t *testing.T, b *bench) {
		both := []*player{b.join(1), b.join(2)}
		x, y := both[0], both[1]
		settle(time.Second)
		x.send(&trackerwire.Lost{Peer: y.id(), Reason: trackerwire.LostTimeout})
		settle(swarm.SeparationTime + time.Second)
		if !paired(t, x, y) {
			t.Fatal("not paired again")
		}
		x.send(&trackerwire.Report{Peer: y.id(), Track: "v480", MSN: 5})
		settle(time.Second)
		for range 30 {
			keepAlive(both, 1, 10*time.Minute)
			if paired(t, x, y) {
				t.Fatal("paired after a report")
			}
		}
	})
}

// burst has everybody lose every peer until nobody has any.
func burst(t *testing.T, players []*player, reason string) {
	t.Helper()
	for range 50 {
		some := false
		for _, p := range players {
			for _, id := range p.place().Peers {
				p.send(&trackerwire.Lost{Peer: id, Reason: reason})
				some = true
			}
		}
		settle(50 * time.Millisecond)
		if !some {
			return
		}
	}
	t.Fatal("there is no end of new peers")
}

// onlyEdge reports whether the edge feeds every slice of everybody.
func onlyEdge(players []*player) bool {
	for _, p := range players {
		for _, tr := range p.place().Tracks {
			for _, sl := range tr.Slices {
				if sl.Parent != trackerwire.EdgeID {
					return false
				}
			}
		}
	}
	return true
}

// One burst of trouble that hits everybody at once costs a swarm at most a
// minute: after that the edge feeds one copy again. With thirty viewers all are
// left to the edge in it.
func TestBurstPasses(t *testing.T) {
	for name, c := range map[string]struct {
		viewers int
		reason  string
		within  time.Duration
	}{
		"two":              {2, trackerwire.LostTimeout, time.Minute},
		"six":              {6, trackerwire.LostTimeout, time.Minute},
		"six, closed":      {6, trackerwire.LostClosed, time.Minute},
		"six, unreachable": {6, trackerwire.LostConnectFailed, time.Minute + sweepTime},
		"thirty":           {30, trackerwire.LostTimeout, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, b *bench) {
				var players []*player
				for i := range c.viewers {
					players = append(players, b.join(i))
				}
				settle(time.Second)
				checkOverlay(t, players)
				start := time.Now()
				burst(t, players, c.reason)
				if !onlyEdge(players) {
					t.Fatal("the burst left peers")
				}
				wait(players, c.within-time.Since(start))
				checkOverlay(t, players)
				if s := b.tracker.Stats()[0]; s.Roots > 4 {
					t.Errorf("the edge feeds %d viewers", s.Roots)
				}
				assigns := 0
				for _, p := range players {
					assigns -= p.assigns
				}
				wait(players, 2*time.Minute)
				checkOverlay(t, players)
				for _, p := range players {
					assigns += p.assigns
				}
				if assigns > 2*c.viewers {
					t.Errorf("%d assigns after the burst was over", assigns)
				}
			})
		})
	}
}

// A viewer whose network lets nobody through is tried ever more rarely, though
// there are always viewers that it has not lost yet.
func TestUnreachableViewerIsTriedRarely(t *testing.T) {
	inBubble(t, Config{Beacon: time.Minute}, func(t *testing.T, b *bench) {
		var players []*player
		for i := range 60 {
			players = append(players, b.join(i))
		}
		settle(time.Second)
		bad := players[30]
		tries := make([]int, 6)
		for ten := range tries {
			for range 10 {
				keepAlive(players, 1, time.Second)
				for range 30 {
					for _, id := range bad.place().Peers {
						bad.send(&trackerwire.Lost{Peer: id, Reason: trackerwire.LostConnectFailed})
						tries[ten]++
					}
					settle(2 * time.Second)
				}
			}
		}
		t.Logf("tries in every ten minutes: %v", tries)
		if tries[0] == 0 || tries[0] > 48 || tries[len(tries)-1] > 5 {
			t.Errorf("tries in every ten minutes: %v", tries)
		}
		others := append(players[:30:30], players[31:]...)
		if a := bad.place(); len(a.Peers) != 0 {
			t.Errorf("its peers: %v", a.Peers)
		}
		checkOverlay(t, others)
	})
}
