package relay

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"starling/internal/media"
	"starling/internal/pki"
	"starling/internal/relaywire"
	"starling/internal/store"
)

// patience bounds every wait of the tests; none is expected to take long.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	os.Setenv(quietEnv, "true")
	goleak.VerifyTestMain(m)
}

// cluster is one authority and an identity that all its nodes share.
type cluster struct {
	authority *pki.Authority
	id        *pki.Identity
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	a, err := pki.OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	id, err := a.Issue("node", []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{a, id}
}

func testLog(t testing.TB) *slog.Logger {
	if _, bench := t.(*testing.B); bench {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// start runs f until the test ends or the returned stop is called, which waits.
func start(t testing.TB, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// serve starts a server and gives its address.
func (c *cluster) serve(t testing.TB, cfg ServerConfig, dir *store.Directory) (s *Server, addr string, stop func()) {
	t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.TLS == nil {
		cfg.TLS = c.id.ServerTLS()
	}
	s, err := NewServer(cfg, dir, testLog(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	stop = start(t, s.Run)
	<-s.Listening()
	return s, s.Addr().String(), stop
}

// dial starts a client.
func (c *cluster) dial(t testing.TB, cfg ClientConfig, dir *store.Directory) *Client {
	t.Helper()
	if cfg.TLS == nil {
		cfg.TLS = c.id.ClientTLS()
	}
	cl, err := NewClient(cfg, dir, testLog(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	start(t, cl.Run)
	return cl
}

// edge starts a node between others.
func (c *cluster) edge(t testing.TB, name, upstream string, dir *store.Directory) (*Client, string) {
	cl := c.dial(t, ClientConfig{Upstreams: []string{upstream}, Node: name}, dir)
	_, addr, _ := c.serve(t, ServerConfig{Node: name, Upstream: cl}, dir)
	return cl, addr
}

const testStream media.StreamID = "live/demo"

// publisher makes signed parts of a stream with a video and an audio track.
type publisher struct {
	key  ed25519.PrivateKey
	info *media.StreamInfo
	pdt  time.Time
}

func newPublisher() *publisher {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	inits := []media.Init{{ID: 1, Data: []byte("moov")}}
	return &publisher{key: key, pdt: time.Now(), info: &media.StreamInfo{ID: testStream, Revision: 1, Key: pub, SegmentMS: 2000, TargetMS: 2000, PartMS: 334,
		Tracks: []media.TrackInfo{
			{Number: 1, Name: "v720", Kind: media.Video, Codec: "avc1.64001f", Slices: 6, Inits: inits},
			{Number: 2, Name: "a128", Kind: media.Audio, Codec: "mp4a.40.2", Slices: 1, Inits: inits},
		}}}
}

// partsPerSegment is how many parts the test segments have.
const partsPerSegment = 4

// payload is pseudo-random but a function of the part alone.
func payload(track string, id media.PartID, size int) []byte {
	b := make([]byte, size)
	x := id.MSN*7919 + id.Index*104729 + uint64(track[0]) + 1
	for i := range b {
		x = x*6364136223846793005 + 1442695040888963407
		b[i] = byte(x >> 56)
	}
	return b
}

// part makes part id of a track; the fourth of a segment is its last.
func (p *publisher) part(track string, id media.PartID, size int) *store.Part {
	h, raw, b := p.signed(track, id, size)
	return store.CompletePart(h, raw, b)
}

func (p *publisher) signed(track string, id media.PartID, size int) (*media.Header, []byte, []byte) {
	t, _ := p.info.Track(track)
	b := payload(track, id, size)
	cs := media.ChunkSize(size, t.Slices)
	h := &media.Header{Stream: p.info.ID, Track: t.Number, ID: id, Init: 1, PDT: p.pdt, Duration: 333 * time.Millisecond, Size: size, ChunkSize: cs, Hashes: media.HashChunks(b, cs)}
	if id.Index == 0 {
		h.Flags |= media.FlagIndependent
	}
	if id.Index == partsPerSegment-1 {
		h.Flags |= media.FlagLast
	}
	return h, h.Sign(p.key), b
}

// originDir is a directory that holds p's catalog.
func (p *publisher) originDir() *store.Directory {
	dir := &store.Directory{Segments: 64}
	dir.Put(p.info)
	return dir
}

// publish adds the parts of segments [from, to) to a track.
func (p *publisher) publish(t testing.TB, dir *store.Directory, track string, from, to uint64, size int) {
	t.Helper()
	tr := trackOf(t, dir, track)
	for msn := from; msn < to; msn++ {
		for i := range uint64(partsPerSegment) {
			if err := tr.Add(p.part(track, media.PartID{MSN: msn, Index: i}, size)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func trackOf(t testing.TB, dir *store.Directory, track string) *store.Track {
	t.Helper()
	st, ok := dir.Get(testStream)
	if !ok {
		t.Fatalf("no stream %s", testStream)
	}
	tr, ok := st.Track(track)
	if !ok {
		t.Fatalf("no track %s", track)
	}
	return tr
}

// awaitStream waits until dir holds the stream.
func awaitStream(t testing.TB, dir *store.Directory) *store.Stream {
	t.Helper()
	ctx := timeout(t)
	for {
		changed := dir.Changed()
		if st, ok := dir.Get(testStream); ok {
			return st
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatal("the stream was not announced")
		}
	}
}

// acquire waits for the stream and takes a track of it until the test ends.
func acquire(t testing.TB, cl *Client, dir *store.Directory, track string) *store.Track {
	t.Helper()
	awaitStream(t, dir)
	release, err := cl.Acquire(timeout(t), testStream, track)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return trackOf(t, dir, track)
}

// nextPart waits for the part after the given one and for all of its bytes.
func nextPart(t testing.TB, tr *store.Track, after media.PartID) *store.Part {
	t.Helper()
	ctx := timeout(t)
	p, err := tr.Next(ctx, after)
	if err != nil {
		t.Fatalf("part after %s: %v", after, err)
	}
	for have := 0; have < p.Header.Size; {
		b, err := p.Wait(ctx, have)
		if err != nil {
			t.Fatalf("part %s at %d of %d bytes: %v", p.ID(), have, p.Header.Size, err)
		}
		have = len(b)
	}
	return p
}

// expectParts follows a track and checks that the parts of segments [from, to)
// come in order, whole, and once.
func expectParts(t testing.TB, tr *store.Track, track string, from, to uint64) {
	t.Helper()
	at := before(media.PartID{MSN: from})
	for msn := from; msn < to; msn++ {
		for i := range uint64(partsPerSegment) {
			p := nextPart(t, tr, at)
			if want := (media.PartID{MSN: msn, Index: i}); p.ID() != want {
				t.Fatalf("%s: part %s where %s is next", track, p.ID(), want)
			}
			if string(p.Bytes()) != string(payload(track, p.ID(), p.Header.Size)) {
				t.Fatalf("%s: part %s has other bytes", track, p.ID())
			}
			at = p.ID()
		}
	}
}

// freeAddr gives a UDP address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}

var lastOfSegment = uint64(relaywire.MaxVarint)

// value reads the one counter or gauge of a collector.
func value(c prometheus.Collector) float64 {
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil || len(families) == 0 {
		return 0
	}
	m := families[0].GetMetric()[0]
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}
