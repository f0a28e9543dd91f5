package hls

import (
	"crypto/ed25519"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"

	"starling/internal/media"
	"starling/internal/store"
)

var update = flag.Bool("update", false, "rewrite the golden playlists")

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func demoInfo() *media.StreamInfo {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	return &media.StreamInfo{
		ID: "live/demo", Revision: 1, Key: key.Public().(ed25519.PublicKey), SegmentMS: 2000, TargetMS: 2000, PartMS: 334,
		Tracks: []media.TrackInfo{
			{Number: 1, Name: "v720", Kind: media.Video, Codec: "avc1.64001f", Bitrate: 2_500_000, PeakBitrate: 3_000_000, Width: 1280, Height: 720, FrameRate: 30},
			{Number: 2, Name: "v240", Kind: media.Video, Codec: "avc1.64000d", Bitrate: 400_000, PeakBitrate: 500_000, Width: 426, Height: 240, FrameRate: 29.97},
			{Number: 3, Name: "a128", Kind: media.Audio, Codec: "mp4a.40.2", Bitrate: 128_000, PeakBitrate: 130_000, SampleRate: 48000, Channels: 2},
		},
	}
}

// feeder adds parts to a track as a packager does.
type feeder struct {
	t     *testing.T
	track *store.Track
	msn   uint64
	disc  uint64
	init  uint64
	clock time.Time
}

func newFeeder(t *testing.T, msn uint64) *feeder {
	return &feeder{t: t, track: store.NewTrack("v720", 16), msn: msn, init: 1, clock: epoch}
}

func (f *feeder) part(index uint64, flags media.Flag) {
	f.t.Helper()
	if index == 0 {
		flags |= media.FlagIndependent
	}
	h := &media.Header{Stream: "live/demo", ID: media.PartID{MSN: f.msn, Index: index}, Flags: flags, Discontinuity: f.disc, Init: f.init,
		PDT: f.clock, Duration: 333_333 * time.Microsecond, ChunkSize: media.MaxChunkSize, Size: 4}
	payload := []byte("part")
	if flags.Has(media.FlagGap) {
		h.Size, payload = 0, nil
	}
	if err := f.track.Add(store.CompletePart(h, nil, payload)); err != nil {
		f.t.Fatal(err)
	}
	f.clock = f.clock.Add(h.Duration)
}

// segment adds a whole segment of six parts; flags apply to its first one.
func (f *feeder) segment(flags media.Flag) {
	f.t.Helper()
	for i := range uint64(6) {
		g := media.Flag(0)
		if i == 0 {
			g = flags
		}
		if i == 5 {
			g |= media.FlagLast
		}
		f.part(i, g)
	}
	f.msn++
}

func (f *feeder) segments(n int) {
	for range n {
		f.segment(0)
	}
}

func (f *feeder) timeline() *Timeline {
	return NewTimeline(demoInfo(), f.track.Snapshot(), store.DefaultSegments)
}

// parse reads a playlist with gohlslib.
func parse(t *testing.T, b []byte) *playlist.Media {
	t.Helper()
	p, err := playlist.Unmarshal(b)
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	m, ok := p.(*playlist.Media)
	if !ok {
		t.Fatalf("parsed as %T", p)
	}
	return m
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs:\n%s", name, got)
	}
}

// finish ends a segment that has its first part by a second and last one.
func (f *feeder) finish() {
	f.t.Helper()
	f.part(1, media.FlagLast)
	f.msn++
}
