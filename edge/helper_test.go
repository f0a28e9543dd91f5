package edge

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"starling/internal/media"
	"starling/internal/relay"
	"starling/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	streamKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	epoch     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

const firstMSN = 895_000_000

func streamInfo() *media.StreamInfo {
	return &media.StreamInfo{
		ID: "live/demo", Revision: 1, Key: streamKey.Public().(ed25519.PublicKey), SegmentMS: 2000, TargetMS: 2000, PartMS: 334, StartedAtMS: epoch.UnixMilli(),
		Tracks: []media.TrackInfo{
			{Number: 1, Name: "v720", Kind: media.Video, Codec: "avc1.64001f", Bitrate: 1_500_000, Slices: 3, Width: 1280, Height: 720, FrameRate: 30, Inits: []media.Init{{ID: 1, Data: []byte("init of v720")}}},
			{Number: 2, Name: "a128", Kind: media.Audio, Codec: "mp4a.40.2", Bitrate: 128_000, Slices: 1, SampleRate: 48000, Channels: 2, Inits: []media.Init{{ID: 1, Data: []byte("init of a128")}}},
		},
	}
}

// publisher adds parts to one track of a stream, six to a segment.
type publisher struct {
	tb    testing.TB
	info  *media.StreamInfo
	track *store.Track
	num   uint8
	size  int
	next  media.PartID
	clock time.Time
}

// payload is the content of a part: different for every part, and every byte
// position can be told from its neighbours.
func payload(track uint8, id media.PartID, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(uint64(i)*7 + uint64(i>>8)*3 + id.MSN*11 + id.Index*5 + uint64(track))
	}
	return b
}

func (p *publisher) header() *media.Header {
	h := &media.Header{Stream: p.info.ID, Track: p.num, ID: p.next, Init: 1, PDT: p.clock, Duration: 333_333 * time.Microsecond, Size: p.size}
	slices := 1
	if t, ok := p.info.TrackByNumber(p.num); ok {
		slices = t.Slices
	}
	h.ChunkSize = media.ChunkSize(p.size, slices)
	h.Hashes = media.HashChunks(payload(p.num, p.next, p.size), h.ChunkSize)
	if p.next.Index == 0 {
		h.Flags |= media.FlagIndependent
	}
	if p.next.Index == 5 {
		h.Flags |= media.FlagLast
	}
	return h
}

// begin starts the next part without its bytes.
func (p *publisher) begin() *store.Part {
	p.tb.Helper()
	h := p.header()
	part := store.NewPart(h, h.Sign(streamKey))
	if err := p.track.Begin(part); err != nil {
		p.tb.Fatal(err)
	}
	p.clock = p.clock.Add(h.Duration)
	if p.next.Index++; h.Flags.Has(media.FlagLast) {
		p.next = media.PartID{MSN: p.next.MSN + 1}
	}
	return part
}

// bytes gives the content of a part.
func (p *publisher) bytes(id media.PartID) []byte { return payload(p.num, id, p.size) }

func (p *publisher) parts(n int) {
	p.tb.Helper()
	for range n {
		part := p.begin()
		if _, err := part.Write(p.bytes(part.ID())); err != nil {
			p.tb.Fatal(err)
		}
		p.track.Finish(part)
	}
}

// rig is an edge over a stream with two tracks.
type rig struct {
	tb    testing.TB
	dir   *store.Directory
	edge  *Server
	http  *httptest.Server
	video *publisher
	audio *publisher
}

func newRig(tb testing.TB, cfg Config, up Upstream) *rig {
	tb.Helper()
	r := &rig{tb: tb, dir: &store.Directory{}}
	info := streamInfo()
	st := r.dir.Put(info)
	v, _ := st.Track("v720")
	a, _ := st.Track("a128")
	r.video = &publisher{tb: tb, info: info, track: v, num: 1, size: 60_000, next: media.PartID{MSN: firstMSN}, clock: epoch}
	r.audio = &publisher{tb: tb, info: info, track: a, num: 2, size: 5_000, next: media.PartID{MSN: firstMSN}, clock: epoch}
	var err error
	r.edge, err = New(cfg, r.dir, up, slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.edge.Close)
	return r
}

// listen starts a real listener.
func (r *rig) listen() *rig {
	r.http = httptest.NewServer(r.edge.Handler())
	r.tb.Cleanup(r.http.Close)
	return r
}

// get asks the handler directly.
func (r *rig) get(path string, header ...string) *httptest.ResponseRecorder {
	return r.do(context.Background(), http.MethodGet, path, header...)
}

func (r *rig) do(ctx context.Context, method, path string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(ctx, method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.edge.Handler().ServeHTTP(w, req)
	return w
}

func want(tb testing.TB, w *httptest.ResponseRecorder, status int) {
	tb.Helper()
	if w.Code != status {
		tb.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
}

func mustContain(tb testing.TB, s, part string) {
	tb.Helper()
	if !strings.Contains(s, part) {
		tb.Fatalf("no %q in\n%s", part, s)
	}
}

// fakeUpstream fills tracks when asked and answers fetches from a function.
type fakeUpstream struct {
	mu       sync.Mutex
	acquired map[string]int
	released map[string]int
	fetches  int

	onAcquire func(track string) error
	onFetch   func(ctx context.Context, track string, msn, first, last uint64) ([]*store.Part, error)
}

var errFake = errors.New("upstream says no")

func (u *fakeUpstream) Acquire(_ context.Context, _ media.StreamID, track string) (func(), error) {
	if u.onAcquire != nil {
		if err := u.onAcquire(track); err != nil {
			return nil, err
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.acquired == nil {
		u.acquired, u.released = map[string]int{}, map[string]int{}
	}
	u.acquired[track]++
	return sync.OnceFunc(func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.released[track]++
	}), nil
}

func (u *fakeUpstream) count(track string) (acquired, released int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.acquired[track], u.released[track]
}

func (u *fakeUpstream) Fetch(ctx context.Context, _ media.StreamID, track string, msn, first, last uint64) ([]*store.Part, error) {
	u.mu.Lock()
	u.fetches++
	u.mu.Unlock()
	if u.onFetch == nil {
		return nil, fmt.Errorf("fetching: %w", relay.ErrGone)
	}
	return u.onFetch(ctx, track, msn, first, last)
}

// oldSegment makes what an upstream gives for a segment.
func (p *publisher) oldSegment(msn uint64) []*store.Part {
	q := *p
	q.next, q.track = media.PartID{MSN: msn}, store.NewTrack("old", 2)
	var out []*store.Part
	for range 6 {
		part := q.begin()
		if _, err := part.Write(q.bytes(part.ID())); err != nil {
			p.tb.Fatal(err)
		}
		q.track.Finish(part)
		out = append(out, part)
	}
	return out
}

func at(format string, args ...any) string { return "/live/demo/" + fmt.Sprintf(format, args...) }

func mustStream(r *rig) *store.Stream {
	st, ok := r.dir.Get("live/demo")
	if !ok {
		r.tb.Fatal("no stream")
	}
	return st
}
