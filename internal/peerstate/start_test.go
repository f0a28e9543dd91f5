package peerstate

import (
	"testing"

	"starling/internal/peerwire"
)

// newcomer makes a viewer of one track with two slices that takes three parts
// from the feed and expects the rest of its parents p1 and p2, whose backups are
// each other. Six parts are there when it comes.
func newcomer(t *testing.T) *Viewer {
	v := New(Rules{}, 10_000_000)
	as := v.SetTracks([]Track{{Number: 1, Slices: 2, Bitrate: 1_000_000, PartMS: 333, From: id(10, 0), Until: id(10, 3)}}, 0)
	if len(as) != 1 || as[0].Until != id(10, 3) {
		t.Fatalf("the feed is asked with %+v", as)
	}
	expect(t, "assign", v.Assign(1, []SliceSource{{"p1", "p2"}, {"p2", "p1"}}, 0), "")
	for i := range uint64(6) {
		v.Header(key(10, i), 4, Edge, 500+int64(i)*333, 100)
	}
	return v
}

func TestFeedEndsWhereParentsBegin(t *testing.T) {
	v := newcomer(t)
	for i := range uint64(3) {
		push(t, v, key(10, i), Edge, 120, 0, 1, 2, 3)
	}
	// 10.3 is due at 1,499.
	expect(t, "early enough for parents", v.Tick(690), "")
	expect(t, "p1 up", v.NeighbourUp("p1", 690), "sub p1 1 chunks from 10.3, unsub edge 1")
	as := v.Tick(700)
	// p2 is not there, but p1 is its backup.
	expect(t, "no longer", as, "sub p1 11 from 10.3, unsub edge 10")
	expect(t, "p2 up", v.NeighbourUp("p2", 800), "sub p2 10 chunks from 10.6")
}

func TestFeedGoesOnPartByPartWithoutParents(t *testing.T) {
	v := newcomer(t)
	for i := range uint64(3) {
		push(t, v, key(10, i), Edge, 120, 0, 1, 2, 3)
	}
	as := v.Tick(700)
	expect(t, "10.3", as, "sub edge 11 from 10.3")
	if as[0].Until != id(10, 4) {
		t.Fatalf("until %s", as[0].Until)
	}
	expect(t, "10.4 is not yet to be asked for", v.Tick(725), "")
	push(t, v, key(10, 3), Edge, 800, 0, 1, 2, 3)
	as = v.Tick(1050)
	expect(t, "10.4", as, "sub edge 11 from 10.4")
	if as[0].Until != id(10, 5) {
		t.Fatalf("until %s", as[0].Until)
	}
	push(t, v, key(10, 4), Edge, 1100, 0, 1, 2, 3)
	expect(t, "p1 up", v.NeighbourUp("p1", 1100), "sub p1 1 chunks from 10.5, unsub edge 1")
	for now := int64(1125); now < 3600; now += 25 {
		for _, a := range v.Tick(now) {
			if a.Kind == Subscribe && a.Peer == Edge {
				t.Fatalf("the feed is asked for %s at %d, though p1 is there", show([]Action{a}), now)
			}
		}
	}
}

func TestParentsAreAwaitedForAWhileOnly(t *testing.T) {
	v := newcomer(t)
	var last *Action // of the feed's
	for now := int64(25); now <= awaitMS+25; now += 25 {
		for _, a := range v.Tick(now) {
			if a.Kind == Subscribe && a.Peer == Edge {
				last = &a
			}
		}
	}
	if last == nil || last.Until.MSN != 0 || last.Slices != 0b11 {
		t.Fatalf("at the end of the wait: %+v", last)
	}
}

func TestRootTakesAllFromTheFeed(t *testing.T) {
	v := newcomer(t)
	as := v.Assign(1, []SliceSource{{Edge, "p2"}, {"p2", Edge}}, 150)
	expect(t, "assigned to the edge", as, "sub edge 1 from 10.3")
	if as[0].Until.MSN != 0 {
		t.Fatalf("with an end, %s", as[0].Until)
	}
}

// The feed brings what is before its end, however late: a parent that is faster
// must not cut it off.
func TestFeedIsNotLeftBeforeItsEnd(t *testing.T) {
	v := New(Rules{}, 10_000_000)
	v.SetTracks([]Track{{Number: 1, Slices: 1, Bitrate: 1_000_000, PartMS: 333, From: id(10, 0), Until: id(10, 3)}}, 0)
	v.Assign(1, []SliceSource{{"p1", Edge}}, 0)
	expect(t, "p1 up", v.NeighbourUp("p1", 50), "sub p1 1 from 10.3")
	v.Header(key(10, 3), 2, "p1", 1500, 100)
	_, as := v.Chunk(key(10, 3), 0, "p1", true, 100)
	expect(t, "first chunk of p1", as, "")
	for i := range uint64(3) {
		v.Header(key(10, i), 1, Edge, 500+int64(i)*333, 200)
		_, as = v.Chunk(key(10, i), 0, Edge, true, 200)
	}
	expect(t, "the last part of the feed", as, "unsub edge 1, deliver 10.2, have 10.2 1")
}

func TestFeedTakesOverFromTheFirstParentWhereItEnded(t *testing.T) {
	v := New(Rules{}, 10_000_000)
	v.SetTracks([]Track{{Number: 1, Slices: 1, Bitrate: 1_000_000, PartMS: 333, From: id(10, 0), Until: id(10, 3)}}, 0)
	v.Assign(1, []SliceSource{{"p1", Edge}}, 0)
	v.NeighbourUp("p1", 50)
	as := v.SubscriptionRefused("p1", 1, peerwire.AllSlices(1), 150)
	expect(t, "refused", as, "unsub p1 1, sub edge 1 from 10.3")
	if as[1].Until.MSN != 0 {
		t.Fatalf("with an end, %s", as[1].Until)
	}
}
