package packager

import (
	"testing"
	"time"

	"starling/internal/cmaf"
	"starling/internal/media"
)

// without runs a scene in which the given events do not arrive; lost is
// called on the packager at that time.
func without(t *testing.T, s scene, missing func(event) bool, lostAt float64) (Config, map[int][]Part) {
	t.Helper()
	var parts []Part
	cfg := s.config(func(p Part) { parts = append(parts, p) })
	p := New(cfg)
	var kept []event
	for _, e := range s.events() {
		if !missing(e) {
			kept = append(kept, e)
		}
	}
	i := 0
	for i < len(kept) && (lostAt < 0 || kept[i].at < lostAt) {
		i++
	}
	feed(t, p, kept[:i])
	if lostAt >= 0 {
		p.Lost(0)
	}
	feed(t, p, kept[i:])
	p.Finish()
	return cfg, byTrack(t, cfg, parts)
}

func gaps(ps []Part) (n int, from, to time.Duration) {
	for _, p := range ps {
		if p.Flags.Has(media.FlagGap) {
			if n == 0 {
				from = p.At
			}
			n, to = n+1, p.At+p.Duration
		}
	}
	return n, from, to
}

func TestALostEncoderLeavesGapsAndRejoinsAtASegment(t *testing.T) {
	s := scene{fps: 30, gop: 60, seconds: 12, rungs: 2, delay: 50, rate: 48_000}
	// Frames of the first rung are missing from 3.0 s to 5.5 s.
	cfg, tracks := without(t, s, func(e event) bool { return e.track == 1 && e.au.DTS >= 3000 && e.au.DTS < 5500 }, 3100)
	aligned(t, cfg, tracks)
	n, from, to := gaps(tracks[1])
	if n == 0 || from > 3*time.Second || from < 2600*time.Millisecond || to != 6*time.Second {
		t.Fatalf("%d gaps from %v to %v", n, from, to)
	}
	if n, _, _ := gaps(tracks[2]); n != 0 {
		t.Error("the other rung has gaps")
	}
	// The playlist was kept in step while the encoder was away.
	if len(tracks[1]) < len(tracks[0]) {
		t.Errorf("%d parts, the source has %d", len(tracks[1]), len(tracks[0]))
	}
}

func TestGapPartsComeInTime(t *testing.T) {
	s := scene{fps: 30, gop: 60, seconds: 8, rungs: 1, delay: 50}
	ends := map[int]time.Duration{}
	p := New(s.config(func(q Part) { ends[q.Track] = q.At + q.Duration }))
	for _, e := range s.events() {
		if e.track == 1 {
			if e.au.DTS < 2500 {
				p.Rung(0, e.au)
			}
			continue
		}
		if err := p.Source(e.au); err != nil {
			t.Fatal(err)
		}
		if e.au.DTS == 2600 {
			p.Lost(0)
		}
		if e.au.DTS > 2700 && ends[0]-ends[1] > 400*time.Millisecond {
			t.Fatalf("at %d ms the source is at %v and the lost rung at %v", e.au.DTS, ends[0], ends[1])
		}
	}
}

func TestDroppedGroupsBecomeGaps(t *testing.T) {
	s := scene{fps: 30, gop: 60, seconds: 12, rungs: 1, delay: 50}
	// Nobody reports a loss: the encoder just never sees two segments.
	cfg, tracks := without(t, s, func(e event) bool { return e.track == 1 && e.au.DTS >= 4000 && e.au.DTS < 8000 }, -1)
	aligned(t, cfg, tracks)
	if n, from, to := gaps(tracks[1]); n == 0 || to != 8*time.Second || from < 3600*time.Millisecond {
		t.Fatalf("%d gaps from %v to %v", n, from, to)
	}
}

func TestAMissingIDROfARungIsAGapOfOneSegment(t *testing.T) {
	s := scene{fps: 30, gop: 60, seconds: 8, rungs: 1, delay: 50}
	cfg, tracks := without(t, s, func(e event) bool { return e.track == 1 && e.au.Key && e.au.DTS == 4000 }, -1)
	aligned(t, cfg, tracks)
	if n, _, to := gaps(tracks[1]); n == 0 || to != 6*time.Second {
		t.Fatalf("%d gaps to %v", n, to)
	}
}

func TestARungThatNeverCameBackEndsWithGaps(t *testing.T) {
	s := scene{fps: 30, gop: 60, seconds: 8, rungs: 1, delay: 50}
	cfg, tracks := without(t, s, func(e event) bool { return e.track == 1 && e.au.DTS >= 3000 }, 3100)
	aligned(t, cfg, tracks)
}

