package origin

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"starling/internal/media"
)

func TestALadderFromPublisherToSignedParts(t *testing.T) {
	t.Parallel()
	r := startOrigin(t, Config{})
	p := publish(t, show{url: r.url + "/live/demo", seconds: "6.5"})
	st := r.get("live/demo")
	info := st.Info()
	if names(info) != "v180 v120 a64" { // 60 lines are too few for an encoder
		t.Errorf("tracks %s", names(info))
	}
	v, _ := info.Track("v180")
	if v.Codec[:5] != "avc1." || v.Width != 320 || v.FrameRate != 30 || v.Bitrate < 300_000 || v.Bitrate > 500_000 || v.Slices != 2 {
		t.Errorf("%+v", v)
	}
	a, _ := info.Track("a64")
	if a.Codec != "mp4a.40.2" || a.SampleRate != 48_000 || a.Channels != 2 || a.Slices != 1 {
		t.Errorf("%+v", a)
	}
	if info.PartMS != 334 || info.SegmentMS != 2000 || info.TargetMS != 4000 || info.Ended {
		t.Errorf("%+v", info)
	}
	if said := p.wait(t); said != "" {
		t.Errorf("the publisher complains: %s", said)
	}
	last := func(track string) bool {
		ps := parts(t, st, track)
		return ps[len(ps)-1].Header.Flags.Has(media.FlagLast) && ps[len(ps)-1].ID().MSN == parts(t, st, "v180")[0].ID().MSN+3
	}
	eventually(t, "last parts", func() bool { return last("v180") && last("v120") && last("a64") })
	starts := check(t, st)
	if len(starts) != 4 {
		t.Errorf("%d segments", len(starts))
	}
	first := parts(t, st, "v180")[0].Header
	if want := uint64(first.PDT.Unix()) / 2; first.ID.MSN < want-2 || first.ID.MSN > want+2 {
		t.Errorf("first number %d, the clock says %d", first.ID.MSN, want)
	}
	frames := decode(t, st)
	if frames["v180"] < 190 || frames["v180"] != frames["v120"] || frames["a64"] < 300 {
		t.Errorf("decoded %v", frames)
	}
	if n := value(t, r.metrics.parts.WithLabelValues("live/demo", "v120")); n != float64(len(parts(t, st, "v120"))) {
		t.Errorf("metric says %v parts", n)
	}
}

func TestAReturningPublisherGoesOnAfterADiscontinuity(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	r := startOrigin(t, Config{StateDir: state, Grace: 30 * time.Second})
	p := publish(t, show{url: r.url + "/live/back"})
	st := r.get("live/back")
	eventually(t, "some parts", func() bool { return len(parts(t, st, "v180")) > 7 })
	p.kill() // no goodbye
	eventually(t, "end of the publication", func() bool { return value(t, r.metrics.publishers) == 0 })
	before := st.Info()

	q := publish(t, show{url: r.url + "/live/back", size: "480x270", seconds: "3"})
	eventually(t, "new catalog", func() bool { return st.Info().Revision > before.Revision })
	q.wait(t)
	info := st.Info()
	if names(info) != "v270 v180 v90 a64" || info.StartedAtMS != before.StartedAtMS {
		t.Errorf("tracks %s", names(info))
	}
	old, _ := before.Track("v180")
	now, _ := info.Track("v180")
	if now.Number != old.Number || len(now.Inits) != 2 || now.Inits[1].ID <= now.Inits[0].ID {
		t.Errorf("v180 was %+v and is %+v", old, now)
	}
	for _, name := range []string{"v270", "v90"} {
		if tr, _ := info.Track(name); tr.Number <= 3 {
			t.Errorf("%s took a used number, %d", name, tr.Number)
		}
	}
	eventually(t, "last parts", func() bool {
		ps := parts(t, st, "v180")
		return ps[len(ps)-1].Header.Flags.Has(media.FlagLast) && ps[len(ps)-1].Header.Discontinuity == 1
	})
	// v180 and the sound lived through both.
	for _, name := range []string{"v180", "a64"} {
		discontinuities := 0
		ps := parts(t, st, name)
		for i, p := range ps {
			if p.Header.Flags.Has(media.FlagDiscontinuity) {
				discontinuities++
				if p.ID() != (media.PartID{MSN: ps[i-1].ID().MSN + 1}) || !ps[i-1].Header.Flags.Has(media.FlagLast) || p.Header.Discontinuity != 1 {
					t.Errorf("%s: %s after %s", name, p.ID(), ps[i-1].ID())
				}
			}
		}
		if discontinuities != 1 {
			t.Errorf("%s: %d discontinuities", name, discontinuities)
		}
	}
	decode(t, st)

	// Another origin with the same state goes on with key and numbers.
	next := parts(t, st, "a64")
	lastMSN := next[len(next)-1].ID().MSN
	r.stop()
	r2 := startOrigin(t, Config{StateDir: state})
	publish(t, show{url: r2.url + "/live/back", seconds: "60"})
	st2 := r2.get("live/back")
	eventually(t, "parts after the restart", func() bool { return len(parts(t, st2, "a64")) > 0 })
	h := parts(t, st2, "a64")[0].Header
	if string(st2.Info().Key) != string(info.Key) || h.ID.MSN <= lastMSN || h.Discontinuity != 2 || !h.Flags.Has(media.FlagDiscontinuity) || st2.Info().Revision <= st.Info().Revision {
		t.Errorf("after a restart: %+v", h)
	}
	if tr, _ := st2.Info().Track("v180"); tr.Number != old.Number || tr.Inits[0].ID <= now.Inits[1].ID {
		t.Errorf("after a restart v180 is %+v", tr)
	}
}

