package tracker

import (
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starling/internal/trackerwire"
)

// Bad input is answered, counted, and ends only the session that sent it.
func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(p *player)
		status websocket.StatusCode
		code   trackerwire.Code
	}{
		{"garbage", func(p *player) {
			for range maxBad {
				p.raw(websocket.MessageText, "{garbage")
			}
		}, websocket.StatusPolicyViolation, trackerwire.CodeBadMessage},
		{"binary", func(p *player) {
			for range maxBad {
				p.raw(websocket.MessageBinary, "{}")
			}
		}, websocket.StatusPolicyViolation, trackerwire.CodeBadMessage},
		{"joins again", func(p *player) {
			for range maxBad {
				p.send(joinMessage(9, 1))
			}
		}, websocket.StatusPolicyViolation, trackerwire.CodeBadMessage},
		{"flood", func(p *player) {
			for range 300 {
				p.send(&trackerwire.Beacon{})
			}
		}, websocket.StatusPolicyViolation, trackerwire.CodeRate},
		{"track flapping", func(p *player) {
			for range trackSwitchBurst + 1 {
				p.send(&trackerwire.Tracks{Tracks: []string{"v480"}})
			}
		}, websocket.StatusPolicyViolation, trackerwire.CodeRate},
		{"oversized", func(p *player) {
			p.raw(websocket.MessageText, strings.Repeat(" ", trackerwire.MaxMessage+1))
		}, websocket.StatusMessageTooBig, ""},
		{"a few mistakes", func(p *player) {
			for range maxBad - 1 {
				p.raw(websocket.MessageText, "[]")
			}
			p.raw(websocket.MessageText, `{"type":"of a later version"}`)
		}, -1, trackerwire.CodeBadMessage},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, b *bench) {
				good, bad := b.join(1), b.join(2)
				settle(time.Second)
				c.do(bad)
				settle(time.Second)
				if bad.status() != c.status {
					t.Errorf("ended with %v, want %v (errors %v)", bad.ended, c.status, bad.errors)
				}
				if c.code != "" && bad.count(c.code) == 0 {
					t.Errorf("errors %v, want %s", bad.errors, c.code)
				}
				if good.status() != -1 || len(good.errors) != 0 {
					t.Errorf("the other viewer: %v, %v", good.errors, good.ended)
				}
				good.send(&trackerwire.Beacon{PeerBytes: 5})
				settle(time.Second)
				if s := b.tracker.Stats()[0]; s.PeerBytes != 5 {
					t.Errorf("the other viewer's beacon is lost: %+v", s)
				}
			})
		})
	}
}

func TestVersionAndFirstMessage(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		p := b.dial()
		m := joinMessage(1, 0)
		m.Version = 2
		p.send(m)
		p.send(&trackerwire.Beacon{})
		settle(time.Second)
		if p.count(trackerwire.CodeVersion) != 1 || p.count(trackerwire.CodeBadMessage) != 1 {
			t.Errorf("errors %v", p.errors)
		}
		p.send(joinMessage(1, 0))
		settle(time.Second)
		p.id()
	})
}

// A viewer that does not read is cut, and nobody waits for it.
func TestSlowReader(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		x := b.join(1)
		settle(time.Second)
		ws, _, err := websocket.Dial(t.Context(), "ws://tracker.example/tracker", &websocket.DialOptions{HTTPClient: b.client, Subprotocols: []string{trackerwire.Subprotocol}})
		if err != nil {
			t.Fatal(err)
		}
		slow := &player{t: t, ws: ws}
		slow.send(joinMessage(2, 8_000_000))
		settle(time.Second)
		to := x.place().Peers[0]
		for i := range 2 * queueLength {
			if i%50 == 0 {
				settle(time.Second) // within the message rate
			}
			x.send(&trackerwire.SignalTo{To: to, Data: trackerwire.SignalData{Restart: true}})
		}
		keepAlive([]*player{x}, 10, 2*time.Second)
		if x.status() != -1 {
			t.Errorf("the sender was cut: %v", x.ended)
		}
		if s := b.tracker.Stats()[0]; s.Viewers != 1 {
			t.Errorf("%d viewers", s.Viewers)
		}
		if len(x.place().Peers) != 0 {
			t.Errorf("still paired with the slow one: %+v", x.place())
		}
		_ = ws.CloseNow()
	})
}

func TestSilentViewerIsGone(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		x, y := b.join(1), b.join(2)
		keepAlive([]*player{x}, 4, 2*time.Second)
		if y.status() != websocket.StatusPolicyViolation || x.status() != -1 {
			t.Fatalf("silent %v, speaking %v", y.ended, x.ended)
		}
		checkOverlay(t, []*player{x})
	})
}

