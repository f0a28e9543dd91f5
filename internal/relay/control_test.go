package relay

import (
	"sync"
	"testing"
	"time"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

func TestHundredReadersAreOneSubscription(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	up, dir := c.rawUpstream(t), &store.Directory{}
	cl := c.dial(t, ClientConfig{Upstreams: []string{up.addr}, Node: "edge", Linger: time.Millisecond}, dir)
	s := up.accept()
	s.send(s.catalog(pub.info), relaywire.Synced{})
	awaitStream(t, dir)

	ctx := timeout(t)
	var wg sync.WaitGroup
	releases := make(chan func(), 100)
	for range 100 {
		wg.Go(func() {
			release, err := cl.Acquire(ctx, testStream, "v720")
			if err != nil {
				t.Error(err)
				return
			}
			releases <- release
		})
	}
	sub := expect[relaywire.Subscribe](s)
	if sub.From != (media.PartID{Index: 6}) {
		t.Errorf("asked from %+v", sub.From)
	}
	s.send(relaywire.SubscribeOK{ID: sub.ID})
	wg.Wait()
	close(releases)
	// The next frame is the end of this one subscription, after the last of
	// the hundred has left.
	n := 0
	for release := range releases {
		release()
		release() // a second call is none
		if n++; n == 99 {
			// A reader who comes back keeps it.
			again, err := cl.Acquire(ctx, testStream, "v720")
			if err != nil {
				t.Fatal(err)
			}
			defer again()
			break
		}
	}
	last := <-releases
	last()
	s.send(relaywire.Ping{})
	switch f := nextFrame(t, s).(type) {
	case relaywire.Pong:
	default:
		t.Fatalf("with one reader left: %+v", f)
	}
}

// nextFrame reads one control frame, but PING, which comes by itself.
func nextFrame(t *testing.T, s *rawSession) relaywire.Frame {
	t.Helper()
	for {
		f, err := relaywire.ReadFrame(s.br)
		if err != nil {
			t.Fatal(err)
		}
		if _, ping := f.(relaywire.Ping); !ping {
			return f
		}
	}
}

func TestTrackWithoutReadersIsLeftAfterTheLinger(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	up, dir := c.rawUpstream(t), &store.Directory{}
	cl := c.dial(t, ClientConfig{Upstreams: []string{up.addr}, Node: "edge", Linger: time.Millisecond}, dir)
	s := up.accept()
	s.send(s.catalog(pub.info), relaywire.Synced{})
	awaitStream(t, dir)
	tr := trackOf(t, dir, "v720")
	for round := range uint64(2) {
		acquired := make(chan func(), 1)
		ctx := timeout(t)
		go func() {
			release, err := cl.Acquire(ctx, testStream, "v720")
			if err != nil {
				t.Error(err)
			}
			acquired <- release
		}()
		sub := expect[relaywire.Subscribe](s)
		if round == 0 && sub.From != (media.PartID{Index: 6}) {
			t.Fatalf("round %d begins at %s", round, sub.From)
		}
		s.send(relaywire.SubscribeOK{ID: sub.ID})
		release := <-acquired
		s.segment(sub.ID, 100+round, pub.part("v720", media.PartID{MSN: 100 + round}, 5000)).Close()
		nextPart(t, tr, before(media.PartID{MSN: 100 + round}))
		changed := tr.Snapshot().Changed
		release()
		if un := expect[relaywire.Unsubscribe](s); un.ID != sub.ID {
			t.Fatalf("%+v ends %+v", un, sub)
		}
		// The window goes with the last reader.
		<-changed
		if _, ok := tr.Snapshot().Last(); ok {
			t.Fatal("media without readers is kept")
		}
	}
}

func TestEndOfAStreamComesAfterItsLastPart(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	up, dir := c.rawUpstream(t), &store.Directory{}
	cl := c.dial(t, ClientConfig{Upstreams: []string{up.addr}, Node: "edge"}, dir)
	s := up.accept()
	sub := s.begin(cl, pub)
	st := awaitStream(t, dir)
	// The catalog and the end overtake the last segment.
	ended := *pub.info
	ended.Ended, ended.Revision = true, 2
	changed := st.Changed()
	s.send(s.catalog(&ended), relaywire.TrackEnd{ID: sub.ID, Last: media.PartID{MSN: 100, Index: 3}}, relaywire.Ping{Token: [8]byte{1}})
	expect[relaywire.Pong](s) // all three were read
	if st.Info().Ended {
		t.Fatal("ended before the last part")
	}
	var parts []*store.Part
	for i := range uint64(partsPerSegment) {
		parts = append(parts, pub.part("v720", media.PartID{MSN: 100, Index: i}, 5000))
	}
	s.segment(sub.ID, 100, parts...).Close()
	<-changed
	snap := trackOf(t, dir, "v720").Snapshot()
	if last, ok := snap.Last(); !st.Info().Ended || !ok || last.ID().Index != 3 {
		t.Fatalf("ended %v with %d segments", st.Info().Ended, len(snap.Segments))
	}
	awaitEnded(t, trackOf(t, dir, "v720"), true)
	// The publisher comes back.
	again := *pub.info
	again.Revision = 3
	changed = st.Changed()
	s.send(s.catalog(&again))
	<-changed
	s.segment(sub.ID, 107, pub.part("v720", media.PartID{MSN: 107}, 5000))
	if p := nextPart(t, trackOf(t, dir, "v720"), media.PartID{MSN: 100, Index: 3}); p.ID().MSN != 107 {
		t.Fatalf("part %s", p.ID())
	}
}

// awaitEnded waits until a track has ended or goes on; the catalog says so a
// moment before its tracks do.
func awaitEnded(t *testing.T, tr *store.Track, want bool) {
	t.Helper()
	ctx := timeout(t)
	for snap := tr.Snapshot(); snap.Ended != want; snap = tr.Snapshot() {
		select {
		case <-snap.Changed:
		case <-ctx.Done():
			t.Fatalf("ended %v, want %v", snap.Ended, want)
		}
	}
}

func TestEndAndReturnAcrossRealNodes(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	origin, near, far := pub.originDir(), &store.Directory{}, &store.Directory{}
	_, addr, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
	_, addr = c.edge(t, "near", addr, near)
	cl, _ := c.edge(t, "far", addr, far)
	tr := acquire(t, cl, far, "v720")
	st := awaitStream(t, far)
	for round := range uint64(2) {
		from := 100 + 10*round
		changed := st.Changed()
		pub.publish(t, origin, "v720", from, from+3, 30_000)
		ended := *pub.info
		ended.Ended = true
		ended.Revision = 2 * (round + 1)
		origin.Put(&ended)
		expectParts(t, tr, "v720", from, from+3)
		<-changed
		awaitEnded(t, tr, true)
		back := *pub.info
		back.Revision = ended.Revision + 1
		changed = st.Changed()
		origin.Put(&back)
		<-changed
		awaitEnded(t, tr, false)
	}
	gone := far.Changed()
	origin.Remove(testStream)
	<-gone
	if _, ok := far.Get(testStream); ok {
		t.Fatal("the stream is still there")
	}
}

func TestStreamsSurviveAnOutageAndGoWhenNotAnnouncedAgain(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	up, dir := c.rawUpstream(t), &store.Directory{}
	cl := c.dial(t, ClientConfig{Upstreams: []string{up.addr}, Node: "edge"}, dir)
	s := up.accept()
	sub := s.begin(cl, pub)
	s.segment(sub.ID, 100, pub.part("v720", media.PartID{MSN: 100}, 5000))
	tr := trackOf(t, dir, "v720")
	nextPart(t, tr, media.PartID{})
	s.conn.CloseWithError(0, "outage")

	// The next session is open and has announced nothing yet.
	s = up.accept()
	if p := nextPart(t, tr, media.PartID{}); p.ID().MSN != 100 {
		t.Fatal("the window did not survive")
	}
	if release, err := cl.Acquire(timeout(t), testStream, "v720"); err != nil {
		t.Fatalf("a track whose window is there: %v", err)
	} else {
		release()
	}
	changed := dir.Changed()
	s.send(relaywire.Synced{})
	<-changed
	if _, ok := dir.Get(testStream); ok {
		t.Fatal("a stream that is not carried any more stays")
	}
	awaitEnded(t, tr, true)
}

func TestDrainGoesToAnotherUpstream(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	origin, dir := pub.originDir(), &store.Directory{Segments: 64}
	first, a, _ := c.serve(t, ServerConfig{Node: "first"}, origin)
	_, b, _ := c.serve(t, ServerConfig{Node: "second"}, origin)
	cl := c.dial(t, ClientConfig{Upstreams: []string{a, b}, Node: "edge"}, dir)
	tr := acquire(t, cl, dir, "v720")
	pub.publish(t, origin, "v720", 100, 103, 30_000)
	expectParts(t, tr, "v720", 100, 103)
	_, moved := cl.Hops()
	first.Drain(time.Second)
	<-moved
	if hops, _ := cl.Hops(); len(hops) != 1 || hops[0] != "second" {
		t.Fatalf("hops %v", hops)
	}
	pub.publish(t, origin, "v720", 103, 106, 30_000)
	expectParts(t, tr, "v720", 100, 106)
	if n := value(cl.m.gaps) + value(cl.m.duplicates); n != 0 {
		t.Errorf("%v gaps and duplicate bytes", n)
	}
}

func TestBackoffDoublesWithinItsBounds(t *testing.T) {
	for n := range 100 {
		low, high := backoff(n, 0), backoff(n, 0.999999)
		if low < backoffMin/2 || high > backoffMax || high < low || n > 0 && low < backoff(n-1, 0) {
			t.Fatalf("attempt %d: %v to %v", n, low, high)
		}
	}
	if backoff(0, 0) != backoffMin/2 || backoff(50, 1) != backoffMax {
		t.Fatalf("%v, %v", backoff(0, 0), backoff(50, 1))
	}
}
