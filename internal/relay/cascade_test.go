package relay

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"starling/internal/media"
	"starling/internal/store"
)

func TestCascadeCarriesEveryByteOfEveryTrack(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	origin, near, far := pub.originDir(), &store.Directory{Segments: 64}, &store.Directory{Segments: 64}
	pub.publish(t, origin, "v720", 100, 103, 60_000)
	_, addr, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
	_, addr = c.edge(t, "near", addr, near)
	last, _ := c.edge(t, "far", addr, far)

	var wg sync.WaitGroup
	video, audio := acquire(t, last, far, "v720"), acquire(t, last, far, "a128")
	wg.Go(func() { pub.publish(t, origin, "v720", 103, 120, 60_000) })
	wg.Go(func() { pub.publish(t, origin, "a128", 100, 120, 5_000) })
	wg.Go(func() { expectParts(t, video, "v720", 100, 120) })
	wg.Go(func() { expectParts(t, audio, "a128", 100, 120) })
	wg.Wait()

	for _, track := range []string{"v720", "a128"} {
		from, to := trackOf(t, origin, track).Snapshot(), trackOf(t, far, track).Snapshot()
		for _, seg := range to.Segments {
			for _, p := range seg.Parts {
				q, ok := from.Part(p.ID())
				if !ok || !bytes.Equal(p.Raw, q.Raw) || !bytes.Equal(p.Bytes(), q.Bytes()) {
					t.Fatalf("%s %s differs from the origin's", track, p.ID())
				}
			}
		}
	}
	if n := value(last.m.gaps) + value(last.m.duplicates); n != 0 {
		t.Errorf("%v gaps and duplicate bytes", n)
	}
	if hops, _ := last.Hops(); len(hops) != 2 || hops[0] != "near" || hops[1] != "origin" {
		t.Errorf("hops %v", hops)
	}
}

func TestPartIsReadableTwoHopsAwayWhileItIsWritten(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	origin, near, far := pub.originDir(), &store.Directory{}, &store.Directory{}
	_, addr, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
	_, addr = c.edge(t, "near", addr, near)
	last, _ := c.edge(t, "far", addr, far)
	tr := acquire(t, last, far, "v720")

	h, raw, b := pub.signed("v720", media.PartID{MSN: 100}, 60_000)
	part := store.NewPart(h, raw)
	source := trackOf(t, origin, "v720")
	if err := source.Begin(part); err != nil {
		t.Fatal(err)
	}
	ctx := timeout(t)
	// The header alone announces the part two hops away.
	got, err := tr.Next(ctx, media.PartID{})
	if err != nil || got.ID() != h.ID || !bytes.Equal(got.Raw, raw) {
		t.Fatalf("%v, %v", got, err)
	}
	// Each half becomes readable there before the next byte is written here.
	half := h.ChunkSize * (h.Chunks() / 2)
	for _, to := range []int{half, len(b)} {
		at := len(part.Bytes())
		if _, err := part.Write(b[at:to]); err != nil {
			t.Fatal(err)
		}
		if to == len(b) {
			source.Finish(part)
		}
		for have := len(got.Bytes()); have < to; {
			seen, err := got.Wait(ctx, have)
			if err != nil {
				t.Fatal(err)
			}
			if have = len(seen); have > to || !bytes.Equal(seen, b[:have]) {
				t.Fatalf("%d bytes readable, %d written", have, to)
			}
		}
		if to == half && got.Complete() {
			t.Fatal("half a part is complete")
		}
	}
}

