package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// runner is a part of a node: it runs until its context ends.
type runner interface {
	Run(ctx context.Context) error
}

// listening is a runner that others may use only after its channel closes.
type listening interface{ Listening() <-chan struct{} }

// runFunc is a runner made of a function.
type runFunc func(context.Context) error

func (f runFunc) Run(ctx context.Context) error { return f(ctx) }

// component is one step of a start. build is called when the components before
// it are ready, so it may ask them for their addresses.
type component struct {
	name  string
	build func() (runner, error)
	ready func() // called once the runner listens; may be nil
}

// sequence starts its components one after the other, each when the one before
// is ready, and stops them in the reverse order, each when the one after it
// has ended. So nothing talks to a part that is not there yet, or no longer.
type sequence struct {
	components []component
	// grace bounds the stop of one component; a component that does not end
	// in it is reported and left.
	grace time.Duration
	log   *slog.Logger
}

type running struct {
	name string
	stop context.CancelFunc
	done chan struct{}
	err  error // after done
}

// run starts everything, calls up when all of it is ready, and returns after
// all of it has ended: because ctx ended (nil), or because a component failed
// or ended by itself (an error).
func (s *sequence) run(ctx context.Context, up func()) error {
	var started []*running
	ended := make(chan *running, len(s.components))
	err := func() error {
		for _, c := range s.components {
			part, err := c.build()
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			started = append(started, start(ctx, c.name, part, ended))
			l, ok := part.(listening)
			if !ok {
				continue
			}
			select {
			case <-l.Listening():
				s.log.Debug("ready", "part", c.name)
				if c.ready != nil {
					c.ready()
				}
			case r := <-ended:
				return why(ctx, r)
			case <-ctx.Done():
				return nil
			}
		}
		up()
		select {
		case r := <-ended:
			return why(ctx, r)
		case <-ctx.Done():
			return nil
		}
	}()
	for i := len(started) - 1; i >= 0; i-- {
		err = errors.Join(err, s.stop(started[i]))
	}
	return err
}

func start(ctx context.Context, name string, part runner, ended chan<- *running) *running {
	// Its context is its own: when the node stops, each component is told in
	// its turn.
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{name: name, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = part.Run(own)
		ended <- r
	}()
	return r
}

// why says how a component ended that nobody had told to.
func why(ctx context.Context, r *running) error {
	switch {
	case r.err != nil:
		return nil // stop reports it
	case ctx.Err() != nil:
		return nil
	}
	return fmt.Errorf("%s ended by itself", r.name)
}

// stop ends a component and returns what went wrong in it.
func (s *sequence) stop(r *running) error {
	r.stop()
	overdue := time.NewTimer(s.grace)
	defer overdue.Stop()
	select {
	case <-r.done:
		s.log.Debug("ended", "part", r.name)
	case <-overdue.C:
		return fmt.Errorf("%s did not stop within %s", r.name, s.grace)
	}
	if r.err != nil && !errors.Is(r.err, context.Canceled) {
		return fmt.Errorf("%s: %w", r.name, r.err)
	}
	return nil
}
