package edge

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"starling/internal/media"
	"starling/internal/store"
)

func TestPartIsServedWholeAndByRange(t *testing.T) {
	r := newRig(t, Config{}, nil)
	r.video.parts(8)
	id := media.PartID{MSN: firstMSN + 1, Index: 1}
	body := r.video.bytes(id)
	w := r.get(at("v720/%s.m4s", id))
	want(t, w, 200)
	if !bytes.Equal(w.Body.Bytes(), body) {
		t.Error("other bytes")
	}
	for key, value := range map[string]string{
		"Content-Type": "video/mp4", "Cache-Control": "public, max-age=86400, immutable", "Accept-Ranges": "bytes", "Content-Length": "60000",
		"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff", "Content-Encoding": "",
	} {
		if got := w.Header().Get(key); got != value {
			t.Errorf("%s: %q, want %q", key, got, value)
		}
	}
	for _, c := range []struct {
		rng      string
		status   int
		from, to int
	}{
		{"bytes=0-0", 206, 0, 1}, {"bytes=0-", 206, 0, 60000}, {"bytes=100-199", 206, 100, 200}, {"bytes=-1", 206, 59999, 60000}, {"bytes=-70000", 206, 0, 60000},
		{"bytes=59999-70000", 206, 59999, 60000}, {"bytes=60000-", 416, 0, 0}, {"bytes=-0", 416, 0, 0},
		{"bytes=5-4", 200, 0, 60000}, {"bytes=0-1,4-5", 200, 0, 60000}, {"items=0-1", 200, 0, 60000}, {"bytes=", 200, 0, 60000}, {"bytes=a-b", 200, 0, 60000}, {"bytes=+1-2", 200, 0, 60000},
	} {
		w := r.get(at("v720/%s.m4s", id), "Range", c.rng)
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.rng, w.Code, c.status)
			continue
		}
		if c.status == 416 {
			if cr := w.Header().Get("Content-Range"); cr != "bytes */60000" {
				t.Errorf("%s: Content-Range %q", c.rng, cr)
			}
			continue
		}
		if !bytes.Equal(w.Body.Bytes(), body[c.from:c.to]) {
			t.Errorf("%s: %d bytes that are not [%d,%d)", c.rng, w.Body.Len(), c.from, c.to)
		}
		if cr := w.Header().Get("Content-Range"); c.status == 206 && cr != fmt.Sprintf("bytes %d-%d/60000", c.from, c.to-1) {
			t.Errorf("%s: Content-Range %q", c.rng, cr)
		}
	}
	head := r.do(t.Context(), http.MethodHead, at("v720/%s.m4s", id))
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != "60000" {
		t.Errorf("HEAD: %d, %d bytes, %v", head.Code, head.Body.Len(), head.Header())
	}
	if w := r.get(at("v720/%s.m4s", id), "Range", "bytes=0-0", "If-Range", `"x"`); w.Code != 200 {
		t.Errorf("If-Range without a validator: %d", w.Code)
	}
}

func TestSegmentIsItsPartsInARow(t *testing.T) {
	r := newRig(t, Config{}, nil)
	r.video.parts(12)
	var all []byte
	for i := range uint64(6) {
		all = append(all, r.video.bytes(media.PartID{MSN: firstMSN, Index: i})...)
	}
	if w := r.get(at("v720/%d.m4s", firstMSN)); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), all) {
		t.Fatalf("%d, %d bytes", w.Code, w.Body.Len())
	}
	for _, c := range [][2]int{{0, 10}, {59_990, 60_010}, {59_999, 180_001}, {300_000, 360_000}} {
		w := r.get(at("v720/%d.m4s", firstMSN), "Range", fmt.Sprintf("bytes=%d-%d", c[0], c[1]-1))
		if w.Code != 206 || !bytes.Equal(w.Body.Bytes(), all[c[0]:c[1]]) {
			t.Errorf("%v: %d, %d bytes", c, w.Code, w.Body.Len())
		}
	}
	if w := r.get(at("a128/init-1.mp4")); w.Code != 200 || w.Body.String() != "init of a128" || w.Header().Get("Content-Type") != "audio/mp4" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}

