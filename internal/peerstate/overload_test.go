package peerstate

import (
	"testing"
)

type figures struct {
	offload, wasted, worst, late float64 // shares; worst is the most bytes of a viewer over the stream's
}

func (w *world) figures() figures {
	var f figures
	var peer, edge, wasted, late, complete int
	stream := float64(w.now-w.from) / worldPartMS * worldChunks * worldChunk
	for _, x := range w.viewers {
		if x.gone {
			continue
		}
		peer, edge, wasted, late, complete = peer+x.peer, edge+x.edge, wasted+x.wasted, late+x.late, complete+x.complete
		f.worst = max(f.worst, float64(x.peer+x.edge+x.wasted)/stream)
	}
	all := float64(peer + edge)
	f.offload, f.wasted, f.late = float64(peer)/all, float64(wasted)/all, float64(late)/float64(max(complete, 1))
	return f
}

func TestSwarmCarriesAlmostAll(t *testing.T) {
	w := newWorld(30, 5, 6_000_000)
	w.run(10_000)
	w.measure()
	w.run(40_000)
	f := w.figures()
	t.Logf("%+v", f)
	if f.offload < 0.96 || f.wasted > 0.002 || f.late > 0 {
		t.Fatalf("%+v", f)
	}
}

// During a rolling upgrade viewers of both versions are parents and children of
// each other.
func TestTwoVersionsShareASwarm(t *testing.T) {
	w := newWorld(30, 5, 6_000_000)
	for i, x := range w.viewers {
		x.old = i%3 == 0
	}
	w.run(10_000)
	w.measure()
	w.run(30_000)
	if f := w.figures(); f.offload < 0.96 || f.wasted > 0.002 || f.late > 0 {
		t.Fatalf("%+v", f)
	}
}

// A swarm that is pushed beyond its capacity must not make it worse: late parts
// are not brought twice for long, playback goes on, and when the capacity is
// back the swarm carries the stream again.
func TestOverloadEndsByItself(t *testing.T) {
	for _, c := range []struct {
		name  string
		cpu   float64 // of a machine that carries all viewers, bytes a ms
		share int64   // percent that is left
	}{
		{"lines of two fifths", 0, 40},
		{"lines of one fifth", 0, 20},
		{"a machine of half the capacity", 1.3 * 30 * worldBitrate / 8000, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(30, 5, 6_000_000)
			if c.cpu != 0 {
				w.cpu = &worldLine{bytesPerMS: c.cpu}
			}
			w.run(10_000)
			w.share = c.share
			w.measure()
			w.run(15_000)
			onset := w.figures()
			w.measure()
			w.run(30_000)
			during := w.figures()
			w.share = 100
			w.run(80_000)
			w.measure()
			w.run(90_000)
			after := w.figures()
			t.Logf("first 5 s: %+v", onset)
			t.Logf("next 15 s: %+v", during)
			t.Logf("50 to 60 s after: %+v", after)
			if onset.wasted > 0.4 {
				t.Errorf("at the onset %.0f %% came twice", 100*onset.wasted)
			}
			if during.wasted > 0.15 || during.worst > 1.3 || during.late > 0.02 {
				t.Errorf("while it lasts: %+v", during)
			}
			if after.offload < 0.96 || after.wasted > 0.005 || after.late > 0 {
				t.Errorf("afterwards: %+v", after)
			}
		})
	}
}
