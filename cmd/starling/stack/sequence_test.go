package stack

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// diary records what components do, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// part is a runner that takes a second to be ready and one to stop.
type part struct {
	*diary
	name  string
	fails error
	ready chan struct{}
}

func (p *part) Listening() <-chan struct{} { return p.ready }

func (p *part) Run(ctx context.Context) error {
	p.add("start " + p.name)
	time.Sleep(time.Second) // virtual
	if p.fails != nil {
		return p.fails
	}
	p.add("ready " + p.name)
	close(p.ready)
	<-ctx.Done()
	time.Sleep(time.Second) // virtual
	p.add("stop " + p.name)
	return nil
}

func (d *diary) part(name string, fails error) component {
	return as(name, &part{d, name, fails, make(chan struct{})})
}

func as(name string, r runner) component {
	return component{name: name, build: func() (runner, error) { return r, nil }}
}

func newSequence(parts ...component) *sequence {
	return &sequence{components: parts, grace: 5 * time.Second, log: slog.New(slog.DiscardHandler)}
}

func TestPartsStartInOrderAndStopInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		err := newSequence(d.part("a", nil), d.part("b", nil)).run(ctx, func() { d.add("up"); cancel() })
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"start a", "ready a", "start b", "ready b", "up", "stop b", "stop a"}; !slices.Equal(d.lines, want) {
			t.Errorf("%v, want %v", d.lines, want)
		}
	})
}

func TestAFailureStopsWhatHasStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		boom := errors.New("boom")
		err := newSequence(d.part("a", nil), d.part("b", boom), d.part("c", nil)).run(t.Context(), func() { d.add("up") })
		if !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "b: ") || strings.Count(err.Error(), "boom") != 1 {
			t.Errorf("got %v", err)
		}
		if want := []string{"start a", "ready a", "start b", "stop a"}; !slices.Equal(d.lines, want) {
			t.Errorf("%v, want %v", d.lines, want)
		}
	})
}

func TestAPartThatCannotBeMadeStopsWhatHasStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		boom := errors.New("boom")
		bad := component{name: "bad", build: func() (runner, error) { return nil, boom }}
		err := newSequence(d.part("a", nil), bad).run(t.Context(), func() { d.add("up") })
		if !errors.Is(err, boom) || err.Error() != "bad: boom" {
			t.Errorf("got %v", err)
		}
		if want := []string{"start a", "ready a", "stop a"}; !slices.Equal(d.lines, want) {
			t.Errorf("%v, want %v", d.lines, want)
		}
	})
}

func TestAFailureWhileUpStopsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		late := as("late", runFunc(func(context.Context) error {
			time.Sleep(time.Minute) // virtual
			return nil
		}))
		err := newSequence(d.part("a", nil), late).run(t.Context(), func() { d.add("up") })
		if err == nil || !strings.Contains(err.Error(), "late ended by itself") {
			t.Errorf("got %v", err)
		}
		if want := []string{"start a", "ready a", "up", "stop a"}; !slices.Equal(d.lines, want) {
			t.Errorf("%v, want %v", d.lines, want)
		}
	})
}

func TestCancelDuringTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if err := newSequence(d.part("a", nil), d.part("b", nil)).run(ctx, func() { d.add("up") }); err != nil {
			t.Error(err)
		}
		if want := []string{"start a", "ready a", "start b", "ready b", "stop b", "stop a"}; !slices.Equal(d.lines, want) {
			t.Errorf("%v, want %v", d.lines, want)
		}
	})
}

func TestAPartThatDoesNotStopIsNamedAndTheOthersStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		release := make(chan struct{})
		stuck := as("stuck", runFunc(func(context.Context) error { <-release; return nil }))
		ctx, cancel := context.WithCancel(t.Context())
		err := newSequence(d.part("a", nil), stuck).run(ctx, cancel)
		if err == nil || !strings.Contains(err.Error(), "stuck did not stop within 5s") {
			t.Errorf("got %v", err)
		}
		if !slices.Contains(d.lines, "stop a") {
			t.Errorf("%v", d.lines)
		}
		close(release)
	})
}
