package ladder

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"starling/internal/cmaf"
)

// Config of an Encoder.
type Config struct {
	FFmpeg string // path of the program
	Preset string // of x264; default superfast
	Rungs  []Rung
	Source SourceInfo

	// Stall is how long the encoder may give nothing while frames go in before
	// it is killed; default 5 s, which is more than any start-up.
	Stall time.Duration
	// MaxLag is how much media may wait in front of the encoder; default 3 s.
	// Beyond it whole groups of pictures are dropped.
	MaxLag time.Duration
	// MaxFrame bounds one encoded frame, bytes; default 8 MiB.
	MaxFrame int
	// MinBackoff and MaxBackoff bound the pause before a restart, which doubles
	// with every failure; defaults 200 ms and 30 s. A run of 30 s resets it.
	MinBackoff, MaxBackoff time.Duration
	// Grace is how long the encoder may take to finish after Drain; default 3 s.
	Grace time.Duration
}

// maxQueueBytes bounds the memory in front of one encoder: MaxLag of 80 Mbit/s.
const maxQueueBytes = 32 << 20

// stableRun is how long a run must last to be no failure in a row.
const stableRun = 30 * time.Second

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.Stall, 5*time.Second)
	def(&c.MaxLag, 3*time.Second)
	def(&c.MinBackoff, 200*time.Millisecond)
	def(&c.MaxBackoff, 30*time.Second)
	def(&c.Grace, 3*time.Second)
	if c.Preset == "" {
		c.Preset = "superfast"
	}
	if c.MaxFrame == 0 {
		c.MaxFrame = 8 << 20
	}
	return c
}

// Sink gets what an Encoder makes. Its methods are called from the encoder's
// goroutines, one at a time for each rung, and may block.
type Sink interface {
	// Encoded delivers a frame of a rung with the source's times; config is
	// the rung's and may change only after Down.
	Encoded(rung int, config *cmaf.VideoConfig, au cmaf.AccessUnit)
	// Down says that the process ended and is about to be restarted.
	Down(err error)
}

// Encoder keeps one ffmpeg running from Start until Drain or the end of its
// context. Done is closed when the process and all goroutines have ended.
type Encoder struct {
	cfg    Config
	source *cmaf.VideoConfig
	log    *slog.Logger
	sink   Sink
	feed   *feed
	done   chan struct{}
	drain  chan struct{} // closed by Drain

	restarts atomic.Uint64
	lastIn   atomic.Int64 // newest PTS offered, ms
	lastOut  atomic.Int64 // newest PTS of the slowest rung, ms
	inAt     atomic.Int64 // Unix ns of the first input since the last output, 0: none
	drainAt  atomic.Int64 // Unix ns
	pid      atomic.Int64
}

// Start runs the encoder for a source.
func Start(ctx context.Context, cfg Config, source *cmaf.VideoConfig, sink Sink, log *slog.Logger) *Encoder {
	cfg = cfg.withDefaults()
	e := &Encoder{cfg: cfg, source: source, log: log, sink: sink, feed: newFeed(cfg.MaxLag, maxQueueBytes), done: make(chan struct{}), drain: make(chan struct{})}
	go func() {
		defer close(e.done)
		e.supervise(ctx)
	}()
	return e
}

// Offer gives the encoder the next access unit of the source; it never blocks.
func (e *Encoder) Offer(au cmaf.AccessUnit) {
	e.lastIn.Store(au.PTS)
	e.feed.put(au)
}

// Drain lets the encoder finish what it has got and end.
func (e *Encoder) Drain() {
	if e.drainAt.CompareAndSwap(0, time.Now().UnixNano()) {
		e.feed.close()
		close(e.drain)
	}
}

// Done is closed when the process has ended and nothing more will come.
func (e *Encoder) Done() <-chan struct{} { return e.done }

// Restarts counts how often the process had to be started again.
func (e *Encoder) Restarts() uint64 { return e.restarts.Load() }

// Dropped counts source frames that were not encoded because the encoder was behind or down.
func (e *Encoder) Dropped() uint64 { return e.feed.droppedFrames() }

// Lag is how far the slowest rung is behind the source, in media time. It is
// 0 before the first frame.
func (e *Encoder) Lag() time.Duration {
	out := e.lastOut.Load()
	if out == 0 {
		return 0
	}
	return time.Duration(max(e.lastIn.Load()-out, 0)) * time.Millisecond
}

// Position is the newest time that came out, on the publisher's clock.
func (e *Encoder) Position() time.Duration { return time.Duration(e.lastOut.Load()) * time.Millisecond }

// PID is the process's id, 0 while none runs.
func (e *Encoder) PID() int { return int(e.pid.Load()) }

func (e *Encoder) supervise(ctx context.Context) {
	pause := e.cfg.MinBackoff
	for {
		began := time.Now()
		err := e.run(ctx)
		if ctx.Err() != nil || e.feed.isClosed() {
			return
		}
		e.feed.restart() // what the process had taken is lost: the next begins at a keyframe
		e.sink.Down(err)
		if time.Since(began) > stableRun {
			pause = e.cfg.MinBackoff
		}
		e.restarts.Add(1)
		e.log.Error("encoder ended and is started again", "err", err, "after", time.Since(began).Round(time.Millisecond), "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		case <-e.drain:
			return
		}
		if pause > e.cfg.MaxLag/2 {
			e.feed.restart() // rather newer frames than a late start
		}
		pause = min(2*pause, e.cfg.MaxBackoff)
	}
}

// errStalled ends a process that takes frames and gives none.
type errStalled struct{ after time.Duration }

func (e errStalled) Error() string {
	return fmt.Sprintf("gave no frame for %v although frames went in: is this machine too slow for the ladder?", e.after.Round(time.Second))
}
