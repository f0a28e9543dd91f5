package origin

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"starling/internal/media"
	"starling/internal/store"
)

func TestMain(m *testing.M) {
	// The tests with real publishers wait for real time most of theirs.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// running is an origin under test.
type running struct {
	*Server
	t    *testing.T
	dir  *store.Directory
	reg  *prometheus.Registry
	url  string
	stop func()
}

func startOrigin(t *testing.T, cfg Config) *running {
	t.Helper()
	cfg.RTMPAddr = "127.0.0.1:0"
	if cfg.StateDir == "" {
		cfg.StateDir = t.TempDir()
	}
	cfg.Preset = "ultrafast"
	r := &running{t: t, dir: &store.Directory{}, reg: prometheus.NewRegistry()}
	var err error
	if r.Server, err = New(cfg, r.dir, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})), r.reg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	select {
	case <-r.Listening():
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	r.url = "rtmp://" + r.Addr().String()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// publisher is an ffmpeg that publishes a test picture in real time.
type publisher struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	done   chan struct{}
}

type show struct {
	url     string
	size    string // default 320x180
	rate    string // default 30
	seconds string
	video   []string // options, default H.264 with a keyframe every 2 s
	audio   []string // default AAC at 64 kbit/s
}

func publish(t *testing.T, s show) *publisher {
	t.Helper()
	def := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	def(&s.size, "320x180")
	def(&s.rate, "30")
	def(&s.seconds, "60")
	if s.video == nil {
		s.video = []string{"-c:v", "libx264", "-preset", "ultrafast", "-b:v", "400k", "-force_key_frames", "expr:gte(t,n_forced*2)"}
	}
	if s.audio == nil {
		s.audio = []string{"-c:a", "aac", "-b:a", "64k", "-ac", "2"}
	}
	args := []string{"-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=s=" + s.size + ":r=" + s.rate, "-re", "-f", "lavfi", "-i", "sine=r=48000:f=440", "-t", s.seconds}
	args = append(append(append(args, s.video...), s.audio...), "-f", "flv", s.url)
	p := &publisher{cmd: exec.Command("ffmpeg", args...), done: make(chan struct{})}
	p.cmd.Stderr = &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("ffmpeg: %v (install it: apt install ffmpeg)", err)
	}
	go func() {
		_ = p.cmd.Wait() // its status says less than its messages
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *publisher) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// wait waits for the publisher to end by itself and returns what it said.
func (p *publisher) wait(t *testing.T) string {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(25 * time.Second):
		t.Fatal("the publisher does not end")
	}
	return p.stderr.String()
}

// eventually waits for a condition that other processes bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (r *running) get(id media.StreamID) *store.Stream {
	r.t.Helper()
	var st *store.Stream
	eventually(r.t, "catalog of "+string(id), func() (ok bool) {
		st, ok = r.dir.Get(id)
		return ok
	})
	return st
}

// parts are all complete parts of a track in the window.
func parts(t *testing.T, st *store.Stream, track string) []*store.Part {
	t.Helper()
	tr, ok := st.Track(track)
	if !ok {
		t.Fatalf("no track %s in %v", track, names(st.Info()))
	}
	var out []*store.Part
	for _, s := range tr.Snapshot().Segments {
		out = append(out, s.Parts...)
	}
	return out
}

func names(info *media.StreamInfo) string {
	var out []string
	for _, t := range info.Tracks {
		out = append(out, t.Name)
	}
	return strings.Join(out, " ")
}

