package origin

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"starling/internal/cmaf"
	"starling/internal/media"
	"starling/internal/store"
	"starling/origin/ingest"
)

// 640 × 360 at 30 frames a second.
var (
	testSPS = []byte{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e, 0x48}
	testPPS = []byte{0x68, 0xcb, 0x83, 0xcb, 0x20}
)

func testMedia(t *testing.T) ingest.Media {
	t.Helper()
	v, err := cmaf.NewVideoConfig(testSPS, testPPS, 4)
	if err != nil {
		t.Fatal(err)
	}
	a, err := cmaf.NewAudioConfig(mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48_000, ChannelConfig: 2})
	if err != nil {
		t.Fatal(err)
	}
	return ingest.Media{Video: v, Audio: a, VideoBitrate: 2_000_000, AudioBitrate: 128_000}
}

// inVirtualTime runs f with an origin without network and encoder.
func inVirtualTime(t *testing.T, f func(t *testing.T, s *Server)) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Rungs: []Rung{}, StateDir: t.TempDir()}, &store.Directory{}, slog.New(slog.NewTextHandler(t.Output(), nil)), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		s.ctx = ctx
		f(t, s)
		cancel()
		s.wg.Wait()
	})
}

// camera sends frames in virtual real time with its own clock.
type camera struct {
	t     *testing.T
	s     ingest.Session
	clock int64 // ms
	n     int
	size  int
}

func (c *camera) run(d time.Duration) error {
	c.t.Helper()
	frames := int(d / (time.Second / 30))
	for range frames {
		ms := c.clock + int64(c.n)*1000/30
		if err := c.s.Video(cmaf.AccessUnit{DTS: ms, PTS: ms, Key: c.n%60 == 0, Data: make([]byte, c.size)}); err != nil {
			return err
		}
		if err := c.s.Audio(cmaf.AudioFrame{PTS: c.clock + int64(c.n)*64/3, Data: []byte{1, 2}}); err != nil {
			return err
		}
		c.n++
		<-time.After(time.Second / 30) // virtual
	}
	return nil
}

func start(t *testing.T, s *Server, m ingest.Media) *camera {
	t.Helper()
	sess, err := s.Publish("live/v", "test", m)
	if err != nil {
		t.Fatal(err)
	}
	return &camera{t: t, s: sess, size: 1000}
}

func TestOnePublisherAtATimeUnlessItIsSilent(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s *Server) {
		m := testMedia(t)
		first := start(t, s, m)
		if err := first.run(3 * time.Second); err != nil {
			t.Fatal(err)
		}
		var refusal *ingest.Refusal
		if _, err := s.Publish("live/v", "other", m); !errors.As(err, &refusal) || refusal.Reason != "busy" {
			t.Fatalf("second publisher: %v", err)
		}
		<-time.After(silentPublisher)
		second := start(t, s, m)
		if err := second.run(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		if err := first.run(time.Second); !errors.As(err, &refusal) || refusal.Reason != "replaced" {
			t.Errorf("the first goes on: %v", err)
		}
		first.s.Close(nil) // must not end the second
		if err := second.run(time.Second); err != nil {
			t.Error(err)
		}
		st, _ := s.dir.Get("live/v")
		check(t, st)
	})
}

func TestEndingAndRemovalFollowTheirTimes(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s *Server) {
		c := start(t, s, testMedia(t))
		if err := c.run(3 * time.Second); err != nil {
			t.Fatal(err)
		}
		st, ok := s.dir.Get("live/v")
		if !ok {
			t.Fatal("no catalog")
		}
		c.s.Close(nil)
		left := time.Now()
		at := func(d time.Duration) { <-time.After(time.Until(left.Add(d))); synctest.Wait() }
		at(9500 * time.Millisecond)
		if st.Info().Ended {
			t.Error("ended within the time of grace")
		}
		at(10500 * time.Millisecond)
		if !st.Info().Ended {
			t.Error("not ended after the time of grace")
		}
		at(69 * time.Second)
		if _, ok := s.dir.Get("live/v"); !ok {
			t.Error("removed too early")
		}
		// A publisher that returns now finds its numbers.
		before := parts(t, st, "v360")
		d := start(t, s, testMedia(t))
		if err := d.run(2500 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		after := parts(t, st, "v360")
		if st.Info().Ended || after[len(before)].ID() != (media.PartID{MSN: before[len(before)-1].ID().MSN + 1}) || after[len(before)].Header.Discontinuity != 1 {
			t.Errorf("goes on with %+v", after[len(before)].Header)
		}
		if gap := after[len(before)].Header.PDT.Sub(before[len(before)-1].Header.PDT); gap < 69*time.Second || gap > 71*time.Second {
			t.Errorf("wall clock moved by %v", gap)
		}
		d.s.Close(nil)
		left = time.Now()
		at(71 * time.Second)
		if _, ok := s.dir.Get("live/v"); ok || len(s.streams) != 0 {
			t.Error("not removed")
		}
	})
}

