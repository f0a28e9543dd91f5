package edge

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTrackIsAcquiredOnceAndReleasedWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &fakeUpstream{}
		r := newRig(t, Config{IdleRelease: 15 * time.Second}, up)
		defer r.edge.Close()
		r.video.parts(12)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { r.get(at("v720/index.m3u8")) })
		}
		wg.Wait()
		for range 10 { // a viewer that comes back before the idle time is over
			<-time.After(14 * time.Second)
			r.get(at("v720/index.m3u8"))
		}
		if a, rel := up.count("v720"); a != 1 || rel != 0 {
			t.Fatalf("acquired %d times, released %d", a, rel)
		}
		<-time.After(15 * time.Second)
		synctest.Wait()
		if a, rel := up.count("v720"); a != 1 || rel != 1 {
			t.Fatalf("acquired %d times, released %d", a, rel)
		}
		if n := len(r.edge.views.tracks); n != 0 {
			t.Errorf("%d tracks kept", n)
		}
		r.get(at("v720/index.m3u8"))
		synctest.Wait()
		if a, _ := up.count("v720"); a != 2 {
			t.Fatalf("not acquired again: %d", a)
		}
		if a, _ := up.count("a128"); a != 0 {
			t.Errorf("a track that nobody asked for was acquired")
		}
		r.edge.Close()
		if _, rel := up.count("v720"); rel != 2 {
			t.Errorf("the stopped edge keeps its track: released %d", rel)
		}
	})
}

func TestParkedViewerKeepsItsTrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &fakeUpstream{}
		r := newRig(t, Config{IdleRelease: time.Second}, up)
		defer r.edge.Close()
		r.video.parts(12)
		ch := r.park(at("v720/index.m3u8?_HLS_msn=%d", firstMSN+2))
		<-time.After(5 * time.Second)
		if _, rel := up.count("v720"); rel != 0 {
			t.Fatal("released under a parked viewer")
		}
		r.video.parts(6)
		want(t, <-ch, 200)
		<-time.After(time.Second)
		synctest.Wait()
		if _, rel := up.count("v720"); rel != 1 {
			t.Fatalf("released %d times", rel)
		}
	})
}

func TestSlowAcquireIsGivenBackWhenTheEdgeStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		up := &fakeUpstream{onAcquire: func(string) error { <-gate; return nil }}
		r := newRig(t, Config{}, up)
		ch := r.park(at("v720/index.m3u8"))
		stopped := make(chan struct{})
		go func() { r.edge.Close(); close(stopped) }()
		want(t, <-ch, 503)
		close(gate)
		<-stopped
		if a, rel := up.count("v720"); a != 1 || rel != 1 {
			t.Fatalf("acquired %d, released %d", a, rel)
		}
	})
}
