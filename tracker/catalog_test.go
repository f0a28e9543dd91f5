package tracker

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starling/internal/trackerwire"
)

// The overlay follows the catalog, at once where changes are told.
func TestCatalogChanges(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		x, y := b.join(1), b.join(2)
		settle(time.Second)
		b.dir.Put(demoInfo(5))
		settle(50 * time.Millisecond)
		for _, p := range []*player{x, y} {
			if n := len(p.place().Tracks[0].Slices); n != 5 {
				t.Errorf("%d slices", n)
			}
		}
		x.send(&trackerwire.Tracks{Tracks: []string{"a128", "later"}})
		settle(50 * time.Millisecond)
		if a := x.place(); len(a.Tracks) != 1 || a.Tracks[0].Name != "a128" {
			t.Errorf("after a track switch: %+v", a)
		}
		info := demoInfo(5)
		info.Tracks[1].Name = "later"
		b.dir.Put(info)
		settle(50 * time.Millisecond)
		if a := x.place(); len(a.Tracks) != 1 || a.Tracks[0].Name != "later" {
			t.Errorf("after the track came: %+v", a)
		}
	})
}

// While the stream is gone its viewers stay; when it comes back with the same
// key nothing happens, and with another they are asked to join again.
func TestStreamEndsAndReturns(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		x := b.join(1)
		settle(time.Second)
		b.dir.Remove("live/demo")
		settle(time.Second)
		p := b.join(2)
		settle(time.Second)
		if p.count(trackerwire.CodeNoStream) != 1 || x.status() != -1 {
			t.Fatalf("while gone: errors %v, first viewer %v", p.errors, x.ended)
		}
		b.dir.Put(demoInfo(2))
		settle(50 * time.Millisecond)
		if n := len(x.place().Tracks[0].Slices); n != 2 || x.status() != -1 {
			t.Fatalf("back: %d slices, %v", n, x.ended)
		}
		x.send(&trackerwire.Beacon{PeerBytes: 77})
		settle(time.Second)
		b.dir.Remove("live/demo")
		info := demoInfo(2)
		info.Key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)).Public().(ed25519.PublicKey)
		b.dir.Put(info)
		settle(time.Second)
		if x.status() != websocket.StatusGoingAway {
			t.Fatalf("another key: %v", x.ended)
		}
		x = b.join(1)
		settle(time.Second)
		if x.welcome.Key != encodeKey(info.Key) {
			t.Error("the old key")
		}
		if s := b.tracker.Stats()[0]; s.PeerBytes != 77 {
			t.Errorf("sums: %+v", s)
		}
	})
}