// check verifies headers and numbering of every track, and that all tracks
// have the same segments at the same time. It returns the segments' starts.
func check(t *testing.T, st *store.Stream) map[uint64]time.Time {
	t.Helper()
	info := st.Info()
	var want map[uint64]time.Time
	disc := map[uint64]uint64{}
	for _, tr := range info.Tracks {
		got := map[uint64]time.Time{}
		ps := parts(t, st, tr.Name)
		for i, p := range ps {
			h, err := media.VerifyHeader(p.Raw, info.Key)
			if err != nil {
				t.Fatalf("%s %s: %v", tr.Name, p.ID(), err)
			}
			if h.Track != tr.Number || h.Stream != info.ID || !p.Complete() {
				t.Fatalf("%s: header %+v", tr.Name, h)
			}
			for c := range h.Chunks() {
				from, to := h.ChunkRange(c)
				if err := h.VerifyChunk(c, p.Bytes()[from:to]); err != nil {
					t.Fatal(err)
				}
			}
			if _, ok := tr.Init(h.Init); !ok {
				t.Errorf("%s %s: unknown initialization section %d", tr.Name, h.ID, h.Init)
			}
			if h.Duration > info.PartTarget() {
				t.Errorf("%s %s: %v exceeds %v", tr.Name, h.ID, h.Duration, info.PartTarget())
			}
			if d, ok := disc[h.ID.MSN]; ok && d != h.Discontinuity {
				t.Errorf("%s %s: discontinuity %d, another track has %d", tr.Name, h.ID, h.Discontinuity, d)
			}
			disc[h.ID.MSN] = h.Discontinuity
			if h.ID.Index == 0 {
				got[h.ID.MSN] = h.PDT
			}
			if i == 0 {
				continue
			}
			prev := ps[i-1].Header
			next := media.PartID{MSN: prev.ID.MSN, Index: prev.ID.Index + 1}
			if prev.Flags.Has(media.FlagLast) {
				next = media.PartID{MSN: prev.ID.MSN + 1}
			}
			if h.ID != next {
				t.Errorf("%s: %s after %s", tr.Name, h.ID, prev.ID)
			}
			if changed := h.Discontinuity != prev.Discontinuity; changed != h.Flags.Has(media.FlagDiscontinuity) {
				t.Errorf("%s %s: discontinuity flag", tr.Name, h.ID)
			} else if d := h.PDT.Sub(prev.PDT.Add(prev.Duration)); !changed && (d < -2*time.Microsecond || d > 2*time.Microsecond) {
				t.Errorf("%s %s: %v after the end of the part before", tr.Name, h.ID, d)
			}
		}
		if want == nil {
			want = got
			continue
		}
		if len(got) != len(want) {
			t.Errorf("%s has %d segments, %s has %d", tr.Name, len(got), info.Tracks[0].Name, len(want))
		}
		for msn, at := range want {
			if d := got[msn].Sub(at); d < -time.Millisecond || d > 50*time.Millisecond {
				t.Errorf("%s segment %d begins %v after the first track's", tr.Name, msn, d)
			}
		}
	}
	return want
}

// decode plays every track between gaps with ffmpeg, which must not complain,
// and returns the number of its frames.
func decode(t *testing.T, st *store.Stream) map[string]int {
	t.Helper()
	frames := map[string]int{}
	for _, tr := range st.Info().Tracks {
		var files [][]byte
		init := uint64(0)
		for _, p := range parts(t, st, tr.Name) {
			if p.Header.Flags.Has(media.FlagGap) {
				init = 0
				continue
			}
			if p.Header.Init != init || p.Header.Flags.Has(media.FlagDiscontinuity) {
				init = p.Header.Init
				in, _ := tr.Init(init)
				files = append(files, bytes.Clone(in.Data))
			}
			files[len(files)-1] = append(files[len(files)-1], p.Bytes()...)
		}
		for i, b := range files {
			path := filepath.Join(t.TempDir(), fmt.Sprintf("%s-%d.mp4", tr.Name, i))
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("ffprobe", "-v", "warning", "-count_frames", "-show_entries", "stream=nb_read_frames,codec_name,height", "-of", "default=nw=1", path).CombinedOutput()
			var n, height int
			for _, line := range strings.Split(string(out), "\n") {
				fmt.Sscanf(line, "nb_read_frames=%d", &n)
				fmt.Sscanf(line, "height=%d", &height)
			}
			if err != nil || n == 0 || tr.Kind == media.Video && height != tr.Height || strings.Count(string(out), "=") != strings.Count(string(out), "\n") {
				t.Errorf("%s, file %d: %v\n%s", tr.Name, i, err, out)
			}
			frames[tr.Name] += n
		}
	}
	return frames
}

// value reads a counter or gauge.
func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		t.Fatal(err)
	}
	return d.GetCounter().GetValue() + d.GetGauge().GetValue()
}