func TestAClockJumpIsADiscontinuity(t *testing.T) {
	for _, jump := range []int64{-100_000, 3_600_000} {
		inVirtualTime(t, func(t *testing.T, s *Server) {
			c := start(t, s, testMedia(t))
			c.clock = 200_000
			if err := c.run(5 * time.Second); err != nil {
				t.Fatal(err)
			}
			c.clock += jump
			if err := c.run(5 * time.Second); err != nil {
				t.Fatal(err)
			}
			st, _ := s.dir.Get("live/v")
			c.s.Close(nil)
			synctest.Wait()
			check(t, st)
			ps := parts(t, st, "v360")
			if last := ps[len(ps)-1]; last.Header.Discontinuity != 1 || !last.Header.Flags.Has(media.FlagLast) {
				t.Errorf("jump by %d ms: %+v", jump, last.Header)
			}
		})
	}
}

func TestAnUnknownBitrateIsMeasuredOverTheFirstSegment(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s *Server) {
		m := testMedia(t)
		m.VideoBitrate, m.AudioBitrate = 0, 0
		c := start(t, s, m)
		c.size = 12_500 // 3 Mbit/s
		if err := c.run(1900 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.dir.Get("live/v"); ok {
			t.Error("announced before a segment was measured")
		}
		if err := c.run(300 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		st, ok := s.dir.Get("live/v")
		if !ok {
			t.Fatal("not announced")
		}
		v, _ := st.Info().Track("v360")
		if v.Bitrate < 2_900_000 || v.Bitrate > 3_200_000 || v.Slices != 6 {
			t.Errorf("%+v", v)
		}
		if ps := parts(t, st, "v360"); len(ps) < 6 || ps[0].ID().Index != 0 {
			t.Errorf("%d parts", len(ps))
		}
	})
}

func TestTooFewKeyframesEndThePublication(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s *Server) {
		c := start(t, s, testMedia(t))
		c.n = 0
		if err := c.s.Video(cmaf.AccessUnit{Key: true, Data: []byte{1}}); err != nil {
			t.Fatal(err)
		}
		c.n = 1
		var err error
		for ; c.n < 300 && err == nil; c.n++ {
			ms := int64(c.n) * 1000 / 30
			err = c.s.Video(cmaf.AccessUnit{DTS: ms, PTS: ms, Data: []byte{1}})
			<-time.After(time.Second / 30)
		}
		var refusal *ingest.Refusal
		if !errors.As(err, &refusal) || refusal.Reason != "keyframes" || !strings.Contains(err.Error(), "keyframe interval to 2s") {
			t.Errorf("%v", err)
		}
	})
}

func TestOtherParametersGetAnotherInitializationSection(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s *Server) {
		m := testMedia(t)
		c := start(t, s, m)
		if err := c.run(3 * time.Second); err != nil {
			t.Fatal(err)
		}
		const changes = maxInits + 2
		for range changes {
			sps := append([]byte{}, m.Video.SPS...)
			sps[3]++ // another level
			v, err := cmaf.NewVideoConfig(sps, testPPS, 4)
			if err != nil {
				t.Fatal(err)
			}
			m.Video = v
			if err := c.s.Change(m); err != nil {
				t.Fatal(err)
			}
			c.n = (c.n/60 + 1) * 60
			if err := c.run(2 * time.Second); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		st, _ := s.dir.Get("live/v")
		v, _ := st.Info().Track("v360")
		a, _ := st.Info().Track("a128")
		if len(v.Inits) != maxInits || len(a.Inits) != 1 || v.Number != 1 || a.Number != 2 {
			t.Errorf("%d sections of video, %d of audio", len(v.Inits), len(a.Inits))
		}
		ps := parts(t, st, "v360")
		last := ps[len(ps)-1].Header
		for _, p := range ps { // also of the oldest segment, which a playlist may show
			if _, ok := v.Init(p.Header.Init); !ok {
				t.Errorf("the catalog lacks the section of %s", p.ID())
			}
		}
		if in, ok := v.Init(last.Init); !ok || last.Init != v.Inits[maxInits-1].ID || last.Discontinuity != changes || len(in.Data) == 0 {
			t.Errorf("%+v", last)
		}
	})
}

func TestProgramDateTimeFollowsTheFrameThatCameEarliest(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s *Server) {
		filmed := time.Now()
		const startUp = 400 * time.Millisecond // the publisher's own, before its first frame leaves it
		<-time.After(startUp)
		c := start(t, s, testMedia(t))
		for late := int(startUp / (time.Second / 30)); c.n < late; c.n++ {
			ms := int64(c.n) * 1000 / 30
			if err := c.s.Video(cmaf.AccessUnit{DTS: ms, PTS: ms, Key: c.n == 0, Data: make([]byte, c.size)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.run(6 * time.Second); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		str, ok := s.dir.Get("live/v")
		if !ok {
			t.Fatal("the stream is not announced")
		}
		if got := str.Info().StartedAtMS - filmed.UnixMilli(); got < -40 || got > 40 {
			t.Errorf("the stream starts %d ms after the camera, want within a frame", got)
		}
		c.s.Close(nil)
	})
}