func TestAKilledEncoderLeavesAGapAndComesBack(t *testing.T) {
	t.Parallel()
	r := startOrigin(t, Config{})
	p := publish(t, show{url: r.url + "/live/gap", seconds: "9"})
	st := r.get("live/gap")
	eventually(t, "a part of the rung", func() bool { return len(parts(t, st, "v120")) > 7 })
	pid := r.encoderPID(t, "live/gap")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
	eventually(t, "last parts", func() bool {
		ps := parts(t, st, "v120")
		return ps[len(ps)-1].Header.Flags.Has(media.FlagLast) && ps[len(ps)-1].ID().MSN == parts(t, st, "v180")[0].ID().MSN+4
	})
	check(t, st)
	gaps, after := 0, 0
	for _, p := range parts(t, st, "v120") {
		if p.Header.Flags.Has(media.FlagGap) {
			gaps, after = gaps+1, 0
		} else {
			after++
		}
	}
	if gaps == 0 || after < 6 {
		t.Errorf("%d gaps and then %d parts", gaps, after)
	}
	for _, name := range []string{"v180", "a64"} {
		for _, p := range parts(t, st, name) {
			if p.Header.Flags.Has(media.FlagGap) {
				t.Errorf("gap %s in %s", p.ID(), name)
			}
		}
	}
	decode(t, st)
	if n := value(t, r.metrics.restarts.WithLabelValues("live/gap")); n != 1 {
		t.Errorf("%v restarts", n)
	}
}

// encoderPID asks the stream's goroutine for its encoder.
func (r *running) encoderPID(t *testing.T, id media.StreamID) int {
	t.Helper()
	r.mu.Lock()
	st := r.streams[id]
	r.mu.Unlock()
	reply := make(chan int, 1)
	if err := st.post(func() { reply <- st.current.encoder.PID() }); err != nil {
		t.Fatal(err)
	}
	pid := <-reply
	if pid == 0 {
		t.Fatal("no encoder runs")
	}
	return pid
}

func TestShutdownLeavesNoEncoder(t *testing.T) {
	t.Parallel()
	r := startOrigin(t, Config{})
	publish(t, show{url: r.url + "/live/stop"})
	st := r.get("live/stop")
	eventually(t, "parts", func() bool { return len(parts(t, st, "v120")) > 1 })
	pid := r.encoderPID(t, "live/stop")
	r.stop()
	if b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
		t.Errorf("the encoder is still there: %s", b)
	}
	for _, tr := range st.Info().Tracks {
		ps := parts(t, st, tr.Name)
		if !ps[len(ps)-1].Header.Flags.Has(media.FlagLast) {
			t.Errorf("%s ends with %s", tr.Name, ps[len(ps)-1].ID())
		}
	}
}

