package packager

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"

	"starling/internal/cmaf"
	"starling/internal/media"
)

// event is one input of a packager.
type event struct {
	at    float64 // ms: when it reaches the packager
	track int     // -1 audio
	au    cmaf.AccessUnit
	audio cmaf.AudioFrame
}

// scene describes a synthetic publication.
type scene struct {
	fps      float64
	gop      int // frames
	seconds  float64
	bframes  int // reordered frames of the source
	rungs    int
	delay    float64 // of the rungs, ms
	rate     int     // audio samples a second, 0 without audio
	audioOff float64 // ms by which audio starts later
	start    int64   // ms, first timestamp
}

func aac(rate int) *cmaf.AudioConfig {
	c, err := cmaf.NewAudioConfig(mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: rate, ChannelConfig: 2})
	if err != nil {
		panic(err)
	}
	return c
}

func (s scene) config(emit func(Part)) Config {
	c := Config{Segment: 2 * time.Second, Target: 4 * time.Second, FirstMSN: 1000, FrameRate: s.fps, Rungs: s.rungs, Emit: emit}
	if s.rate > 0 {
		c.Audio = aac(s.rate)
		c.Part = PartTarget(333*time.Millisecond, s.fps, c.Audio.FrameDuration())
	} else {
		c.Part = PartTarget(333*time.Millisecond, s.fps, 0)
	}
	return c
}

func payload(track, n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, 8)
	return append(b, 0x41, byte(track), byte(n>>16), byte(n>>8), byte(n), 0, 0, 0)
}

// events gives everything in the order of arrival.
func (s scene) events() []event {
	var out []event
	frames := int(s.seconds * s.fps)
	ms := func(n int) int64 { return int64(math.Round(float64(n) * 1000 / s.fps)) }
	for n := range frames {
		dts := s.start + ms(n)
		// Every GOP is I then groups of one P and its preceding B frames.
		inGOP, shown := n%s.gop, n
		if s.bframes > 0 && inGOP > 0 {
			g := s.bframes + 1
			pos := (inGOP - 1) % g
			last := min(inGOP-1-pos+g, s.gop-1)
			if end := frames - 1 - (n - inGOP); last > end {
				last = end
			}
			if pos == 0 {
				shown = n - inGOP + last
			} else {
				shown = n - 1
			}
		}
		offset := 0
		if s.bframes > 0 {
			offset = 1
		}
		au := cmaf.AccessUnit{DTS: dts, PTS: s.start + ms(shown+offset), Key: inGOP == 0, Data: payload(0, n)}
		out = append(out, event{at: float64(dts), au: au})
	}
	for i := range s.rungs {
		for n := range frames {
			shown := s.start + ms(n)
			if s.bframes > 0 {
				shown = s.start + ms(n+1)
			}
			out = append(out, event{at: float64(shown) + s.delay + float64(i), track: 1 + i,
				au: cmaf.AccessUnit{DTS: shown, PTS: shown, Key: n%s.gop == 0, Data: payload(1+i, n)}})
		}
	}
	if s.rate > 0 {
		for n := 0; ; n++ {
			at := s.audioOff + float64(n)*1024000/float64(s.rate)
			if at > s.seconds*1000 {
				break
			}
			out = append(out, event{at: float64(s.start) + at + 5, track: -1, audio: cmaf.AudioFrame{PTS: s.start + int64(math.Round(at)), Data: payload(9, n)}})
		}
	}
	sortEvents(out)
	return out
}

func sortEvents(e []event) {
	slices.SortStableFunc(e, func(x, y event) int { return cmp.Compare(x.at, y.at) })
}

func feed(t testing.TB, p *Packager, events []event) {
	t.Helper()
	for _, e := range events {
		switch {
		case e.track < 0:
			p.Audio(e.audio)
		case e.track == 0:
			if err := p.Source(e.au); err != nil {
				t.Fatal(err)
			}
		default:
			p.Rung(e.track-1, e.au)
		}
	}
}

// byTrack checks what holds for the parts of every publication and sorts them.
func byTrack(t testing.TB, cfg Config, parts []Part) map[int][]Part {
	t.Helper()
	out := map[int][]Part{}
	for _, p := range parts {
		out[p.Track] = append(out[p.Track], p)
	}
	for track, ps := range out {
		audio := track == cfg.Rungs+1
		next := media.PartID{MSN: ps[0].ID.MSN}
		at := ps[0].At
		var decode int64 = -1
		for i, p := range ps {
			if p.ID != next {
				t.Fatalf("track %d: part %s, want %s", track, p.ID, next)
			}
			if p.At != at {
				t.Fatalf("track %d %s: at %v, the one before ends at %v", track, p.ID, p.At, at)
			}
			at += p.Duration
			next.Index++
			if last := p.Flags.Has(media.FlagLast); last {
				next = media.PartID{MSN: next.MSN + 1}
			} else if !p.Flags.Has(media.FlagGap) && float64(p.Duration) < minFill*float64(cfg.Part) {
				t.Errorf("track %d %s: %v, less than 85 %% of %v and not last", track, p.ID, p.Duration, cfg.Part)
			}
			if p.Duration > cfg.Part {
				t.Errorf("track %d %s: %v exceeds %v", track, p.ID, p.Duration, cfg.Part)
			}
			if p.Flags.Has(media.FlagDiscontinuity) != (i == 0 && cfg.Discontinuity) {
				t.Errorf("track %d %s: discontinuity flag", track, p.ID)
			}
			if p.Flags.Has(media.FlagGap) {
				if len(p.Payload) != 0 {
					t.Errorf("gap with %d bytes", len(p.Payload))
				}
				decode = -1
				continue
			}
			base, end, key, n := parse(t, p.Payload)
			if decode >= 0 && base != decode {
				t.Fatalf("track %d %s: decode time %d, the one before ends at %d", track, p.ID, base, decode)
			}
			decode = end
			if key != p.Flags.Has(media.FlagIndependent) {
				t.Errorf("track %d %s: independent flag of %d samples", track, p.ID, n)
			}
			if p.ID.Index == 0 && !key && !audio {
				t.Errorf("track %d %s: segment begins without IDR", track, p.ID)
			}
		}
	}
	return out
}

func parse(t testing.TB, b []byte) (base, end int64, key bool, samples int) {
	t.Helper()
	var ps fmp4.Parts
	if err := ps.Unmarshal(b); err != nil || len(ps) != 1 || len(ps[0].Tracks) != 1 {
		t.Fatalf("chunk does not parse: %v", err)
	}
	tr := ps[0].Tracks[0]
	base = int64(tr.BaseTime)
	end = base
	for _, s := range tr.Samples {
		end += int64(s.Duration)
	}
	return base, end, !tr.Samples[0].IsNonSyncSample, len(tr.Samples)
}

func starts(ps []Part) map[uint64]time.Duration {
	out := map[uint64]time.Duration{}
	for _, p := range ps {
		if p.ID.Index == 0 {
			out[p.ID.MSN] = p.At
		}
	}
	return out
}