func TestAbortedPartIsResumedOnTheSameStream(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	origin, dir := pub.originDir(), &store.Directory{}
	_, addr, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
	cl := c.dial(t, ClientConfig{Upstreams: []string{addr}, Node: "edge"}, dir)
	tr := acquire(t, cl, dir, "v720")
	source := trackOf(t, origin, "v720")
	h, raw, b := pub.signed("v720", media.PartID{MSN: 100}, 60_000)
	first := store.NewPart(h, raw)
	if err := source.Begin(first); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Write(b[:2*h.ChunkSize]); err != nil {
		t.Fatal(err)
	}
	ctx := timeout(t)
	got, err := tr.Next(ctx, media.PartID{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.Wait(ctx, 2*h.ChunkSize-1); err != nil {
		t.Fatal(err)
	}
	source.Finish(first) // aborts
	if err := source.Add(store.CompletePart(h, raw, b)); err != nil {
		t.Fatal(err)
	}
	if p := nextPart(t, tr, media.PartID{}); p != got || !bytes.Equal(p.Bytes(), b) {
		t.Fatal("the reader of the aborted part did not get the rest")
	}
	if n := value(cl.m.duplicates); n != 0 {
		t.Errorf("%v bytes were sent twice", n)
	}
}

func TestReconnectResumesWithoutGapOrDuplicate(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	origin, dir := pub.originDir(), &store.Directory{Segments: 64}
	addr := freeAddr(t)
	_, _, stop := c.serve(t, ServerConfig{Node: "origin", Addr: addr}, origin)
	cl := c.dial(t, ClientConfig{Upstreams: []string{addr}, Node: "edge"}, dir)
	tr := acquire(t, cl, dir, "v720")
	pub.publish(t, origin, "v720", 100, 102, 60_000)
	expectParts(t, tr, "v720", 100, 102)

	// The session is lost in the middle of a part that a reader waits for.
	source := trackOf(t, origin, "v720")
	h, raw, b := pub.signed("v720", media.PartID{MSN: 102}, 60_000)
	part := store.NewPart(h, raw)
	if err := source.Begin(part); err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(b[:h.ChunkSize]); err != nil {
		t.Fatal(err)
	}
	ctx := timeout(t)
	growing, err := tr.Next(ctx, media.PartID{MSN: 101, Index: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := growing.Wait(ctx, 0); err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err := part.Write(b[h.ChunkSize:]); err != nil {
		t.Fatal(err)
	}
	source.Finish(part)
	for i := uint64(1); i < partsPerSegment; i++ {
		if err := source.Add(pub.part("v720", media.PartID{MSN: 102, Index: i}, 60_000)); err != nil {
			t.Fatal(err)
		}
	}
	pub.publish(t, origin, "v720", 103, 105, 60_000)
	c.serve(t, ServerConfig{Node: "origin", Addr: addr}, origin)

	expectParts(t, tr, "v720", 100, 105)
	if p, _ := tr.Snapshot().Part(h.ID); p != growing {
		t.Error("the part that was half there was thrown away")
	}
	if n := value(cl.m.gaps); n != 0 {
		t.Errorf("%v gaps", n)
	}
	if n := value(cl.m.duplicates); n != float64(h.ChunkSize) {
		t.Errorf("%v duplicate bytes, want the %d of the half part", n, h.ChunkSize)
	}
	if n := value(cl.m.sessions); n != 2 {
		t.Errorf("%v sessions", n)
	}
}

func TestFetchReachesMediaThatTheWindowsBetweenNeverHeld(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	origin, near, far := pub.originDir(), &store.Directory{}, &store.Directory{}
	pub.publish(t, origin, "v720", 100, 110, 20_000)
	_, addr, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
	nearClient := c.dial(t, ClientConfig{Upstreams: []string{addr}, Node: "near", Backlog: 1}, near)
	_, addr, _ = c.serve(t, ServerConfig{Node: "near", Upstream: nearClient}, near)
	cl := c.dial(t, ClientConfig{Upstreams: []string{addr}, Node: "far", Backlog: 1}, far)
	tr := acquire(t, cl, far, "v720")
	expectParts(t, tr, "v720", 109, 110)

	ctx := timeout(t)
	parts, err := cl.Fetch(ctx, testStream, "v720", 102, 1, 2)
	if err != nil || len(parts) != 2 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	for i, p := range parts {
		id := media.PartID{MSN: 102, Index: uint64(1 + i)}
		if p.ID() != id || !p.Complete() || !bytes.Equal(p.Bytes(), payload("v720", id, 20_000)) {
			t.Fatalf("part %s is not %s", p.ID(), id)
		}
	}
	if parts, err := cl.Fetch(ctx, testStream, "v720", 109, 0, lastOfSegment); err != nil || len(parts) != partsPerSegment {
		t.Fatalf("whole segment: %d parts, %v", len(parts), err)
	}
	for name, c := range map[string]struct {
		track string
		msn   uint64
		want  error
	}{
		"gone":      {"v720", 50, ErrGone},
		"not yet":   {"v720", 110, ErrNotYet},
		"no track":  {"v1080", 100, ErrNoTrack},
		"never was": {"a128", 100, ErrGone},
	} {
		if _, err := cl.Fetch(ctx, testStream, c.track, c.msn, 0, 0); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := cl.Fetch(ctx, "live/other", "v720", 1, 0, 0); !errors.Is(err, ErrNoStream) {
		t.Errorf("no stream: %v", err)
	}
}

func TestAcquireReportsWhatIsNotThere(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	dir := &store.Directory{}
	_, addr, _ := c.serve(t, ServerConfig{Node: "origin"}, pub.originDir())
	cl := c.dial(t, ClientConfig{Upstreams: []string{addr}, Node: "edge"}, dir)
	ctx := timeout(t)
	// The first call is before the catalogs are there and waits for them.
	if _, err := cl.Acquire(ctx, "live/other", "v720"); !errors.Is(err, ErrNoStream) {
		t.Errorf("stream: %v", err)
	}
	if !cl.Connected() {
		t.Error("not connected after the catalogs came")
	}
	if _, err := cl.Acquire(ctx, testStream, "v1080"); !errors.Is(err, ErrNoTrack) {
		t.Errorf("track: %v", err)
	}
	lost := c.dial(t, ClientConfig{Upstreams: []string{freeAddr(t)}, Node: "edge", Grace: 20 * time.Millisecond}, &store.Directory{})
	if _, err := lost.Acquire(ctx, testStream, "v720"); !errors.Is(err, ErrNoUpstream) {
		t.Errorf("no upstream: %v", err)
	}
}
