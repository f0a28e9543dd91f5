// Package wait pauses without outliving what it is done for.
package wait

import (
	"context"
	"time"
)

// For waits d. When ctx ends first it returns the cause.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
