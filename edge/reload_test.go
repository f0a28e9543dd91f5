package edge

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	m3u8 "github.com/bluenviron/gohlslib/v2/pkg/playlist"

	"starling/internal/media"
)

// park starts a request and returns once it waits.
func (r *rig) park(path string) <-chan *httptest.ResponseRecorder {
	out := make(chan *httptest.ResponseRecorder, 1)
	go func() { out <- r.get(path) }()
	synctest.Wait()
	return out
}

func answered(ch <-chan *httptest.ResponseRecorder) bool {
	synctest.Wait()
	return len(ch) == 1
}

// Draft section 6.2.5.2: a request for the next part is answered when that part
// is there, and with it.
func TestBlockingReloadIsAnsweredByThePart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		defer r.edge.Close()
		r.video.parts(12 + 2)
		ch := r.park(at("v720/index.m3u8?_HLS_msn=%d&_HLS_part=2", firstMSN+2))
		part := r.video.begin()
		part.Write(r.video.bytes(part.ID())[:100])
		if answered(ch) {
			t.Fatal("answered before the part was complete")
		}
		part.Write(r.video.bytes(part.ID())[100:])
		r.video.track.Finish(part)
		if !answered(ch) {
			t.Fatal("not answered with the part")
		}
		w := <-ch
		want(t, w, 200)
		mustContain(t, w.Body.String(), fmt.Sprintf(`URI="%d.2.m4s"`, firstMSN+2))
		if cc := w.Header().Get("Cache-Control"); cc != "public, max-age=12" {
			t.Errorf("Cache-Control %q, want six target durations", cc)
		}
	})
}

func TestBlockingReloadForASegmentWaitsForAllOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		defer r.edge.Close()
		r.video.parts(12 + 2)
		ch := r.park(at("v720/index.m3u8?_HLS_msn=%d", firstMSN+2))
		r.video.parts(3)
		if answered(ch) {
			t.Fatal("answered by a part")
		}
		r.video.parts(1)
		mustContain(t, (<-ch).Body.String(), fmt.Sprintf("\n%d.m4s\n", firstMSN+2))
	})
}

func TestAHundredParkedViewersRenderOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		defer r.edge.Close()
		r.video.parts(18)
		var parked []<-chan *httptest.ResponseRecorder
		for range 100 {
			parked = append(parked, r.park(at("v720/index.m3u8?_HLS_msn=%d&_HLS_part=0", firstMSN+3)))
		}
		if n := r.edge.acct.parked.Load(); n != 100 {
			t.Fatalf("%d parked", n)
		}
		before := r.edge.acct.renders.Load()
		r.video.parts(1)
		first := ""
		for _, ch := range parked {
			w := <-ch
			want(t, w, 200)
			if first == "" {
				first = w.Body.String()
			}
			if w.Body.String() != first {
				t.Fatal("two viewers got different playlists")
			}
		}
		if n := r.edge.acct.renders.Load() - before; n != 1 {
			t.Errorf("rendered %d times", n)
		}
		if n := r.edge.acct.parked.Load(); n != 0 {
			t.Errorf("%d still parked", n)
		}
	})
}

// Draft section 6.2.5.2: 503 after three target durations.
func TestReloadThatIsNeverAnsweredGets503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		defer r.edge.Close()
		r.video.parts(12)
		start := time.Now()
		w := r.get(at("v720/index.m3u8?_HLS_msn=%d&_HLS_part=0", firstMSN+2))
		want(t, w, 503)
		if d := time.Since(start); d != 6*time.Second {
			t.Errorf("after %v, want three target durations", d)
		}
		if w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	})
}

func TestViewerThatGoesAwayEndsItsReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		defer r.edge.Close()
		r.video.parts(12)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.do(ctx, http.MethodGet, at("v720/index.m3u8?_HLS_msn=%d&_HLS_part=0", firstMSN+2))
		}()
		synctest.Wait()
		cancel()
		<-done
		if n := r.edge.requests.Load() + r.edge.acct.parked.Load(); n != 0 {
			t.Errorf("%d requests left", n)
		}
	})
}

func TestStoppingEdgeAnswersParkedReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		r.video.parts(12)
		ch := r.park(at("v720/index.m3u8?_HLS_msn=%d&_HLS_part=0", firstMSN+2))
		r.edge.Close()
		want(t, <-ch, 503)
	})
}

func TestEndOfStreamAnswersParkedReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, nil)
		defer r.edge.Close()
		r.video.parts(14)
		ch := r.park(at("v720/index.m3u8?_HLS_msn=%d&_HLS_part=2", firstMSN+2))
		info := *streamInfo()
		info.Ended = true
		r.dir.Put(&info)
		w := <-ch
		want(t, w, 200)
		mustContain(t, w.Body.String(), "#EXT-X-ENDLIST")
	})
}

func TestBadDirectivesGet400(t *testing.T) {
	r := newRig(t, Config{}, nil)
	r.video.parts(14)
	for _, q := range []string{
		"_HLS_part=1", "_HLS_msn=x", "_HLS_msn=-1", "_HLS_skip=maybe", "_HLS_msn=1&_HLS_part=1e9",
		fmt.Sprintf("_HLS_msn=%d", firstMSN+4), fmt.Sprintf("_HLS_msn=%d&_HLS_part=50", firstMSN+2), "_HLS_msn=4611686018427387903",
	} {
		w := r.get(at("v720/index.m3u8?%s", q))
		if w.Code != 400 || w.Body.Len() == 0 {
			t.Errorf("%s: %d %q", q, w.Code, w.Body)
		}
	}
}

func TestUnknownAddressesGet404AndSayWhatThereIs(t *testing.T) {
	r := newRig(t, Config{}, nil)
	r.video.parts(14)
	for path, says := range map[string]string{
		"/live/other/index.m3u8":          "live now: live/demo",
		at("v480/index.m3u8"):             "it has: v720, a128",
		at("nothing.txt"):                 "index.m3u8 and catalog.json",
		at("v720/init-9.mp4"):             "no initialization section 9",
		"/":                               "/APP/NAME/index.m3u8",
		"/watch/nope":                     "APP/NAME",
		"/assets/player.js":               "no such file",
		"/%2e%2e/etc/passwd":              "no such address",
		"/tracker":                        "no such address",
		"/feed/live/other":                "live now: live/demo",
		"/api/v1/streams":                 "no such address",
		at("v720/%d.9.m4s", firstMSN):     "no such media",
		at("v720/%d.0.m4s", firstMSN+9):   "not there yet",
		at("v720/%d.m4s", firstMSN+9):     "not there yet",
		"/live/demo/v720/index.m3u8/more": "no such address",
	} {
		w := r.get(path)
		if w.Code != 404 || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
		if w.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
}

func TestFirstReloadWaitsForTheFirstSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &fakeUpstream{}
		r := newRig(t, Config{}, up)
		defer r.edge.Close()
		ch := r.park(at("v720/index.m3u8"))
		r.video.parts(3)
		if answered(ch) {
			t.Fatal("answered without a segment, which players refuse")
		}
		r.video.parts(3)
		w := <-ch
		want(t, w, 200)
		if cc := w.Header().Get("Cache-Control"); cc != "public, max-age=0" {
			t.Errorf("Cache-Control %q", cc)
		}
		if n, _ := up.count("v720"); n != 1 {
			t.Errorf("acquired %d times", n)
		}
	})
}

func TestTrackThatUpstreamRefusesIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		up := &fakeUpstream{onAcquire: func(string) error { <-gate; return errFake }}
		r := newRig(t, Config{}, up)
		defer r.edge.Close()
		playlist, part := r.park(at("v720/index.m3u8")), r.park(at("v720/%d.0.m4s", firstMSN))
		close(gate)
		for _, ch := range []<-chan *httptest.ResponseRecorder{playlist, part} {
			w := <-ch
			want(t, w, 503)
			if strings.Contains(w.Body.String(), errFake.Error()) {
				t.Error("the answer tells viewers about the inside")
			}
		}
		up.onAcquire = nil
		r.video.parts(6)
		want(t, r.get(at("v720/index.m3u8")), 200)
		synctest.Wait()
		if n, _ := up.count("v720"); n != 1 {
			t.Errorf("not tried again: %d", n)
		}
	})
}

func TestGzipAndPlainPlaylistsAreTheSame(t *testing.T) {
	r := newRig(t, Config{}, nil)
	r.video.parts(20)
	for _, path := range []string{at("v720/index.m3u8"), at("v720/index.m3u8?_HLS_skip=YES"), at("index.m3u8"), at("catalog.json")} {
		plain, zipped := r.get(path), r.get(path, "Accept-Encoding", "br, gzip;q=0.5")
		if plain.Header().Get("Content-Encoding") != "" || zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Header().Get("Vary") != "Accept-Encoding" {
			t.Fatalf("%s: %v", path, zipped.Header())
		}
		z, err := gzip.NewReader(zipped.Body)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil || string(b) != plain.Body.String() {
			t.Errorf("%s: %v, %q", path, err, b)
		}
	}
	for header, zip := range map[string]bool{"": false, "gzip": true, "gzip;q=0": false, "deflate, br": false, "*": true, "identity": false, "gzip; q=0.1": true} {
		if got := r.get(at("index.m3u8"), "Accept-Encoding", header).Header().Get("Content-Encoding") == "gzip"; got != zip {
			t.Errorf("Accept-Encoding %q: gzip %v", header, got)
		}
	}
}

func TestRenditionReportsFollowTheOtherTracks(t *testing.T) {
	r := newRig(t, Config{}, nil)
	r.video.parts(14)
	// A track that this edge does not carry is where this one is.
	mustContain(t, r.get(at("v720/index.m3u8")).Body.String(), fmt.Sprintf(`URI="../a128/index.m3u8",LAST-MSN=%d,LAST-PART=1`, firstMSN+2))
	r.audio.parts(13)
	r.video.parts(1)
	mustContain(t, r.get(at("v720/index.m3u8")).Body.String(), fmt.Sprintf(`URI="../a128/index.m3u8",LAST-MSN=%d,LAST-PART=0`, firstMSN+2))
	mustContain(t, r.get(at("a128/index.m3u8")).Body.String(), fmt.Sprintf(`URI="../v720/index.m3u8",LAST-MSN=%d,LAST-PART=2`, firstMSN+2))
}

// What a playlist lists is there: every address of it is answered.
func TestEverythingListedIsServed(t *testing.T) {
	r := newRig(t, Config{}, nil)
	r.video.parts(6*20 + 3)
	w := r.get(at("v720/index.m3u8"))
	p, err := m3u8.Unmarshal(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	m := p.(*m3u8.Media)
	want(t, r.get(at("v720/%s", m.Map.URI)), 200)
	listed := 0
	check := func(uri string, bytes int) {
		listed++
		if w := r.get(at("v720/%s", uri)); w.Code != 200 || w.Body.Len() != bytes {
			t.Errorf("%s: %d with %d bytes, want %d", uri, w.Code, w.Body.Len(), bytes)
		}
	}
	for _, s := range m.Segments {
		check(s.URI, 6*r.video.size)
		for _, part := range s.Parts {
			check(part.URI, r.video.size)
		}
	}
	for _, part := range m.Parts {
		check(part.URI, r.video.size)
	}
	if listed < 13+18+3 {
		t.Errorf("only %d addresses", listed)
	}
	if _, ok := r.video.track.Snapshot().Part(media.PartID{MSN: uint64(m.MediaSequence) - 1}); !ok {
		t.Error("the segment that left the playlist has left the edge")
	}
}
