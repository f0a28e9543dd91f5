// Package tracker arranges the viewers of a stream into a swarm: it speaks the
// protocol of docs/tracker.md over WebSocket, feeds the overlay policy
// (internal/swarm) with what viewers say, and tells each viewer its place. It
// also has the STUN server that shows browsers their public address.
package tracker

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"starling/internal/media"
	"starling/internal/telemetry"
)

// Tracker is a tracker for all streams of its catalogs. Make it with New, serve
// Handler at /tracker, and call Run once.
type Tracker struct {
	cfg      Config
	catalogs Catalogs
	log      *slog.Logger
	metrics  *metrics
	seed     maphash.Seed // of what is kept of addresses

	mu       sync.Mutex
	ctx      context.Context // of Run; nil before
	draining bool
	rooms    map[media.StreamID]*room
	open     map[*connection]struct{}

	sessions sync.WaitGroup
	keepers  sync.WaitGroup // of rooms
}

// New makes a tracker and registers its metrics.
func New(cfg Config, catalogs Catalogs, log *slog.Logger, reg prometheus.Registerer) (*Tracker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	t := &Tracker{cfg: cfg, catalogs: catalogs, log: log, rooms: map[media.StreamID]*room{}, open: map[*connection]struct{}{}, seed: maphash.MakeSeed()}
	if t.metrics, err = newMetrics(t, reg); err != nil {
		return nil, err
	}
	return t, nil
}

// Handler is the WebSocket endpoint. Until Run has begun, and after it was
// told to end, it answers 503.
func (t *Tracker) Handler() http.Handler { return http.HandlerFunc(t.serve) }

// Run works until ctx ends. Then it closes every connection with 1001, so that
// viewers come back with jitter, here or elsewhere, and returns when all of its
// goroutines have ended.
func (t *Tracker) Run(ctx context.Context) error {
	t.mu.Lock()
	if t.ctx != nil {
		t.mu.Unlock()
		return errors.New("tracker: Run was called twice")
	}
	// Connections outlive ctx for their farewell.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	t.ctx = work
	t.mu.Unlock()

	<-ctx.Done()
	t.mu.Lock()
	t.draining = true
	for c := range t.open {
		c.shut(websocket.StatusGoingAway, "the tracker is shutting down")
	}
	t.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		t.sessions.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(t.cfg.DrainTimeout):
	}
	stop()
	<-ended
	t.keepers.Wait()
	return nil
}

// enter begins a session, or tells that there is no tracker to serve it.
func (t *Tracker) enter() (ctx context.Context, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx == nil || t.draining {
		return nil, false
	}
	t.sessions.Add(1)
	return t.ctx, true
}

// register makes c known, so that a drain reaches it, and reports whether it
// is one too many.
func (t *Tracker) register(c *connection) (full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[c] = struct{}{}
	if t.draining {
		c.shut(websocket.StatusGoingAway, "the tracker is shutting down")
	}
	return len(t.open) > t.cfg.MaxViewers
}

func (t *Tracker) unregister(c *connection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
}

// room finds the room of a stream that the catalogs have, and makes it when
// its first viewer comes.
func (t *Tracker) room(id media.StreamID) (*room, bool) {
	info, ok := t.catalogs.Get(id)
	if !ok {
		return nil, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, ok := t.rooms[id]; ok {
		r.touch()
		return r, true
	}
	if t.draining {
		return nil, false
	}
	r := newRoom(t, info)
	t.rooms[id] = r
	ctx := t.ctx
	t.keepers.Go(func() { r.run(ctx) })
	return r, true
}

// forget drops the room of a stream that is gone and has nobody left.
func (t *Tracker) forget(r *room) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !r.abandoned() {
		return false
	}
	delete(t.rooms, r.id)
	return true
}

// roomList needs t.mu.
func (t *Tracker) roomList() []*room {
	out := make([]*room, 0, len(t.rooms))
	for _, r := range t.rooms {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *room) int { return strings.Compare(string(a.id), string(b.id)) })
	return out
}

// Stats sums up every stream that has had viewers, ordered by id. One that was
// removed is among them for roomLinger, so that its sums are not lost.
func (t *Tracker) Stats() []telemetry.StreamStats {
	return t.statsOf(func(*room) bool { return true })
}

func (t *Tracker) statsOf(wanted func(*room) bool) []telemetry.StreamStats {
	t.mu.Lock()
	rooms := t.roomList()
	t.mu.Unlock()
	out := make([]telemetry.StreamStats, 0, len(rooms))
	for _, r := range rooms {
		if wanted(r) {
			out = append(out, r.stats())
		}
	}
	return out
}
