package hls

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"

	"starling/internal/media"
)

var reports = []Report{{"v240", media.PartID{MSN: 895_000_009, Index: 2}}, {"a128", media.PartID{MSN: 895_000_009, Index: 1}}}

func liveTimeline(t *testing.T) *Timeline {
	f := newFeeder(t, 895_000_000)
	f.segments(9)
	f.part(0, 0)
	f.part(1, 0)
	f.part(2, 0)
	return f.timeline()
}

func TestGoldenPlaylists(t *testing.T) {
	tl := liveTimeline(t)
	golden(t, "live.m3u8", tl.Append(nil, reports, false))
	golden(t, "delta.m3u8", tl.Append(nil, reports, true))
	golden(t, "multivariant.m3u8", RenderMultivariant(demoInfo()))

	f := newFeeder(t, 7)
	f.segments(2)
	f.disc, f.init = 1, 2
	f.segment(media.FlagDiscontinuity)
	f.msn += 2 // two segments never came
	f.clock = f.clock.Add(4 * time.Second)
	f.segment(0)
	f.part(0, 0)
	f.part(1, media.FlagGap)
	f.part(2, media.FlagLast)
	golden(t, "breaks.m3u8", f.timeline().Append(nil, nil, false))
	f.track.End()
	golden(t, "ended.m3u8", f.timeline().Append(nil, nil, false))
}

func TestLivePlaylistByAnotherParser(t *testing.T) {
	m := parse(t, liveTimeline(t).Append(nil, reports, false))
	if m.Version != 9 || m.TargetDuration != 2 || m.MediaSequence != 895_000_000 || m.Endlist {
		t.Errorf("head %+v", m)
	}
	if sc := m.ServerControl; !sc.CanBlockReload || *sc.PartHoldBack != 3*334*time.Millisecond || *sc.CanSkipUntil != 12*time.Second {
		t.Errorf("server control %+v", sc)
	}
	if len(m.Segments) != 9 || len(m.Parts) != 3 || m.Map.URI != "init-1.mp4" {
		t.Fatalf("%d segments, %d parts, map %+v", len(m.Segments), len(m.Parts), m.Map)
	}
	for i, s := range m.Segments {
		want := epoch.Add(time.Duration(i) * 6 * 333_333 * time.Microsecond)
		if s.DateTime == nil || s.DateTime.Sub(want).Abs() > time.Millisecond {
			t.Errorf("segment %d starts at %v, want %v", i, s.DateTime, want)
		}
		if math.Round(s.Duration.Seconds()) > float64(m.TargetDuration) {
			t.Errorf("segment %d is longer than the target", i)
		}
		// Draft section 6.2.2: parts for three target durations from the end.
		if got, want := len(s.Parts) > 0, i >= 6; got != want {
			t.Errorf("segment %d has parts: %v", i, got)
		}
		for j, p := range s.Parts {
			if p.Independent != (j == 0) || p.Duration > 334*time.Millisecond {
				t.Errorf("part %d of segment %d: %+v", j, i, p)
			}
		}
	}
	if m.PreloadHint.URI != "895000009.3.m4s" {
		t.Errorf("hint %q", m.PreloadHint.URI)
	}
	if r := m.RenditionReport; len(r) != 2 || r[1].URI != "../a128/index.m3u8" || r[1].LastMSN != 895_000_009 || *r[1].LastPart != 1 {
		t.Errorf("reports %+v", r)
	}
}

func TestHintAfterACompleteSegmentIsTheNextOnesFirstPart(t *testing.T) {
	f := newFeeder(t, 10)
	f.segments(2)
	if m := parse(t, f.timeline().Append(nil, nil, false)); m.PreloadHint.URI != "12.0.m4s" {
		t.Errorf("hint %q", m.PreloadHint.URI)
	}
}

// Draft section 6.2.5.1: what is skipped is all beyond the skip boundary, and
// putting it back gives the full playlist.
func TestDeltaUpdateSkipsOnlyBeyondTheBoundaryAndMerges(t *testing.T) {
	f := newFeeder(t, 100)
	skips := 0
	for range 40 {
		f.segment(0)
		tl := f.timeline()
		full, delta := parse(t, tl.Append(nil, nil, false)), parse(t, tl.Append(nil, nil, true))
		if delta.Skip == nil {
			if len(delta.Segments) != len(full.Segments) {
				t.Fatal("segments are missing without a skip tag")
			}
			continue
		}
		skips++
		n := delta.Skip.SkippedSegments
		if n+len(delta.Segments) != len(full.Segments) || delta.MediaSequence != full.MediaSequence {
			t.Fatalf("%d skipped and %d left of %d", n, len(delta.Segments), len(full.Segments))
		}
		var left time.Duration
		for i, s := range delta.Segments {
			left += s.Duration
			if s.URI != full.Segments[n+i].URI {
				t.Fatalf("segment %q where the full playlist has %q", s.URI, full.Segments[n+i].URI)
			}
		}
		if left < 12*time.Second-10*time.Microsecond || left >= 14*time.Second+10*time.Microsecond {
			t.Fatalf("%v is left, the boundary is 12s", left)
		}
	}
	if skips < 30 {
		t.Fatalf("%d delta updates", skips)
	}
	f.track.End()
	if d := parse(t, f.timeline().Append(nil, nil, true)); d.Skip != nil {
		t.Error("an ended playlist must not be a delta update")
	}
}

