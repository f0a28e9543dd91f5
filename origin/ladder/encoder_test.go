package ladder

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"starling/internal/cmaf"
	"starling/origin/flv"
)

func TestMain(m *testing.M) {
	if os.Getenv("STARLING_TEST_ORPHAN") != "" {
		orphanParent()
		return
	}
	goleak.VerifyTestMain(m)
}

// clip encodes a test picture and returns its access units.
func clip(t testing.TB, seconds string, extra ...string) (*cmaf.VideoConfig, []cmaf.AccessUnit) {
	t.Helper()
	args := append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30", "-t", seconds, "-c:v", "libx264", "-preset", "ultrafast", "-g", "60"}, extra...)
	out, err := exec.Command("ffmpeg", append(args, "-f", "flv", "-")...).Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v (install it: apt install ffmpeg)", err)
	}
	r := flv.NewReader(bytes.NewReader(out), 1<<20)
	var aus []cmaf.AccessUnit
	for {
		au, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Config(), aus
		} else if err != nil {
			t.Fatal(err)
		}
		aus = append(aus, au)
	}
}

type recorder struct {
	mu     sync.Mutex
	frames map[int][]cmaf.AccessUnit
	config map[int]*cmaf.VideoConfig
	down   chan error
	first  chan struct{}
}

func newRecorder() *recorder {
	return &recorder{frames: map[int][]cmaf.AccessUnit{}, config: map[int]*cmaf.VideoConfig{}, down: make(chan error, 10), first: make(chan struct{}, 1000)}
}

func (r *recorder) Encoded(rung int, c *cmaf.VideoConfig, au cmaf.AccessUnit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames[rung] = append(r.frames[rung], au)
	r.config[rung] = c
	r.first <- struct{}{}
}

func (r *recorder) Down(err error) { r.down <- err }

func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func wait[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(15 * time.Second):
		t.Fatalf("%s: nothing after 15 s", what)
		panic("unreachable")
	}
}

func TestFramesComeBackWithTheirTimesAndKeyframes(t *testing.T) {
	for name, extra := range map[string][]string{"B-frames": {"-bf", "2"}, "scene cuts every second": {"-bf", "0", "-force_key_frames", "expr:gte(t,n_forced*1.1)"}} {
		t.Run(name, func(t *testing.T) {
			source, aus := clip(t, "5", extra...)
			rec := newRecorder()
			rec.first = make(chan struct{}, 10_000)
			e := Start(context.Background(), Config{FFmpeg: "ffmpeg", Preset: "ultrafast", MaxLag: time.Minute, Rungs: []Rung{{120, 200_000}, {64, 100_000}}, Source: SourceInfo{320, 180, 30, 0}}, source, rec, logger(t))
			const shift = 1 << 40 // times beyond FLV's range survive
			want := map[int64]bool{}
			for _, au := range aus {
				au.DTS, au.PTS = au.DTS+shift, au.PTS+shift
				want[au.PTS] = au.Key
				e.Offer(au)
			}
			e.Drain()
			wait(t, e.Done(), "drain")
			for rung, height := range []int{120, 64} {
				if c := rec.config[rung]; c == nil || c.Height != height {
					t.Fatalf("rung %d: %+v", rung, c)
				}
				if len(rec.frames[rung]) != len(aus) {
					t.Fatalf("rung %d: %d frames of %d", rung, len(rec.frames[rung]), len(aus))
				}
				for _, au := range rec.frames[rung] {
					key, ok := want[au.PTS]
					if !ok || key != au.Key || au.DTS != au.PTS {
						t.Fatalf("rung %d: frame at %d (decode %d) key %v; the source has one: %v, key %v", rung, au.PTS-shift, au.DTS-shift, au.Key, ok, key)
					}
				}
			}
		})
	}
}

