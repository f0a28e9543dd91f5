package relay

import (
	"context"
	"sync"

	"starling/internal/store"
)

// catalogHub tells all sessions that some catalog changed, so that each stream
// is watched once and not once a session.
type catalogHub struct {
	dir *store.Directory

	mu sync.Mutex
	ch chan struct{}
}

func newCatalogHub(dir *store.Directory) *catalogHub {
	return &catalogHub{dir: dir, ch: make(chan struct{})}
}

// changed is closed at the next change of any catalog or of the set of streams.
func (h *catalogHub) changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ch
}

func (h *catalogHub) notify() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.ch)
	h.ch = make(chan struct{})
}

// run watches the directory until ctx ends.
func (h *catalogHub) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	watched := map[*store.Stream]context.CancelFunc{}
	for {
		changed := h.dir.Changed()
		now := map[*store.Stream]bool{}
		for _, s := range h.dir.List() {
			now[s] = true
			if watched[s] == nil {
				sctx, cancel := context.WithCancel(ctx)
				watched[s] = cancel
				wg.Go(func() { h.watch(sctx, s) })
			}
		}
		for s, cancel := range watched {
			if !now[s] {
				cancel()
				delete(watched, s)
			}
		}
		h.notify()
		select {
		case <-changed:
		case <-ctx.Done():
			for _, cancel := range watched {
				cancel()
			}
			return
		}
	}
}

func (h *catalogHub) watch(ctx context.Context, s *store.Stream) {
	for {
		// The channel is taken before sessions are told to look, so that no
		// change falls between.
		changed := s.Changed()
		h.notify()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
