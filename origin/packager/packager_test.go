package packager

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starling/internal/cmaf"
	"starling/internal/media"
)

func run(t testing.TB, s scene) (Config, map[int][]Part) {
	t.Helper()
	var parts []Part
	cfg := s.config(func(p Part) { parts = append(parts, p) })
	p := New(cfg)
	feed(t, p, s.events())
	p.Finish()
	return cfg, byTrack(t, cfg, parts)
}

// aligned checks that every track has the same segments at the same times.
func aligned(t testing.TB, cfg Config, tracks map[int][]Part) {
	t.Helper()
	want := starts(tracks[Source])
	for track, ps := range tracks {
		tolerance := time.Duration(0)
		if track == cfg.Rungs+1 {
			tolerance = cfg.Audio.FrameDuration() + 2*time.Millisecond
		}
		got := starts(ps)
		if len(got) != len(want) {
			t.Errorf("track %d: %d segments, the source has %d", track, len(got), len(want))
		}
		for msn, at := range want {
			// A segment of audio begins with the first frame at or after it.
			if d := got[msn] - at; d < -time.Millisecond || d > tolerance {
				if msn == cfg.FirstMSN && track == cfg.Rungs+1 {
					continue // audio may start later
				}
				t.Errorf("track %d segment %d begins at %v, the source's at %v", track, msn, got[msn], at)
			}
		}
		if last := ps[len(ps)-1]; !last.Flags.Has(media.FlagLast) {
			t.Errorf("track %d ends with %s, which is not the last of its segment", track, last.ID)
		}
	}
}

func TestTracksAlignAtEveryRate(t *testing.T) {
	for _, fps := range []float64{15, 24, 25, 29.97, 30, 50, 59.94, 60} {
		for _, rate := range []int{44_100, 48_000} {
			for _, b := range []int{0, 2} {
				t.Run(fmt.Sprint(fps, rate, b), func(t *testing.T) {
					s := scene{fps: fps, gop: int(math.Round(2 * fps)), seconds: 11, bframes: b, rungs: 2, delay: 70, rate: rate, start: 5000}
					cfg, tracks := run(t, s)
					if len(tracks) != 4 {
						t.Fatalf("%d tracks", len(tracks))
					}
					aligned(t, cfg, tracks)
					for msn, at := range starts(tracks[Source]) {
						if next, ok := starts(tracks[Source])[msn+1]; ok && (next-at < 1980*time.Millisecond || next-at > 2020*time.Millisecond) {
							t.Errorf("segment %d lasts %v", msn, next-at)
						}
					}
				})
			}
		}
	}
}

func TestAlignmentHoldsForAnyPublisher(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := scene{
			fps: rapid.Float64Range(10, 120).Draw(rt, "fps"), seconds: rapid.Float64Range(3, 15).Draw(rt, "seconds"),
			bframes: rapid.IntRange(0, 3).Draw(rt, "bframes"), rungs: rapid.IntRange(0, 3).Draw(rt, "rungs"),
			delay: rapid.Float64Range(0, 900).Draw(rt, "delay"), rate: rapid.SampledFrom([]int{0, 22_050, 32_000, 44_100, 48_000, 96_000}).Draw(rt, "rate"),
			audioOff: rapid.Float64Range(0, 300).Draw(rt, "audio offset"), start: rapid.Int64Range(0, 1<<32).Draw(rt, "start"),
		}
		s.gop = rapid.IntRange(max(int(s.fps/4), 4), int(3.9*s.fps)).Draw(rt, "gop")
		cfg, tracks := run(t, s)
		if t.Failed() {
			rt.Fatalf("%+v", s)
		}
		aligned(t, cfg, tracks)
		if t.Failed() {
			rt.Fatalf("%+v", s)
		}
	})
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	s := scene{fps: 29.97, gop: 60, seconds: 7, bframes: 2, rungs: 2, delay: 40, rate: 44_100}
	_, a := run(t, s)
	_, b := run(t, s)
	if !reflect.DeepEqual(a, b) {
		t.Fatal("two runs differ")
	}
}

func TestPartTarget(t *testing.T) {
	for _, c := range []struct {
		wanted int
		fps    float64
		rate   int
		want   int
	}{
		{333, 30, 48_000, 334}, {333, 29.97, 44_100, 334}, {333, 25, 48_000, 334}, {333, 60, 48_000, 334}, {333, 0, 0, 334},
		{333, 5, 48_000, 235}, {333, 2, 48_000, 501}, {200, 30, 48_000, 201}, {333, 30, 11_025, 327},
	} {
		var audio time.Duration
		if c.rate > 0 {
			audio = aac(c.rate).FrameDuration()
		}
		if got := PartTarget(time.Duration(c.wanted)*time.Millisecond, c.fps, audio); got != time.Duration(c.want)*time.Millisecond {
			t.Errorf("%d ms, %v/s, %d Hz: %v, want %d ms", c.wanted, c.fps, c.rate, got, c.want)
		}
	}
}

