package edge

import (
	"testing"
	"testing/synctest"
	"time"

	"starling/internal/media"
)

// A player that changes to a rung which nobody was watching asks for the part
// that another track's rendition report named. The backlog comes first, from
// its oldest segment on, and the number must not be judged by that.
func TestReloadIsNotTooFarAheadWhileTheTrackFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, &fakeUpstream{})
		defer r.edge.Close()
		r.audio.parts(10*6 + 3)
		reload := r.park(at("v720/index.m3u8?_HLS_msn=%d&_HLS_part=2", firstMSN+10))
		part := r.park(at("v720/%d.2.m4s", firstMSN+10))
		segment := r.park(at("v720/%d.m4s", firstMSN+9))
		r.video.parts(10*6 + 2) // each is a snapshot of its own
		if answered(reload) || answered(part) {
			t.Fatal("answered before the part was there")
		}
		want(t, <-segment, 200)
		r.video.parts(1)
		w := <-reload
		want(t, w, 200)
		mustContain(t, w.Body.String(), media.PartID{MSN: firstMSN + 10, Index: 2}.String())
		want(t, <-part, 200)
	})
}

func TestReloadIsTooFarAheadOnceTheTrackHadItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, &fakeUpstream{})
		defer r.edge.Close()
		r.video.parts(12)
		start := time.Now()
		want(t, r.get(at("v720/index.m3u8?_HLS_msn=%d", firstMSN+50)), 400)
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("after %v, want a target duration", d)
		}
		start = time.Now()
		want(t, r.get(at("v720/index.m3u8?_HLS_msn=%d", firstMSN+50)), 400)
		if d := time.Since(start); d != 0 {
			t.Errorf("after %v: the track is no longer new", d)
		}
	})
}

// The first playlist of a track shows its live end, not the oldest segment of
// the backlog, at which a player would begin seconds behind.
func TestFirstPlaylistWaitsForTheLiveEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, &fakeUpstream{})
		defer r.edge.Close()
		r.audio.parts(10*6 + 3)
		first := r.park(at("v720/index.m3u8"))
		r.video.parts(9 * 6)
		if answered(first) {
			t.Fatal("answered with an old end")
		}
		r.video.parts(1)
		w := <-first
		want(t, w, 200)
		mustContain(t, w.Body.String(), media.PartID{MSN: firstMSN + 9}.String())
	})
}

// A track whose upstream is slow is served as it is.
func TestFirstPlaylistWaitsNoLongerThanASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, &fakeUpstream{})
		defer r.edge.Close()
		r.audio.parts(10*6 + 3)
		r.video.parts(12)
		start := time.Now()
		want(t, r.get(at("v720/index.m3u8")), 200)
		if d := time.Since(start); d != freshWait {
			t.Errorf("after %v, want %v", d, freshWait)
		}
	})
}
