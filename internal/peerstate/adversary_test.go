package peerstate

import (
	"slices"
	"testing"
)

// Three interior viewers of thirty do not do what they should. The others play
// on without a late part, leave them soon, report them, and nobody else.
func TestAdversariesAreLeft(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    func(*worldViewer)
		report bool
		wasted float64 // share of bytes that come twice
	}{
		{"sends nothing", func(x *worldViewer) {
			x.mute = func(a Action) bool { return a.Kind == Forward || a.Kind == ForwardHeader }
		}, true, 0.01},
		{"leaves out three chunks in ten", func(x *worldViewer) {
			n := 0
			x.mute = func(a Action) bool {
				n += 7
				return a.Kind == Forward && n%10 < 3
			}
		}, true, 0.01},
		{"sends everything 800 ms late", func(x *worldViewer) { x.delay = 800 }, true, 0.06}, // what was on its way cannot be cancelled
		{"announces what it does not have", func(x *worldViewer) {
			x.lie = true
		}, false, 0.01},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(30, 5, 8_000_000)
			w.run(10_000)
			bad := []string{"v001", "v006", "v011"} // a root and two below one
			for _, id := range bad {
				c.set(w.byID[id])
			}
			w.measure()
			w.run(w.now + 30_000)
			f := w.figures()
			t.Logf("%+v", f)
			reported, wrongly := 0, map[string]int{}
			for _, x := range w.viewers {
				if slices.Contains(bad, x.id) {
					continue
				}
				if x.late > 0 {
					t.Errorf("%s had %d late parts", x.id, x.late)
				}
				for _, id := range x.lost {
					if !slices.Contains(bad, id) {
						wrongly[id]++
					}
					reported++
				}
			}
			for id, n := range wrongly { // one viewer's word is not enough for the tracker
				if n > 1 {
					t.Errorf("%d viewers report %s, who did its part", n, id)
				}
			}
			if c.report && reported == 0 {
				t.Error("nobody was reported")
			}
			if f.wasted > c.wasted || f.offload < 0.75 {
				t.Errorf("%+v", f)
			}
			for _, x := range w.viewers {
				x.mute, x.delay, x.lie = nil, 0, false
			}
			w.run(w.now + 40_000)
			w.measure()
			w.run(w.now + 10_000)
			if f := w.figures(); f.offload < 0.95 {
				t.Errorf("after they mended their ways: %+v", f)
			}
		})
	}
}