func TestPartsOfATypicalStream(t *testing.T) {
	_, tracks := run(t, scene{fps: 30, gop: 60, seconds: 6, rungs: 1, delay: 30, rate: 48_000})
	for _, track := range []int{0, 1} {
		for _, p := range tracks[track] {
			if d := p.Duration.Milliseconds(); d != 333 && d != 334 {
				t.Errorf("track %d %s: %v", track, p.ID, p.Duration)
			}
			if p.Flags.Has(media.FlagLast) != (p.ID.Index == 5) || p.Flags.Has(media.FlagIndependent) != (p.ID.Index == 0) {
				t.Errorf("track %d %s: flags %b", track, p.ID, p.Flags)
			}
		}
	}
	for _, p := range tracks[2] {
		if d := p.Duration.Milliseconds(); !p.Flags.Has(media.FlagLast) && d != 320 && d != 319 {
			t.Errorf("audio %s: %v", p.ID, p.Duration)
		}
	}
}

func TestAPartIsClosedByTheNextFrameAndNotLater(t *testing.T) {
	s := scene{fps: 30, gop: 60, seconds: 3}
	var newest Part
	p := New(s.config(func(q Part) { newest = q }))
	for _, e := range s.events() {
		if err := p.Source(e.au); err != nil {
			t.Fatal(err)
		}
		if end := (newest.At + newest.Duration).Milliseconds(); e.au.DTS-end >= 334 {
			t.Fatalf("at %d ms the newest part ends at %d ms", e.au.DTS, end)
		}
	}
}

func TestKeyframeIntervals(t *testing.T) {
	for _, c := range []struct {
		gop  int
		want []int64 // ms of segments at 30 frames a second
	}{
		{15, []int64{2000, 2000, 2000}}, {30, []int64{2000, 2000, 2000}}, {45, []int64{3000, 3000}}, {75, []int64{2500, 2500}}, {118, []int64{3933, 3933}},
		{59, []int64{3933, 3933}},
	} {
		_, tracks := run(t, scene{fps: 30, gop: c.gop, seconds: 13})
		at := starts(tracks[Source])
		for i, want := range c.want {
			got := (at[1001+uint64(i)] - at[1000+uint64(i)]).Milliseconds()
			if got < want-1 || got > want+1 {
				t.Errorf("keyframe every %d frames: segment %d lasts %d ms, want %d", c.gop, i, got, want)
			}
		}
	}
}

func TestTooLongAKeyframeIntervalSaysHowToMendIt(t *testing.T) {
	s := scene{fps: 30, gop: 300, seconds: 6}
	p := New(s.config(func(Part) {}))
	var err error
	for _, e := range s.events() {
		if err = p.Source(e.au); err != nil {
			if e.au.DTS < 4000 || e.au.DTS > 4100 {
				t.Errorf("reported at %d ms", e.au.DTS)
			}
			break
		}
	}
	if !errors.Is(err, ErrKeyframes) {
		t.Fatalf("error %v", err)
	}
}

func TestJumpsAndSmallSteps(t *testing.T) {
	for _, c := range []struct {
		name string
		step int64 // added to every time from the middle of the second segment
		want error
	}{{"far forward", 60_000, ErrJump}, {"back", -2500, ErrJump}, {"one frame back", -40, nil}, {"half a second forward", 500, nil}} {
		t.Run(c.name, func(t *testing.T) {
			s := scene{fps: 30, gop: 60, seconds: 6, start: 10_000}
			var parts []Part
			cfg := s.config(func(q Part) { parts = append(parts, q) })
			p := New(cfg)
			var err error
			for i, e := range s.events() {
				if i >= 85 {
					e.au.DTS += c.step
					e.au.PTS += c.step
				}
				if err = p.Source(e.au); err != nil {
					break
				}
			}
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			p.Finish()
			if c.step < 500 {
				byTrack(t, cfg, parts)
			} else if last := parts[len(parts)-1]; !last.Flags.Has(media.FlagLast) {
				t.Error("the last part is not marked")
			}
		})
	}
}

func TestGarbageTimesAreAnError(t *testing.T) {
	p := New(scene{fps: 30}.config(func(Part) {}))
	if err := p.Source(cmaf.AccessUnit{Key: true, PTS: 8_000_000, Data: payload(0, 0)}); !errors.Is(err, cmaf.ErrBitstream) {
		t.Fatal(err)
	}
}
