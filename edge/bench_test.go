package edge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"starling/internal/hls"
)

// BenchmarkParkedReload is what one part costs for each viewer that waits for
// it, sockets aside: parse, park, wake, and write of the shared playlist.
//
//	go test ./edge -bench ParkedReload -benchmem
func BenchmarkParkedReload(b *testing.B) {
	for _, viewers := range []int{100, 10_000} {
		b.Run(fmt.Sprint(viewers), func(b *testing.B) {
			r := newRig(b, Config{}, nil)
			r.video.size = 100
			r.video.parts(18)
			handler := r.edge.Handler()
			b.ReportAllocs()
			for b.Loop() {
				next := r.video.next
				url := at("v720/index.m3u8?_HLS_msn=%d&_HLS_part=%d", next.MSN, next.Index)
				var wg sync.WaitGroup
				for range viewers {
					wg.Go(func() {
						w := nullWriter{header: http.Header{}}
						handler.ServeHTTP(&w, httptest.NewRequest(http.MethodGet, url, nil))
						if w.status != 200 {
							b.Errorf("status %d", w.status)
						}
					})
				}
				for r.edge.acct.parked.Load() < int64(viewers) {
					runtime.Gosched()
				}
				r.video.parts(1)
				wg.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*viewers), "ns/viewer")
		})
	}
}

// BenchmarkWake is the park and wake alone: the decision, the wait for the
// snapshot and the shared bytes, without net/http.
func BenchmarkWake(b *testing.B) {
	const viewers = 10_000
	r := newRig(b, Config{}, nil)
	r.video.size = 100
	r.video.parts(18)
	window, _ := mustStream(r).Track("v720")
	v := r.edge.views.use(mustStream(r), window)
	defer v.done()
	b.ReportAllocs()
	for b.Loop() {
		q := hls.Query{HasMSN: true, MSN: r.video.next.MSN, HasPart: true, Part: r.video.next.Index}
		var ready, done sync.WaitGroup
		ready.Add(viewers)
		for range viewers {
			done.Go(func() {
				now := v.now()
				ready.Done()
				for now.timeline.Decide(q) != hls.Ready {
					<-now.snap.Changed
					now = v.now()
				}
				if len(now.bytes(false, true)) == 0 {
					b.Error("no playlist")
				}
			})
		}
		ready.Wait()
		r.video.parts(1)
		done.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*viewers), "ns/viewer")
}

// BenchmarkRenderVersion is what a part costs the edge once: the timeline, the
// playlist in both forms, and gzip.
func BenchmarkRenderVersion(b *testing.B) {
	r := newRig(b, Config{}, nil)
	r.video.size = 100
	r.video.parts(6*16 + 3)
	window, _ := mustStream(r).Track("v720")
	v := r.edge.views.use(mustStream(r), window)
	defer v.done()
	b.ReportAllocs()
	for b.Loop() {
		v.current.Store(nil)
		now := v.now()
		now.bytes(false, true)
		now.bytes(true, true)
	}
}

// BenchmarkServePart is a whole part without sockets.
func BenchmarkServePart(b *testing.B) {
	r := newRig(b, Config{}, nil)
	r.video.parts(12)
	handler := r.edge.Handler()
	url := at("v720/%d.1.m4s", firstMSN+1)
	b.ReportAllocs()
	for b.Loop() {
		w := nullWriter{header: http.Header{}}
		handler.ServeHTTP(&w, httptest.NewRequest(http.MethodGet, url, nil))
		if w.n != r.video.size {
			b.Fatalf("%d bytes", w.n)
		}
	}
	b.SetBytes(int64(r.video.size))
}

// nullWriter is a client that takes everything at once.
type nullWriter struct {
	header http.Header
	status int
	n      int
}

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) WriteHeader(status int)      { w.status = status }
func (w *nullWriter) Write(b []byte) (int, error) { w.n += len(b); return len(b), nil }
