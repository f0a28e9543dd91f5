package ladder

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"starling/origin/flv"
)

// errRecycle ends a process whose timestamps near the end of FLV's range.
var errRecycle = errors.New("the encoder has run for three weeks and its timestamps must begin anew")

// run is the life of one process. It returns when the process and everything
// around it has ended.
func (e *Encoder) run(ctx context.Context) error {
	ctx, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	e.inAt.Store(0)

	p, err := start(ctx, e.cfg.FFmpeg, args(e.cfg.Source, e.cfg.Rungs, e.cfg.Preset), len(e.cfg.Rungs))
	if err != nil {
		return err
	}
	e.pid.Store(int64(p.pid))
	defer e.pid.Store(0)

	var wg sync.WaitGroup
	var base atomic.Int64 // publisher's time of the first frame in, ms
	outs := make([]atomic.Int64, len(p.outputs))
	wg.Go(func() {
		if err := e.write(ctx, p.input, &base); err != nil {
			kill(err)
		}
		p.input.Close()
	})
	for i, out := range p.outputs {
		wg.Go(func() {
			if err := e.read(i, out, &base, outs); err != nil {
				kill(err)
			}
			out.Close()
		})
	}
	wg.Go(func() { e.watch(ctx, p.ended, kill) })

	err = p.wait()
	stderr := p.lastLines()
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if err == nil {
		err = errors.New("ended by itself")
	}
	if stderr != "" {
		err = fmt.Errorf("%w; it said: %s", err, stderr)
	}
	return err
}

// write feeds the process until the feed is closed and empty.
func (e *Encoder) write(ctx context.Context, w io.Writer, base *atomic.Int64) error {
	var buf []byte
	begun := false
	for {
		au, ok, more := e.feed.take()
		switch {
		case !more:
			return nil
		case !ok:
			select {
			case <-e.feed.wake:
			case <-ctx.Done():
				return nil
			}
			continue
		}
		buf = buf[:0]
		if !begun {
			begun = true
			base.Store(au.DTS)
			buf = flv.AppendConfig(flv.AppendHeader(buf), e.source)
		}
		au.DTS, au.PTS = au.DTS-base.Load(), au.PTS-base.Load()
		if au.DTS < 0 || au.DTS > flv.MaxTimestamp-(1<<28) {
			return errRecycle
		}
		buf = flv.AppendVideo(buf, au)
		e.inAt.CompareAndSwap(0, time.Now().UnixNano())
		if _, err := w.Write(buf); err != nil {
			return nil // the process is ending and says why itself
		}
	}
}

// read delivers one rung's frames until the process closes the pipe.
func (e *Encoder) read(rung int, r io.Reader, base *atomic.Int64, outs []atomic.Int64) error {
	in := flv.NewReader(bufio.NewReaderSize(r, 64<<10), e.cfg.MaxFrame)
	for {
		au, err := in.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("reading rung %d: %w", rung, err)
		}
		au.DTS, au.PTS = au.DTS+base.Load(), au.PTS+base.Load()
		outs[rung].Store(au.PTS)
		slowest := au.PTS
		for i := range outs {
			slowest = min(slowest, outs[i].Load())
		}
		e.lastOut.Store(slowest)
		e.inAt.Store(0)
		e.sink.Encoded(rung, in.Config(), au)
	}
}

// watch kills a process that stalls, or that does not end after Drain.
func (e *Encoder) watch(ctx context.Context, ended <-chan struct{}, kill context.CancelCauseFunc) {
	tick := time.NewTicker(max(min(e.cfg.Stall, e.cfg.Grace)/10, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if at := e.inAt.Load(); at != 0 && now.Sub(time.Unix(0, at)) > e.cfg.Stall {
				kill(errStalled{e.cfg.Stall})
			}
			if at := e.drainAt.Load(); at != 0 && now.Sub(time.Unix(0, at)) > e.cfg.Grace {
				kill(errors.New("did not finish in time"))
			}
		}
	}
}

// process is a running child with its pipes.
type process struct {
	pid     int
	input   io.WriteCloser
	outputs []*os.File
	ended   chan struct{}
	err     error
	stderr  tail
}

// start runs the program in its own process group; it is killed with ctx, and
// by the kernel if this process dies (where the system can do that).
func start(ctx context.Context, path string, args []string, outputs int) (*process, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	p := &process{ended: make(chan struct{})}
	var theirs []*os.File
	closeAll := func(fs []*os.File) {
		for _, f := range fs {
			f.Close()
		}
	}
	for range outputs {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(theirs)
			closeAll(p.outputs)
			return nil, fmt.Errorf("making a pipe for the encoder: %w", err)
		}
		p.outputs, theirs = append(p.outputs, r), append(theirs, w)
	}
	cmd.ExtraFiles = theirs
	cmd.Stderr = &p.stderr
	cmd.WaitDelay = time.Second // a grandchild must not hold us by its stderr
	isolate(cmd)
	input, err := cmd.StdinPipe()
	if err != nil {
		closeAll(theirs)
		closeAll(p.outputs)
		return nil, fmt.Errorf("making a pipe for the encoder: %w", err)
	}
	p.input = input

	started := make(chan error, 1)
	go func() {
		// The kernel kills the child when the thread that started it ends
		// (prctl(2), PR_SET_PDEATHSIG), so this thread waits for the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		reap(cmd)
		close(p.ended)
	}()
	err = <-started
	closeAll(theirs)
	if err != nil {
		closeAll(p.outputs)
		return nil, fmt.Errorf("starting the encoder: %w", err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

func (p *process) wait() error {
	<-p.ended
	return p.err
}

func (p *process) lastLines() string { return p.stderr.String() }
