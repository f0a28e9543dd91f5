package peerstate

import "testing"

// A parent that is gone: all below it have the slice again, as measured by when
// a part is complete, within the silence that is allowed, a round trip, and a
// tick at the child and one at its source.
func TestLostParentCostsLittle(t *testing.T) {
	for _, c := range []struct {
		name   string
		silent bool
		most   int64
	}{
		{"without a word", true, 150 + 2*worldOneWay + 2*25 + 5},
		{"with a goodbye", false, 2*worldOneWay + 25},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(13, 4, 12_000_000)
			w.run(10_000)
			lost := w.byID["v000"] // the root of slice 0: the parent of four
			if c.silent {
				w.run(10_000 + worldPartMS/2)
			}
			before := map[string]int64{}
			last := worldID(w.parts - 2)
			for _, x := range w.viewers {
				before[x.id] = x.completeAt[last] - w.edgeTime(last)
			}
			lost.gone = true
			lost.feed = nil
			children := 0
			for _, x := range w.viewers {
				if x.v.Sources(1)[0] == lost.id {
					children++
				}
				if !c.silent && x.v.known(lost.id) != nil {
					x.do(x.v.NeighbourGone(lost.id, LostClosed, w.now))
				}
			}
			if children != 4 {
				t.Fatalf("%d children", children)
			}
			first := w.parts
			w.run(w.now + 3*worldPartMS)
			for _, x := range w.viewers {
				if x == lost {
					continue
				}
				at, ok := x.completeAt[worldID(first)]
				if gap := at - w.edgeTime(worldID(first)) - before[x.id]; !ok || gap > c.most {
					t.Errorf("%s was without the slice for %d ms (%v)", x.id, gap, ok)
				}
			}
			w.measure()
			w.run(w.now + 10_000)
			if f := w.figures(); f.late > 0 || f.wasted > 0.01 {
				t.Errorf("afterwards %+v", f)
			}
		})
	}
}
