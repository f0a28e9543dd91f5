package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func TestBackoffGrowsAndForgives(t *testing.T) {
	var b backoff
	var got []time.Duration
	for _, ran := range []time.Duration{0, time.Second, 0, 0, 0, 0, 0, steady, 0} {
		got = append(got, b.next(ran))
	}
	s, ms := time.Second, time.Millisecond
	if want := []time.Duration{500 * ms, s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s, 500 * ms, s}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// The command line is given to the real ffmpeg, with a file in place of the
// server, and the result is measured.
func TestFFmpegMakesTheDescribedBroadcast(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.flv")
	p := New(Config{FFmpeg: "ffmpeg", URL: out, Size: "320x180", FrameRate: 30, Bitrate: 300_000, KeyFrames: time.Second}, quiet)
	clock, err := p.prepareClock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if !clock {
		t.Error("no clock: is fonts-dejavu-core installed?")
	}
	args := p.cfg.args(clock)
	args = slices.Insert(args, len(args)-1, "-t", "2.1")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", args...)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
		t.Fatalf("ffmpeg: %v: %s", err, said)
	}
	probe, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height,sample_rate,channels,r_frame_rate:packet=flags,stream_index,pts_time",
		"-of", "json", out).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Streams []struct {
			Codec      string `json:"codec_name"`
			Width      int    `json:"width"`
			Rate       string `json:"r_frame_rate"`
			SampleRate string `json:"sample_rate"`
			Channels   int    `json:"channels"`
		}
		Packets []struct {
			Stream int    `json:"stream_index"`
			Flags  string `json:"flags"`
			PTS    string `json:"pts_time"`
		}
	}
	if err := json.Unmarshal(probe, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Streams) != 2 || got.Streams[0].Codec != "h264" || got.Streams[0].Width != 320 || got.Streams[0].Rate != "30/1" ||
		got.Streams[1].Codec != "aac" || got.Streams[1].SampleRate != "48000" || got.Streams[1].Channels != 2 {
		t.Errorf("streams: %+v", got.Streams)
	}
	frames, keys := 0, []int{}
	for _, packet := range got.Packets {
		if packet.Stream == 0 {
			if strings.Contains(packet.Flags, "K") {
				keys = append(keys, frames)
			}
			frames++
		}
	}
	if !slices.Equal(keys, []int{0, 30, 60}) || frames != 63 {
		t.Errorf("key frames %v of %d", keys, frames)
	}
}

// A server that hangs up on every publisher makes ffmpeg fail again and again:
// it is started again, and after Run nothing of it is left.
func TestARefusedBroadcastIsTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tries := make(chan struct{}, 8)
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			select {
			case tries <- struct{}{}:
			default:
			}
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	p := New(Config{FFmpeg: "ffmpeg", URL: fmt.Sprintf("rtmp://%s/live/x", l.Addr()), Size: "64x64", FrameRate: 5, Bitrate: 100_000, KeyFrames: time.Second}, quiet)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	<-tries
	<-tries
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	l.Close()
	<-accepting
}

func TestWithoutFFmpegTheErrorSaysSo(t *testing.T) {
	p := New(Config{FFmpeg: "/nonexistent/ffmpeg"}, quiet)
	if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "apt-get install ffmpeg") {
		t.Errorf("got %v", err)
	}
}

func TestFontSearchTakesTheFirstThatIsThere(t *testing.T) {
	dir := t.TempDir()
	second := filepath.Join(dir, "b.ttf")
	if err := os.WriteFile(second, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := findFont([]string{filepath.Join(dir, "a.ttf"), dir, second}); got != second {
		t.Errorf("got %q", got)
	}
	if got := findFont(nil); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestOverlongWordsDoNotBlock(t *testing.T) {
	l := lastLine{log: quiet}
	l.read(io.MultiReader(strings.NewReader("one\n\ntwo\n"), strings.NewReader(strings.Repeat("x", 1<<20)), strings.NewReader("\nend\n")))
	if l.line != "two" {
		t.Errorf("kept %q", l.line)
	}
}