func TestAKilledEncoderIsReportedAndReplaced(t *testing.T) {
	source, aus := clip(t, "4")
	rec := newRecorder()
	rec.first = make(chan struct{}, 10_000)
	ctx, cancel := context.WithCancel(context.Background())
	e := Start(ctx, Config{FFmpeg: "ffmpeg", Preset: "ultrafast", MinBackoff: time.Millisecond, Rungs: []Rung{{90, 100_000}}, Source: SourceInfo{320, 180, 30, 0}}, source, rec, logger(t))
	for _, au := range aus[:60] {
		e.Offer(au)
	}
	wait(t, rec.first, "first frame")
	if err := syscall.Kill(e.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, rec.down, "report"); !strings.Contains(err.Error(), "killed") {
		t.Errorf("reported %v", err)
	}
	// The next process begins at a keyframe, whatever is offered before it.
	deadline := time.Now().Add(10 * time.Second)
	for n := int64(0); ; n++ {
		for _, au := range aus[60:] {
			au.DTS, au.PTS = au.DTS+2000*n, au.PTS+2000*n
			e.Offer(au)
		}
		rec.mu.Lock()
		last := rec.frames[0][len(rec.frames[0])-1]
		rec.mu.Unlock()
		if last.PTS > 2100 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the new process gave nothing")
		}
		select {
		case <-rec.first:
		case <-time.After(20 * time.Millisecond):
		}
	}
	if e.Restarts() != 1 {
		t.Errorf("%d restarts", e.Restarts())
	}
	pid := e.PID()
	cancel()
	wait(t, e.Done(), "end")
	gone(t, pid)
}

func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "encoder.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAStalledEncoderThatIgnoresSignalsIsKilledWithItsChildren(t *testing.T) {
	source, aus := clip(t, "1")
	rec := newRecorder()
	pidFile := filepath.Join(t.TempDir(), "pid")
	// It reads, says nothing, and has a child that outlives the end of input.
	path := script(t, "trap '' TERM INT HUP\nsleep 1000 &\necho $! >"+pidFile+"\necho 'warming up' >&2\ncat >/dev/null\nwait\n")
	ctx, cancel := context.WithCancel(context.Background())
	e := Start(ctx, Config{FFmpeg: path, Stall: 300 * time.Millisecond, MinBackoff: time.Hour, MaxBackoff: time.Hour, Rungs: []Rung{{90, 100_000}}, Source: SourceInfo{320, 180, 30, 0}}, source, rec, logger(t))
	for _, au := range aus {
		e.Offer(au)
	}
	err := wait(t, rec.down, "report")
	var stalled errStalled
	if !errors.As(err, &stalled) || !strings.Contains(err.Error(), "warming up") {
		t.Errorf("reported %v", err)
	}
	b, _ := os.ReadFile(pidFile)
	child, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	gone(t, child)
	cancel()
	wait(t, e.Done(), "end")
}

func TestAnEncoderThatCannotStartIsReported(t *testing.T) {
	source, _ := clip(t, "1")
	rec := newRecorder()
	ctx, cancel := context.WithCancel(context.Background())
	e := Start(ctx, Config{FFmpeg: filepath.Join(t.TempDir(), "absent"), Rungs: []Rung{{90, 1}}}, source, rec, logger(t))
	if err := wait(t, rec.down, "report"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reported %v", err)
	}
	cancel()
	wait(t, e.Done(), "end")
}

func TestABlockedEncoderDoesNotBlockThePublisher(t *testing.T) {
	source, aus := clip(t, "4")
	ctx, cancel := context.WithCancel(context.Background())
	path := script(t, "exec sleep 1000\n") // never reads
	e := Start(ctx, Config{FFmpeg: path, Stall: time.Hour, MaxLag: time.Second, Rungs: []Rung{{90, 1}}}, source, newRecorder(), logger(t))
	big := make([]byte, 100_000)
	for _, au := range aus {
		au.Data = big
		e.Offer(au)
	}
	if e.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
	cancel()
	wait(t, e.Done(), "end")
}

// gone waits until a process has disappeared (or is a zombie of another parent).
func gone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there: %s", pid, b)
		}
	}
}

// orphanParent runs an encoder and says its process id, until it is killed.
func orphanParent() {
	e := Start(context.Background(), Config{FFmpeg: os.Getenv("STARLING_TEST_ORPHAN"), Rungs: []Rung{{90, 1}}}, nil, newRecorder(), slog.New(slog.DiscardHandler))
	for e.PID() == 0 {
		select {
		case <-time.After(time.Millisecond):
		case <-e.Done():
			return
		}
	}
	os.Stdout.WriteString(strconv.Itoa(e.PID()) + "\n")
	<-e.Done()
}

func TestNoEncoderOutlivesAKilledOrigin(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STARLING_TEST_ORPHAN="+script(t, "exec sleep 1000\n"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, convErr := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || convErr != nil {
		t.Fatalf("%q: %v %v", line, err, convErr)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	gone(t, pid)
}
