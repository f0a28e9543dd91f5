package tracker

import (
	"testing"
	"time"

	"starling/internal/trackerwire"
)

// series counts the metrics of a stream.
func (b *bench) series(stream string) (n int) {
	b.t.Helper()
	families, err := b.reg.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "stream" && l.GetValue() == stream {
					n++
				}
			}
		}
	}
	return n
}

// The sums of a removed stream stay for a while, its labels do not.
func TestRemovedStreamLosesItsMetrics(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		p := b.join(1)
		settle(time.Second)
		p.send(&trackerwire.Beacon{PeerBytes: 100})
		settle(time.Second)
		b.dir.Remove("live/demo")
		settle(time.Second)
		if b.series("live/demo") == 0 {
			t.Fatal("a stream that is still watched is not counted")
		}
		p.send(&trackerwire.Leave{})
		settle(time.Second)
		if n := b.series("live/demo"); n != 0 {
			t.Errorf("%d series are left", n)
		}
		if s := b.tracker.Stats(); len(s) != 1 || s[0].PeerBytes != 100 {
			t.Errorf("the sums are lost: %+v", s)
		}
	})
}

// A viewer that was given up for its silence has its account kept. A beacon
// that was still on its way counts then, and not again when it comes back.
func TestBeaconOfAViewerThatWasGivenUpIsNotCountedTwice(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		p := b.join(1)
		settle(time.Second)
		room, ok := b.tracker.room("live/demo")
		if !ok {
			t.Fatal("no room")
		}
		room.mu.Lock()
		v := room.viewers[p.id()]
		room.remove(v, time.Now())
		room.mu.Unlock()
		room.beacon(v, &trackerwire.Beacon{PeerBytes: 1000}, time.Now())
		again := b.join(1)
		settle(time.Second)
		again.send(&trackerwire.Beacon{PeerBytes: 1000})
		settle(time.Second)
		if s := b.tracker.Stats()[0]; s.PeerBytes != 1000 {
			t.Errorf("%d bytes are counted", s.PeerBytes)
		}
	})
}
