package relay

import (
	"testing"

	"starling/internal/media"
	"starling/internal/store"
)

// A track that is acquired after another one begins with the same segment, so
// that players may align the two by sequence number: without a sibling it
// would begin Backlog segments before the live end.
func TestTrackAcquiredLaterBeginsWhereTheOthersDo(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	origin, dir := pub.originDir(), &store.Directory{}
	_, addr, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
	cl := c.dial(t, ClientConfig{Upstreams: []string{addr}, Node: "edge", Backlog: 2}, dir)
	for _, track := range []string{"v720", "a128"} {
		pub.publish(t, origin, track, 100, 110, 5_000)
	}
	video := acquire(t, cl, dir, "v720")
	expectParts(t, video, "v720", 108, 110)
	for _, track := range []string{"v720", "a128"} {
		pub.publish(t, origin, track, 110, 115, 5_000)
	}
	expectParts(t, video, "v720", 108, 115)

	audio := acquire(t, cl, dir, "a128")
	expectParts(t, audio, "a128", 108, 115)
	for _, tr := range []*store.Track{video, audio} {
		nextPart(t, tr, before(media.PartID{MSN: 114, Index: partsPerSegment - 1})) // published, not only complete
		awaitLast(t, tr, media.PartID{MSN: 114, Index: partsPerSegment - 1})
	}
	if v, a := video.Snapshot().Segments, audio.Snapshot().Segments; v[0].MSN != a[0].MSN || len(v) != len(a) {
		t.Errorf("video has %d segments from %d, audio %d from %d", len(v), v[0].MSN, len(a), a[0].MSN)
	}
}

// awaitLast waits until the window ends with id.
func awaitLast(t *testing.T, tr *store.Track, id media.PartID) {
	t.Helper()
	ctx := timeout(t)
	for {
		snap := tr.Snapshot()
		if last, ok := snap.Last(); ok && last.ID() == id {
			return
		}
		select {
		case <-snap.Changed:
		case <-ctx.Done():
			t.Fatalf("%s never ended with %s", tr.Name, id)
		}
	}
}