// Draft section 6.2.6: no byte of a hinted part before all of it is there.
func TestHintedPartWaitsUntilItIsComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		defer r.edge.Close()
		r.video.parts(8)
		hinted, later := r.park(at("v720/%d.2.m4s", firstMSN+1)), r.park(at("v720/%d.0.m4s", firstMSN+2))
		part := r.video.begin()
		part.Write(r.video.bytes(part.ID())[:59_999])
		if answered(hinted) {
			t.Fatal("answered early")
		}
		part.Write(r.video.bytes(part.ID())[59_999:])
		r.video.track.Finish(part)
		if w := <-hinted; w.Code != 200 || !bytes.Equal(w.Body.Bytes(), r.video.bytes(part.ID())) {
			t.Fatalf("%d with %d bytes", w.Code, w.Body.Len())
		}
		if answered(later) {
			t.Fatal("the next segment's first part is answered by another")
		}
		r.video.parts(4)
		want(t, <-later, 200)
	})
}

func TestHintedPartSurvivesAnAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		defer r.edge.Close()
		r.video.parts(7)
		ch := r.park(at("v720/%d.1.m4s", firstMSN+1))
		next, clock := r.video.next, r.video.clock
		part := r.video.begin()
		part.Write(r.video.bytes(part.ID())[:7])
		synctest.Wait()
		r.video.track.Finish(part) // upstream broke off
		if answered(ch) {
			t.Fatal("answered with half a part")
		}
		r.video.next, r.video.clock = next, clock
		r.video.parts(1)
		if w := <-ch; w.Code != 200 || w.Body.Len() != r.video.size {
			t.Fatalf("%d with %d bytes", w.Code, w.Body.Len())
		}
	})
}

func TestHintThatIsNotKeptGets404(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		defer r.edge.Close()
		r.video.parts(12)
		ch := r.park(at("v720/%d.0.m4s", firstMSN+2))
		r.video.next.MSN += 1000 // the publisher came back much later
		r.video.parts(1)
		want(t, <-ch, 404)
	})
}

func TestPartThatNeverComesGets503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		defer r.edge.Close()
		r.video.parts(7)
		want(t, r.get(at("v720/%d.1.m4s", firstMSN+1)), 503)
		want(t, r.get(at("a128/%d.1.m4s", firstMSN+1)), 503)
	})
}

func TestGrowingSegmentIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		defer r.edge.Close()
		r.video.parts(8)
		growing, next := r.park(at("v720/%d.m4s", firstMSN+1)), r.park(at("v720/%d.m4s", firstMSN+2))
		r.video.parts(3)
		if answered(growing) {
			t.Fatal("answered with a part of the segment")
		}
		r.video.parts(1)
		if w := <-growing; w.Code != 200 || w.Body.Len() != 6*r.video.size {
			t.Fatalf("%d with %d bytes", w.Code, w.Body.Len())
		}
		r.video.parts(6)
		want(t, <-next, 200)
	})
}

func TestGapIsNotServed(t *testing.T) {
	r := newRig(t, Config{}, nil)
	r.video.parts(6)
	h := r.video.header()
	h.Flags, h.Size, h.Hashes = media.FlagGap|media.FlagLast, 0, nil
	if err := r.video.track.Add(store.CompletePart(h, nil, nil)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{at("v720/%d.0.m4s", firstMSN+1), at("v720/%d.m4s", firstMSN+1)} {
		w := r.get(path)
		want(t, w, 404)
		mustContain(t, w.Body.String(), "EXT-X-GAP")
	}
}

func TestThousandRequestsForOldMediaAreOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		up := &fakeUpstream{}
		r := newRig(t, Config{}, up)
		defer r.edge.Close()
		up.onFetch = func(ctx context.Context, track string, msn, first, last uint64) ([]*store.Part, error) {
			<-release
			return r.video.oldSegment(msn), nil
		}
		r.manySegments()
		old := uint64(firstMSN + 2)
		var wg sync.WaitGroup
		answers := make([]*httptest.ResponseRecorder, 1000)
		for i := range answers {
			wg.Go(func() { answers[i] = r.get(at("v720/%d.m4s", old)) })
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		for _, w := range answers {
			if w.Code != 200 || w.Body.Len() != 6*r.video.size {
				t.Fatalf("%d with %d bytes: %.80s", w.Code, w.Body.Len(), w.Body)
			}
		}
		want(t, r.get(at("v720/%d.m4s", old)), 200) // from the cache
		if up.fetches != 1 {
			t.Errorf("%d fetches", up.fetches)
		}
	})
}

func TestOldMediaThatUpstreamLacksIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &fakeUpstream{}
		r := newRig(t, Config{}, up)
		defer r.edge.Close()
		r.manySegments()
		for range 5 {
			want(t, r.get(at("v720/%d.m4s", firstMSN+1)), 410)
		}
		if up.fetches != 1 {
			t.Errorf("%d fetches in a moment for media that is not there", up.fetches)
		}
		<-time.After(negativeTTL)
		want(t, r.get(at("v720/%d.m4s", firstMSN+1)), 410)
		if up.fetches != 2 {
			t.Errorf("%d fetches: the failure is remembered for ever", up.fetches)
		}
	})
}

func TestUpstreamThatFailsIsNotTakenForGoneMedia(t *testing.T) {
	up := &fakeUpstream{onFetch: func(context.Context, string, uint64, uint64, uint64) ([]*store.Part, error) { return nil, errFake }}
	r := newRig(t, Config{}, up)
	r.manySegments()
	want(t, r.get(at("v720/%d.m4s", firstMSN+1)), 503)
	want(t, r.get(at("v720/%d.1.m4s", firstMSN+1)), 503)
}

func TestWrongFetchedPartsAreNotServed(t *testing.T) {
	up := &fakeUpstream{}
	r := newRig(t, Config{}, up)
	r.manySegments()
	for name, give := range map[string]func(uint64) []*store.Part{
		"nothing":         func(uint64) []*store.Part { return nil },
		"another segment": func(msn uint64) []*store.Part { return r.video.oldSegment(msn + 1) },
		"half of it":      func(msn uint64) []*store.Part { return r.video.oldSegment(msn)[:3] },
		"not its start":   func(msn uint64) []*store.Part { return r.video.oldSegment(msn)[1:] },
	} {
		msn := uint64(firstMSN + len(name)%10)
		up.onFetch = func(_ context.Context, _ string, msn, _, _ uint64) ([]*store.Part, error) { return give(msn), nil }
		if w := r.get(at("v720/%d.m4s", msn)); w.Code != 410 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestFetchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &fakeUpstream{onFetch: func(ctx context.Context, _ string, _, _, _ uint64) ([]*store.Part, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		r := newRig(t, Config{MaxFetches: 2}, up)
		defer r.edge.Close()
		r.manySegments()
		a, b := r.park(at("v720/%d.m4s", firstMSN)), r.park(at("v720/%d.m4s", firstMSN+1))
		want(t, r.get(at("v720/%d.m4s", firstMSN+2)), 503)
		want(t, <-a, 503)
		want(t, <-b, 503)
	})
}

func TestFetchedMediaIsForgottenBeyondTheCache(t *testing.T) {
	up := &fakeUpstream{}
	r := newRig(t, Config{FetchCache: 80_000}, up) // two segments of 36,000
	up.onFetch = func(_ context.Context, _ string, msn, _, _ uint64) ([]*store.Part, error) {
		return r.video.oldSegment(msn), nil
	}
	r.manySegments()
	for _, msn := range []uint64{0, 1, 2, 2, 1, 0} {
		want(t, r.get(at("v720/%d.m4s", firstMSN+msn)), 200)
	}
	r.edge.fetch.mu.Lock()
	kept := r.edge.fetch.bytes
	r.edge.fetch.mu.Unlock()
	if up.fetches != 4 || kept > 80_000 {
		t.Errorf("%d fetches, %d bytes kept", up.fetches, kept)
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=0-0,2-3", "bytes=--1", "bytes=99999999999999999999-", "x"} {
		f.Add(s, 1000)
	}
	f.Fuzz(func(t *testing.T, header string, size int) {
		size = max(size, 0) % (1 << 30)
		r, partial, ok := parseRange(header, size)
		if r.from < 0 || r.to > size || r.from > r.to {
			t.Fatalf("%q of %d: %+v", header, size, r)
		}
		if partial && ok && r.from == r.to {
			t.Fatalf("%q of %d: an empty range is satisfiable", header, size)
		}
		if !partial && (!ok || r != byteRange{0, size}) {
			t.Fatalf("%q of %d: %+v is not the whole", header, size, r)
		}
	})
}

// manySegments fills the window several times over with small parts.
func (r *rig) manySegments() {
	r.tb.Helper()
	r.video.size = 6_000
	r.video.parts(6 * 30)
}
