package virtual

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

var errOwn = errors.New("own")

func TestTimeIsVirtual(t *testing.T) {
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			err := Run(t.Context(), func(ctx context.Context) error {
				begin := time.Now()
				time.Sleep(time.Hour)
				if took := time.Since(begin); took != time.Hour {
					t.Errorf("an hour took %v", took)
				}
				if ctx.Err() != nil {
					t.Error("the context has ended")
				}
				return errOwn
			})
			if !errors.Is(err, errOwn) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOutsideEndsTheInside(t *testing.T) {
	outside, cancel := context.WithCancelCause(t.Context())
	err := Run(outside, func(ctx context.Context) error {
		cancel(errOwn)
		begin := time.Now()
		<-ctx.Done()
		if took := time.Since(begin); took > lookOutside {
			t.Errorf("the context ended after %v", took)
		}
		return context.Cause(ctx)
	})
	if !errors.Is(err, errOwn) {
		t.Error(err)
	}
}

func TestPanicIsAnError(t *testing.T) {
	err := Run(t.Context(), func(context.Context) error { panic("boo") })
	if err == nil || !strings.Contains(err.Error(), "boo") {
		t.Error(err)
	}
}

func TestWait(t *testing.T) {
	err := Run(t.Context(), func(context.Context) error {
		done := false
		go func() { done = true }()
		Wait()
		if !done {
			t.Error("a goroutine that could run did not")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