// A viewer whose connection breaks keeps its id and its peers if it comes
// back in time, and is counted once.
func TestRejoinKeepsThePlace(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		x, y := b.join(1), b.join(2)
		settle(time.Second)
		id := x.id()
		x.send(&trackerwire.Beacon{PeerBytes: 1000, Stalls: 1})
		settle(time.Second)
		x.vanish()
		settle(time.Second)
		if s := b.tracker.Stats()[0]; s.Viewers != 1 || s.PeerBytes != 1000 {
			t.Fatalf("while away: %+v", s)
		}
		assigns := y.assigns
		y.send(&trackerwire.Beacon{})
		x = b.join(1)
		settle(time.Second)
		x.send(&trackerwire.Beacon{PeerBytes: 1500, Stalls: 1})
		settle(time.Second)
		if x.id() != id {
			t.Error("another id")
		}
		checkOverlay(t, []*player{x, y})
		if y.assigns != assigns {
			t.Error("its peer was disturbed")
		}
		if s := b.tracker.Stats()[0]; s.Viewers != 2 || s.PeerBytes != 1500 || s.Stalls != 1 {
			t.Errorf("back: %+v", s)
		}
		// A second connection of a session replaces the first at once.
		again := b.join(1)
		settle(time.Second)
		if x.status() != websocket.StatusNormalClosure || again.id() != id {
			t.Errorf("replaced: %v", x.ended)
		}
		// Gone for long, and back with the same session: still counted once.
		again.vanish()
		keepAlive([]*player{y}, 5, 2*time.Second)
		back := b.join(1)
		settle(time.Second)
		back.send(&trackerwire.Beacon{PeerBytes: 1600, Stalls: 2})
		settle(time.Second)
		if s := b.tracker.Stats()[0]; s.PeerBytes != 1600 || s.Stalls != 2 || s.Viewers != 2 {
			t.Errorf("after a long absence: %+v", s)
		}
		if back.id() == id {
			t.Error("the id of a viewer that was gone is used again")
		}
	})
}

// A peer reports a viewer lost that the tracker does not hear either: it is gone.
func TestLostAndAwayIsGone(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		x, y := b.join(1), b.join(2)
		settle(time.Second)
		gone := x.id()
		x.vanish()
		settle(100 * time.Millisecond)
		if !contains(y.place().Peers, gone) {
			t.Fatal("an away viewer lost its peers at once")
		}
		y.send(&trackerwire.Lost{Peer: gone, Reason: trackerwire.LostClosed})
		settle(100 * time.Millisecond)
		checkOverlay(t, []*player{y})
	})
}

func TestDrain(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		players := []*player{b.join(1), b.join(2), b.dial()}
		settle(time.Second)
		start := time.Now()
		b.stop()
		for _, p := range players {
			<-p.finished
			if p.status() != websocket.StatusGoingAway {
				t.Errorf("ended with %v", p.ended)
			}
		}
		settle(time.Second)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("drain took %s", took)
		}
		_, resp, err := websocket.Dial(t.Context(), "ws://tracker.example/tracker", &websocket.DialOptions{HTTPClient: b.client})
		if err == nil || resp == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("after the drain: %v, %v", resp, err)
		}
	})
}

func TestFull(t *testing.T) {
	inBubble(t, Config{MaxViewers: 2}, func(t *testing.T, b *bench) {
		b.join(1)
		x := b.join(2)
		settle(time.Second)
		p := b.dial()
		settle(time.Second)
		if p.count(trackerwire.CodeFull) != 1 || p.status() != websocket.StatusTryAgainLater {
			t.Errorf("errors %v, ended %v", p.errors, p.ended)
		}
		x.send(&trackerwire.Leave{})
		settle(time.Second)
		if x.status() != websocket.StatusNormalClosure {
			t.Errorf("leave: %v", x.ended)
		}
		p = b.join(3)
		settle(time.Second)
		p.id()
	})
}

func TestEdgeOnly(t *testing.T) {
	inBubble(t, Config{EdgeOnly: true}, func(t *testing.T, b *bench) {
		p := b.join(1)
		settle(time.Second)
		if p.welcome == nil || p.welcome.P2P || p.assigns != 0 {
			t.Fatalf("welcome %+v, %d assigns", p.welcome, p.assigns)
		}
		p.send(&trackerwire.Beacon{HTTPBytes: 9})
		settle(time.Second)
		if s := b.tracker.Stats()[0]; s.HTTPBytes != 9 {
			t.Errorf("%+v", s)
		}
	})
}
