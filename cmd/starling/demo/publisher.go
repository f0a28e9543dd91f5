package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// A failed ffmpeg is started again after backoffMin, then twice that, up
	// to backoffMax; one that ran for steady is forgiven its past.
	backoffMin = 500 * time.Millisecond
	backoffMax = 10 * time.Second
	steady     = 30 * time.Second
	// stopGrace is what ffmpeg gets to say goodbye to the server.
	stopGrace = 2 * time.Second
)

// Publisher keeps the broadcast running.
type Publisher struct {
	cfg Config
	log *slog.Logger
}

// New prepares a publisher.
func New(cfg Config, log *slog.Logger) *Publisher { return &Publisher{cfg, log.With("role", "demo")} }

// Run publishes until ctx ends and returns nil when ffmpeg has ended. It fails
// only when ffmpeg cannot be started at all.
func (p *Publisher) Run(ctx context.Context) error {
	if _, err := exec.LookPath(p.cfg.FFmpeg); err != nil {
		return fmt.Errorf("the test broadcast needs ffmpeg (apt-get install ffmpeg, or set origin.ffmpeg): %w", err)
	}
	dir, err := os.MkdirTemp("", "starling-demo-")
	if err != nil {
		return fmt.Errorf("making a directory for the test broadcast: %w", err)
	}
	defer os.RemoveAll(dir)
	clock, err := p.prepareClock(ctx, dir)
	if err != nil {
		return fmt.Errorf("preparing the clock of the test broadcast: %w", err)
	}
	var b backoff
	for {
		began := time.Now()
		err := p.publish(ctx, dir, clock)
		if ctx.Err() != nil {
			return nil
		}
		wait := b.next(time.Since(began))
		p.log.Warn("the test broadcast stopped, starting it again", "err", err, "wait", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// prepareClock puts the font and the clock's template into dir. Without a font
// or the filter the picture goes without a clock.
func (p *Publisher) prepareClock(ctx context.Context, dir string) (bool, error) {
	font := findFont(fonts)
	if font == "" || !canDrawText(ctx, p.cfg.FFmpeg) {
		p.log.Info("no clock in the picture: it needs a font (apt-get install fonts-dejavu-core) and an ffmpeg with drawtext")
		return false, nil
	}
	if err := os.Symlink(font, filepath.Join(dir, fontName)); err != nil {
		return false, err
	}
	return true, os.WriteFile(filepath.Join(dir, clockName), []byte(clockText), 0o600)
}

// publish runs ffmpeg once. It returns why ffmpeg ended, with its last words.
func (p *Publisher) publish(ctx context.Context, dir string, clock bool) error {
	cmd := exec.CommandContext(ctx, p.cfg.FFmpeg, p.cfg.args(clock)...)
	cmd.Dir = dir
	// Of its own process group: Ctrl-C in a terminal goes to this program
	// alone, which then stops ffmpeg in its turn.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = stopGrace
	said := &lastLine{log: p.log}
	r, w := io.Pipe()
	cmd.Stderr = w
	read := make(chan struct{})
	go func() { defer close(read); said.read(r) }()
	err := cmd.Run()
	w.Close()
	<-read
	if err == nil {
		err = errors.New("ffmpeg ended by itself")
	}
	if said.line != "" {
		err = fmt.Errorf("%w: %s", err, said.line)
	}
	return err
}

// lastLine passes what ffmpeg says to the log and keeps the end of it.
type lastLine struct {
	log  *slog.Logger
	line string
}

func (l *lastLine) read(r io.Reader) {
	s := bufio.NewScanner(r)
	for s.Scan() {
		if s.Text() != "" {
			l.line = s.Text()
			l.log.Debug("ffmpeg", "said", l.line)
		}
	}
	// A line too long for the scanner must not block ffmpeg.
	_, _ = io.Copy(io.Discard, r)
}

// backoff is the time to wait between failures.
type backoff struct{ wait time.Duration }

// next gives the wait after a run that lasted ran.
func (b *backoff) next(ran time.Duration) time.Duration {
	if ran >= steady || b.wait == 0 {
		b.wait = backoffMin
	} else {
		b.wait = min(2*b.wait, backoffMax)
	}
	return b.wait
}
