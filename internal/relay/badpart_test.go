package relay

import (
	"bytes"
	"testing"

	"starling/internal/media"
	"starling/internal/store"
)

// A part that is bad at its source must cost that part's segment, not the
// sessions of all streams for ever, and a segment must not get a hole.
func TestPartThatIsBadAtItsSourceIsPassedOver(t *testing.T) {
	for _, index := range []uint64{0, 1, 3} {
		c, pub := newCluster(t), newPublisher()
		origin, dir := pub.originDir(), &store.Directory{Segments: 64}
		source := trackOf(t, origin, "v720")
		pub.publish(t, origin, "v720", 100, 101, 40_000)
		for i := range uint64(partsPerSegment) {
			h, raw, b := pub.signed("v720", media.PartID{MSN: 101, Index: i}, 40_000)
			if i == index {
				b = bytes.Clone(b)
				b[len(b)/2] ^= 1
			}
			if err := source.Add(store.CompletePart(h, raw, b)); err != nil {
				t.Fatal(err)
			}
		}
		pub.publish(t, origin, "v720", 102, 104, 40_000)
		_, addr, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
		cl := c.dial(t, ClientConfig{Upstreams: []string{addr}, Node: "edge"}, dir)
		tr := acquire(t, cl, dir, "v720")
		expectParts(t, tr, "v720", 100, 101)
		expectParts(t, tr, "v720", 102, 104)
		seg, ok := tr.Snapshot().Segment(101)
		if index == 0 && ok && seg.Parts[0].ID().Index != 1 || index > 0 && (!ok || len(seg.Parts) != int(index)) {
			t.Fatalf("bad part %d: %+v of its segment are there", index, seg)
		}
		if ok {
			for i, p := range seg.Parts {
				if want := uint64(i) + seg.Parts[0].ID().Index; p.ID().Index != want {
					t.Fatalf("bad part %d: part %d where %d belongs", index, p.ID().Index, want)
				}
			}
		}
		if n := value(cl.m.sessions); n != 2 {
			t.Errorf("bad part %d: %v sessions", index, n)
		}
	}
}
