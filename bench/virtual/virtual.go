// Package virtual runs a function in a bubble of testing/synctest, from a
// program as well as from a test: its clock stands still while any of its
// goroutines works and jumps to the next timer when all of them wait. A minute
// of a swarm then takes as long as its computing, and a loaded machine changes
// no latency.
//
// What is made in the bubble (channels, timers, goroutines) must be used and
// ended in it. Waiting for a socket, a file, a mutex, or a channel made outside
// stops the clock for as long.
package virtual

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// lookOutside is how often, in virtual time, a bubble looks whether the
// context outside it has ended.
const lookOutside = 100 * time.Millisecond

// Run calls fn in a new bubble and returns when it and all goroutines that it
// started have ended. Several bubbles may run at once. The context given to fn
// ends soon after ctx does; ctx itself must not be waited for in the bubble.
// The clock starts at midnight UTC 2000-01-01. A panic of fn comes back as an
// error; one of another goroutine, and a bubble all of whose goroutines wait
// for something other than time, end the program, as anywhere in Go.
func Run(ctx context.Context, fn func(ctx context.Context) error) error {
	var err error
	// The test is only how the standard library lets one into a bubble; a zero
	// one has no name, no parent and prints nothing.
	synctest.Test(new(testing.T), func(*testing.T) {
		inner, cancel := context.WithCancelCause(context.Background())
		done := make(chan struct{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			watch(ctx, cancel, done)
		}()
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic in virtual time: %v", r)
			}
			cancel(nil)
			close(done)
			<-ended
		}()
		err = fn(inner)
	})
	return err
}

// watch ends the bubble's context after the one outside has ended.
func watch(outside context.Context, cancel context.CancelCauseFunc, done <-chan struct{}) {
	tick := time.NewTicker(lookOutside)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			if err := outside.Err(); err != nil {
				cancel(context.Cause(outside))
				return
			}
		}
	}
}

// Wait returns when every other goroutine of the caller's bubble waits for
// something: what is due at this instant is then done.
func Wait() { synctest.Wait() }
