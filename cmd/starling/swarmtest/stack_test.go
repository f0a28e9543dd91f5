// Package swarmtest runs whole swarms in one process: a real edge and tracker
// on loopback, headless peers with real data channels, and a broadcast made of
// random bytes, so that no encoder is needed.
package swarmtest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"starling/edge"
	"starling/internal/media"
	"starling/internal/peer"
	"starling/internal/store"
	"starling/internal/telemetry"
	"starling/tracker"
)

const (
	partDuration  = 250 * time.Millisecond
	segmentParts  = 4
	streamID      = media.StreamID("live/test")
	videoBitrate  = 1_000_000
	audioBitrate  = 96_000
	videoNumber   = 1
	audioNumber   = 2
	firstSegments = 3 // there before anybody comes
)

// stack is one broadcast with an edge and a tracker.
type stack struct {
	t       *testing.T
	dir     *store.Directory
	edge    *edge.Server
	tracker *tracker.Tracker
	host    *peer.Host
	key     ed25519.PrivateKey
	base    string

	stopTracker func()

	mu   sync.Mutex
	sums map[string][sha256.Size]byte // of every part that was published
}

// start runs the stack until the test ends, and checks that nothing is left.
func start(t *testing.T) *stack {
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, dir: &store.Directory{}, key: key, sums: map[string][sha256.Size]byte{}}
	s.dir.Put(&media.StreamInfo{ID: streamID, Revision: 1, Key: key.Public().(ed25519.PublicKey), StartedAtMS: time.Now().UnixMilli(),
		SegmentMS: int(segmentParts * partDuration / time.Millisecond), TargetMS: 1000, PartMS: int(partDuration / time.Millisecond),
		Tracks: []media.TrackInfo{
			{Number: videoNumber, Name: "v480", Kind: media.Video, Codec: "avc1.64001f", Bitrate: videoBitrate, PeakBitrate: videoBitrate, Slices: media.SliceCount(media.Video, videoBitrate), Inits: []media.Init{{ID: 1, Data: []byte("init")}}},
			{Number: audioNumber, Name: "a96", Kind: media.Audio, Codec: "mp4a.40.2", Bitrate: audioBitrate, PeakBitrate: audioBitrate, Slices: 1, Inits: []media.Init{{ID: 1, Data: []byte("init")}}},
		}})
	log := logger()
	if s.tracker, err = tracker.New(tracker.Config{Beacon: 500 * time.Millisecond}, tracker.Directory(s.dir), log, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	if s.edge, err = edge.New(edge.Config{Addr: "127.0.0.1:0", TLSAddr: edge.Off, Tracker: s.tracker.Handler()}, s.dir, nil, log, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	if s.host, err = peer.NewHost(peer.HostConfig{Loopback: true, UDPAddr: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	run := func(what string, ctx context.Context, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	published := make(chan struct{})
	run("publisher", ctx, func(ctx context.Context) error { s.publish(ctx, published); return nil })
	trackerCtx, stopTracker := context.WithCancel(ctx)
	s.stopTracker = stopTracker
	run("tracker", trackerCtx, s.tracker.Run)
	run("edge", ctx, s.edge.Run)
	t.Cleanup(func() { cancel(); wg.Wait(); s.host.Close() })
	<-published
	<-s.edge.Listening()
	s.base = "http://" + s.edge.Addr().String()
	return s
}

func logger() *slog.Logger {
	level := slog.LevelError
	if os.Getenv("STARLING_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// publish adds a part to both tracks every partDuration. The first segments
// are there at once, as of a broadcast that has been on for a while.
func (s *stack) publish(ctx context.Context, published chan<- struct{}) {
	begin := time.Now()
	msn := uint64(begin.Unix())
	pdt := begin.Add(-firstSegments * segmentParts * partDuration)
	tick := time.NewTicker(partDuration)
	defer tick.Stop()
	for n := uint64(0); ; n++ {
		if n >= firstSegments*segmentParts {
			if published != nil {
				close(published)
				published = nil
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		id := media.PartID{MSN: msn + n/segmentParts, Index: n % segmentParts}
		s.add("v480", videoNumber, id, pdt, videoBitrate)
		s.add("a96", audioNumber, id, pdt, audioBitrate)
		pdt = pdt.Add(partDuration)
	}
}

func (s *stack) add(name string, number uint8, id media.PartID, pdt time.Time, bitrate int) {
	st, _ := s.dir.Get(streamID)
	info, _ := st.Info().Track(name)
	data := make([]byte, bitrate/8*int(partDuration/time.Millisecond)/1000)
	rand.Read(data)
	flags := media.FlagIndependent
	if id.Index == segmentParts-1 {
		flags |= media.FlagLast
	}
	h := &media.Header{Flags: flags, Stream: streamID, Track: number, ID: id, Init: 1, PDT: pdt.UTC().Truncate(time.Microsecond), Duration: partDuration,
		Size: len(data), ChunkSize: media.ChunkSize(len(data), info.Slices)}
	h.Hashes = media.HashChunks(data, h.ChunkSize)
	s.mu.Lock()
	s.sums[name+" "+id.String()] = sha256.Sum256(data)
	s.mu.Unlock()
	tr, _ := st.Track(name)
	if err := tr.Add(store.CompletePart(h, h.Sign(s.key), data)); err != nil {
		s.t.Error(err)
	}
}

// viewer is a running peer whose parts are checked byte for byte.
type viewer struct {
	*peer.Peer
	name    string
	stop    func()
	changed chan struct{}
}

// join starts a peer. It is stopped at the end of the test at the latest.
func (s *stack) join(name string, edit func(*peer.Config)) *viewer {
	v := &viewer{name: name, changed: make(chan struct{}, 1)}
	cfg := peer.Config{URL: s.base + "/watch/" + string(streamID), Host: s.host, Uplink: 20_000_000, Log: logger().With("viewer", name),
		OnPart: func(r peer.PartReport) { v.part(s, r) }}
	if edit != nil {
		edit(&cfg)
	}
	p, err := peer.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	v.Peer = p
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			s.t.Errorf("%s: %v", name, err)
		}
	}()
	v.stop = sync.OnceFunc(func() { cancel(); <-done })
	s.t.Cleanup(v.stop)
	return v
}

func (v *viewer) part(s *stack, r peer.PartReport) {
	s.mu.Lock()
	want, ok := s.sums[r.Track+" "+r.ID.String()]
	s.mu.Unlock()
	if sum := sha256.Sum256(r.Data); !ok || !bytes.Equal(sum[:], want[:]) {
		s.t.Errorf("%s: %s %s was delivered with other bytes than were published", v.name, r.Track, r.ID)
	}
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

// until waits for a condition on a viewer that parts bring about.
func (v *viewer) until(t *testing.T, what string, limit time.Duration, ok func(peer.Stats) bool) peer.Stats {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		if st := v.Stats(); ok(st) {
			return st
		}
		select {
		case <-v.changed:
		case <-deadline.C:
			t.Fatalf("%s: not %s within %s: %+v", v.name, what, limit, v.Stats())
		}
	}
}

// edgeBytes is the media that has left the edge.
func (s *stack) edgeBytes() uint64 {
	var st telemetry.EdgeStats
	for _, e := range s.edge.Stats() {
		if e.Stream == streamID {
			st = e
		}
	}
	return st.MediaBytes + st.FeedBytes
}

func name(i int) string { return fmt.Sprintf("viewer %d", i) }