func TestALateRungStartsAtTheNextSegment(t *testing.T) {
	s := scene{fps: 30, gop: 60, seconds: 8, rungs: 1, delay: 50}
	_, tracks := without(t, s, func(e event) bool { return e.track == 1 && e.au.DTS < 2500 }, -1)
	if first := tracks[1][0]; first.ID != (media.PartID{MSN: 1002}) || first.At != 4*time.Second {
		t.Fatalf("first part %s at %v", first.ID, first.At)
	}
}

func TestARungExpectedFromTheStartIsFilled(t *testing.T) {
	s := scene{fps: 30, gop: 60, seconds: 8, rungs: 1, delay: 50}
	var parts []Part
	cfg := s.config(func(p Part) { parts = append(parts, p) })
	cfg.Discontinuity = true
	p := New(cfg)
	for _, e := range s.events() {
		if e.track == 1 {
			if e.au.DTS >= 3000 {
				p.Rung(0, e.au)
			}
			continue
		}
		if err := p.Source(e.au); err != nil {
			t.Fatal(err)
		}
		if e.au.DTS == 1000 {
			p.Lost(0)
		}
	}
	p.Finish()
	tracks := byTrack(t, cfg, parts)
	aligned(t, cfg, tracks)
	if n, from, to := gaps(tracks[1]); n == 0 || from != 0 || to != 4*time.Second {
		t.Fatalf("%d gaps from %v to %v", n, from, to)
	}
}

func TestHolesInTheSound(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to int64 // ms
		filled   bool
	}{{"short", 2500, 3000, true}, {"over a boundary", 3700, 4300, true}, {"long", 2500, 6500, false}} {
		t.Run(c.name, func(t *testing.T) {
			s := scene{fps: 30, gop: 60, seconds: 10, rate: 48_000}
			silent := 0
			var parts []Part
			cfg := s.config(func(p Part) { parts = append(parts, p) })
			cfg.AudioFilled = func(n int) { silent += n }
			p := New(cfg)
			for _, e := range s.events() {
				if e.track == -1 && e.audio.PTS >= c.from && e.audio.PTS < c.to {
					continue
				}
				feed(t, p, []event{e})
			}
			p.Finish()
			var kept []Part
			for _, q := range parts {
				if c.filled || q.Track == Source {
					kept = append(kept, q)
				}
			}
			tracks := byTrack(t, cfg, kept)
			if c.filled {
				aligned(t, cfg, tracks)
				want := int((c.to - c.from) * 48 / 1024)
				if n, _, _ := gaps(tracks[1]); n != 0 || silent < want-1 || silent > want+2 {
					t.Errorf("%d gaps, %d frames of silence, want %d", n, silent, want)
				}
				return
			}
			var audio []Part
			for _, q := range parts {
				if q.Track == 1 {
					audio = append(audio, q)
				}
			}
			n, from, to := gaps(audio)
			if n == 0 || silent != 0 || from < 2400*time.Millisecond || from > 2600*time.Millisecond || to < 6400*time.Millisecond || to > 6600*time.Millisecond {
				t.Errorf("%d gaps from %v to %v, %d frames of silence", n, from, to, silent)
			}
			at := starts(audio)
			for msn, want := range starts(tracks[Source]) {
				if d := at[msn] - want; d < -time.Millisecond || d > 25*time.Millisecond {
					t.Errorf("segment %d of audio at %v, video at %v", msn, at[msn], want)
				}
			}
		})
	}
}

func TestTheSampleClockFollowsADriftingPublisher(t *testing.T) {
	const rate = 44_100
	s := scene{fps: 30, gop: 60, seconds: 60}
	var parts []Part
	cfg := s.config(func(p Part) { parts = append(parts, p) })
	cfg.Audio = aac(rate)
	p := New(cfg)
	n := 0
	for _, e := range s.events() {
		feed(t, p, []event{e})
		for { // the publisher's sound card runs 0.02 % slow
			at := float64(n) * 1024_000 / rate * 1.0002
			if at > float64(e.au.DTS) {
				break
			}
			p.Audio(cmaf.AudioFrame{PTS: int64(at + 0.5), Data: payload(9, n)})
			n++
		}
	}
	p.Finish()
	tracks := byTrack(t, cfg, parts)
	aligned(t, cfg, tracks)
	last := tracks[1][len(tracks[1])-1]
	want := time.Duration(float64(n) * 1024 / rate * 1.0002 * float64(time.Second))
	if d := last.At + last.Duration - want; d < -25*time.Millisecond || d > 25*time.Millisecond {
		t.Errorf("after a minute the sound is off by %v", d)
	}
}