func TestAnEndedStreamIsMarkedAndThenRemoved(t *testing.T) {
	t.Parallel()
	r := startOrigin(t, Config{Rungs: []Rung{}, Grace: 300 * time.Millisecond, Keep: 300 * time.Millisecond})
	p := publish(t, show{url: r.url + "/live/end", seconds: "1"})
	st := r.get("live/end")
	p.wait(t)
	eventually(t, "Ended", func() bool { return st.Info().Ended })
	if names(st.Info()) != "v180 a64" {
		t.Errorf("tracks %s", names(st.Info()))
	}
	eventually(t, "removal", func() bool { _, ok := r.dir.Get("live/end"); return !ok })
	r.mu.Lock()
	n := len(r.streams)
	r.mu.Unlock()
	if n != 0 {
		t.Errorf("%d streams are still held", n)
	}
	// It can begin again, with later numbers.
	last := parts(t, st, "v180")
	publish(t, show{url: r.url + "/live/end", seconds: "60"})
	again := r.get("live/end")
	eventually(t, "parts", func() bool { return len(parts(t, again, "v180")) > 0 })
	if h := parts(t, again, "v180")[0].Header; h.ID.MSN <= last[len(last)-1].ID().MSN || h.Discontinuity != 1 {
		t.Errorf("began again with %+v", h)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := startOrigin(t, Config{Rungs: []Rung{}})
	publish(t, show{url: r.url + "/live/one"})
	r.get("live/one")
	for _, c := range []struct {
		name, reason, want string
		show               show
	}{
		{"second publisher", "busy", "is being published by another connection", show{url: r.url + "/live/one"}},
		{"reserved name", "name", "is reserved", show{url: r.url + "/watch/x"}},
		{"bad name", "name", "names use", show{url: r.url + "/live/a%b"}},
		{"no name", "name", "want APP/NAME", show{url: r.url + "/live"}},
		{"codec", "codec", "codec is not supported", show{url: r.url + "/live/flv1", video: []string{"-c:v", "flv"}}},
		{"sound codec", "codec", "codec is not supported", show{url: r.url + "/live/mp3", audio: []string{"-c:a", "libmp3lame", "-ar", "44100"}}},
		{"keyframes", "keyframes", "set the encoder's keyframe interval to 2s", show{url: r.url + "/live/gop", video: []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "1000", "-b:v", "200k"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := publish(t, c.show)
			if said := p.wait(t); !strings.Contains(said, c.want) {
				t.Errorf("the publisher is told: %s", said)
			}
			eventually(t, "the reason "+c.reason, func() bool { return value(t, r.metrics.rejects.WithLabelValues(c.reason)) > 0 })
		})
	}
}

func TestTheSourceAloneWithoutFFmpeg(t *testing.T) {
	t.Parallel()
	r := startOrigin(t, Config{FFmpeg: "/nonexistent/ffmpeg"})
	publish(t, show{url: r.url + "/live/alone", seconds: "60"})
	if got := names(r.get("live/alone").Info()); got != "v180 a64" {
		t.Errorf("tracks %s", got)
	}
}

func TestTheSourceCanBeEncodedToo(t *testing.T) {
	t.Parallel()
	r := startOrigin(t, Config{EncodeSource: true, Rungs: []Rung{{Height: 90, Bitrate: 100_000}, {Height: 720}}})
	p := publish(t, show{url: r.url + "/live/all", seconds: "5", audio: []string{"-an"}})
	st := r.get("live/all")
	if got := names(st.Info()); got != "v180 v90" {
		t.Errorf("tracks %s", got)
	}
	p.wait(t)
	eventually(t, "last parts", func() bool {
		a, b := parts(t, st, "v180"), parts(t, st, "v90")
		return a[len(a)-1].Header.Flags.Has(media.FlagLast) && b[len(b)-1].Header.Flags.Has(media.FlagLast)
	})
	check(t, st)
	decode(t, st)
}

func TestConfigFaultsSayWhatIsWanted(t *testing.T) {
	for _, c := range []Config{{Segment: time.Minute}, {Part: time.Second * 3}, {Rungs: []Rung{{Height: 3}}}, {Rungs: make([]Rung, 9)}} {
		if _, err := New(c, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "origin: ") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
