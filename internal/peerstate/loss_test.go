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

// What becomes due while a PING is unanswered must not put the end of the wait
// off.
func TestOnePingDecides(t *testing.T) {
	v := pair(t)
	v.RoundTrip("p1", 40)
	v.Header(key(10, 0), 4, "p2", 2000, 1000)
	push(t, v, key(10, 0), "p2", 1000, 2, 3)
	expect(t, "a sign of life is asked for", v.Tick(1025), "ping p1")
	v.Header(key(10, 1), 4, "p2", 2333, 1090)
	push(t, v, key(10, 1), "p2", 1090, 2, 3)
	expect(t, "more is due", v.Tick(1120), "")
	expect(t, "no answer", v.Tick(1125), "unsub p1 1, sub p2 1 from 10.0")
}

// The backup lost the same parent: after two round trips and 250 ms the feed
// takes over, and the backup is not held to blame.
func TestBackupThatHasNothingEitherIsLeftForTheFeed(t *testing.T) {
	v := pair(t)
	v.RoundTrip("p2", 40)
	v.Header(key(10, 0), 4, "p2", 2000, 1000)
	push(t, v, key(10, 0), "p2", 1000, 2, 3)
	expect(t, "p1 gone", v.NeighbourGone("p1", LostClosed, 1010), "sub p2 1 from 10.0, lost p1 closed")
	v.Heard("p2", 1300)
	expect(t, "the backup gets time", v.Tick(1339), "")
	expect(t, "it has nothing", v.Tick(1340), "unsub p2 1, sub edge 1 from 10.0, sub p2 10 chunks from 10.0")
	if v.neighbour("p2").trust.strikes != nil {
		t.Error("it is blamed")
	}
	v.NeighbourUp("p1", 1400)
	if got := v.Sources(1)[0]; got != "p1" {
		t.Errorf("the parent is back and %s pushes", got)
	}
}
