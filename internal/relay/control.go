package relay

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"starling/internal/relaywire"
)

// maxQueued bounds control frames that the peer has not taken yet: two of the
// largest catalogs.
const maxQueued = 2 * relaywire.MaxPayload

// control writes the control frames of one session: callers queue and never
// block, one goroutine writes.
type control struct {
	str *quic.Stream

	mu     sync.Mutex
	queue  []byte
	wake   chan struct{} // holds a token while there is something to write
	idle   chan struct{} // closed and replaced when the queue was written
	failed error
}

func newControl(str *quic.Stream) *control {
	str.SetPriority(urgencyControl, false)
	return &control{str: str, wake: make(chan struct{}, 1), idle: make(chan struct{})}
}

// send queues a frame. A peer that lets the queue grow beyond its bound is
// reported by run.
func (c *control) send(f relaywire.Frame) {
	c.mu.Lock()
	if c.failed == nil {
		c.queue = relaywire.Append(c.queue, f)
		if len(c.queue) > maxQueued {
			c.failed = errSlowPeer
		}
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

var errSlowPeer = closeWith(relaywire.CloseSlow, "control frames are not read")

// run writes what is queued until ctx ends. A blocked write ends when the
// session closes its connection.
func (c *control) run(ctx context.Context) error {
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		c.mu.Lock()
		b, failed := c.queue, c.failed
		c.queue = nil
		c.mu.Unlock()
		if failed != nil {
			return failed
		}
		if err := c.write(ctx, b); err != nil {
			return err
		}
		c.mu.Lock()
		close(c.idle)
		c.idle = make(chan struct{})
		c.mu.Unlock()
	}
}

func (c *control) write(ctx context.Context, b []byte) error {
	if err := c.str.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := c.str.Write(b)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlowPeer
	}
	return err
}

// flush waits until what is queued now was handed to QUIC, so that a producer
// of large frames keeps pace with the peer.
func (c *control) flush(ctx context.Context) error {
	c.mu.Lock()
	idle, empty := c.idle, len(c.queue) == 0
	c.mu.Unlock()
	if empty {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