// Draft section 6.2.1: between versions a playlist only loses lines at its
// front and its parts, and gains lines at its end.
func TestSuccessivePlaylistsOnlyAppendAndRemoveInOrder(t *testing.T) {
	f := newFeeder(t, 50)
	var before []string
	seq := 0
	for i := range 45 {
		if i%7 == 3 {
			f.disc++
			f.init++
			f.segment(media.FlagDiscontinuity)
		} else {
			if i%11 == 5 {
				f.msn += 2
			}
			f.segment(0)
		}
		f.part(0, 0)
		m := parse(t, f.timeline().Append(nil, nil, false))
		var now []string
		for _, s := range m.Segments {
			now = append(now, s.URI)
		}
		if m.MediaSequence < seq {
			t.Fatal("the media sequence number fell")
		}
		if before != nil {
			kept := before[min(m.MediaSequence-seq, len(before)):]
			if len(kept) > len(now) || strings.Join(kept, " ") != strings.Join(now[:len(kept)], " ") {
				t.Fatalf("step %d: %v became %v", i, before, now)
			}
		}
		before, seq = now, m.MediaSequence
		f.finish()
	}
}

func TestDiscontinuityNumberOfEverySegmentStaysTheSame(t *testing.T) {
	f := newFeeder(t, 1)
	numbers := map[string]int{}
	for i := range 60 {
		if i%4 == 0 {
			f.disc++
			f.segment(media.FlagDiscontinuity)
		} else {
			f.segment(0)
		}
		m := parse(t, f.timeline().Append(nil, nil, false))
		n := *m.DiscontinuitySequence
		for _, s := range m.Segments {
			if s.Discontinuity {
				n++
			}
			if old, seen := numbers[s.URI]; seen && old != n {
				t.Fatalf("%s was in discontinuity %d and is now in %d", s.URI, old, n)
			}
			numbers[s.URI] = n
		}
	}
}

func TestSegmentsLeaveThePlaylistBeforeTheWindow(t *testing.T) {
	f := newFeeder(t, 1)
	for range 60 {
		f.segment(0)
		f.part(0, 0)
		tl := f.timeline()
		if first := tl.Entries[0].MSN; first > 1 {
			if _, ok := f.track.Snapshot().Segment(first - 1); !ok {
				t.Fatalf("segment %d left the playlist and the window at once", first-1)
			}
		}
		if m := parse(t, tl.Append(nil, nil, false)); len(m.Segments) > 3 && m.Segments[0].Duration*time.Duration(len(m.Segments)) < 6*time.Second {
			t.Fatal("less than three target durations")
		}
		f.finish()
	}
}

func TestLongHoleStartsThePlaylistAnew(t *testing.T) {
	f := newFeeder(t, 10)
	f.segments(5)
	f.msn = 5000
	f.disc++
	f.part(0, media.FlagDiscontinuity)
	tl := f.timeline()
	if last, _ := tl.Last(); last.MSN != 14 || tl.Growing != nil {
		t.Fatalf("last %v: the old segments stay until the new one is complete", last)
	}
	f.finish()
	f.segments(1)
	m := parse(t, f.timeline().Append(nil, nil, false))
	if m.MediaSequence != 5000 || len(m.Segments) != 2 || *m.DiscontinuitySequence != 1 || m.Segments[0].Discontinuity {
		t.Fatalf("%+v", m)
	}
}

func TestSegmentWithoutItsBeginningIsNotListed(t *testing.T) {
	f := newFeeder(t, 10)
	f.part(3, 0)
	f.part(4, media.FlagLast)
	if tl := f.timeline(); tl.Listable() {
		t.Fatalf("%+v", tl.Entries)
	}
	f.msn++
	f.segments(2)
	if tl := f.timeline(); tl.Entries[0].MSN != 11 || len(tl.Entries) != 2 {
		t.Fatalf("%+v", tl.Entries)
	}
}

func TestMultivariantByAnotherParser(t *testing.T) {
	p, err := playlist.Unmarshal(RenderMultivariant(demoInfo()))
	if err != nil {
		t.Fatal(err)
	}
	m := p.(*playlist.Multivariant)
	if len(m.Variants) != 2 || len(m.Renditions) != 1 || !m.IndependentSegments {
		t.Fatalf("%+v", m)
	}
	v := m.Variants[0]
	if v.Bandwidth != 3_130_000 || *v.AverageBandwidth != 2_628_000 || strings.Join(v.Codecs, "+") != "avc1.64001f+mp4a.40.2" ||
		v.Resolution != "1280x720" || *v.FrameRate != 30 || v.Audio != "audio" || v.URI != "v720/index.m3u8" {
		t.Errorf("%+v", v)
	}
	if r := m.Renditions[0]; *r.URI != "a128/index.m3u8" || !r.Default || r.GroupID != "audio" {
		t.Errorf("%+v", r)
	}
	audioOnly := demoInfo()
	audioOnly.Tracks = audioOnly.Tracks[2:]
	if b := RenderMultivariant(audioOnly); !bytes.Contains(b, []byte("\na128/index.m3u8\n")) || bytes.Contains(b, []byte("EXT-X-MEDIA")) {
		t.Errorf("audio only:\n%s", b)
	}
}

func TestSecondsKeepMicroseconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 2 * time.Second: "2", 333_333 * time.Microsecond: "0.333333", 1002 * time.Millisecond: "1.002",
		time.Microsecond: "0.000001", 1_000_010 * time.Microsecond: "1.00001", 120 * time.Second: "120",
	} {
		if got := string(appendSeconds(nil, d)); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	f := newFeeder(&testing.T{}, 895_000_000)
	f.segments(15)
	f.part(0, 0)
	info, snap := demoInfo(), f.track.Snapshot()
	buf := make([]byte, 0, 16<<10)
	b.ReportAllocs()
	for b.Loop() {
		buf = NewTimeline(info, snap, 16).Append(buf[:0], reports, false)
	}
	b.SetBytes(int64(len(buf)))
}
