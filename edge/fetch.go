package edge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"starling/internal/httpserver"
	"starling/internal/media"
	"starling/internal/relay"
	"starling/internal/store"
)

// Errors of a fetch.
var (
	errNoUpstream = errors.New("this edge has no upstream")
	errFetchBusy  = errors.New("too many fetches of old media at once")
	errIncomplete = errors.New("upstream gave other media than was asked for, or less")
)

// absent reports whether a fetch failed because there is no such media.
func absent(err error) bool {
	for _, e := range []error{errNoUpstream, errIncomplete, relay.ErrGone, relay.ErrNotYet, relay.ErrNoTrack, relay.ErrNoStream} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

const (
	// negativeTTL is how long a failed fetch answers for the same media, so
	// that a wave of viewers asks upstream once.
	negativeTTL = 2 * time.Second
	// maxFetched bounds the remembered fetches, failed ones included.
	maxFetched = 1024
	// wholeSegment is a last index beyond every segment's end.
	wholeSegment = 1<<62 - 1
)

type fetchKey struct {
	stream      media.StreamID
	track       string
	msn         uint64
	first, last uint64
}

// fetched is a fetch in progress or its result.
type fetched struct {
	done  chan struct{}
	parts []*store.Part
	err   error
	at    time.Time
	size  int
}

// fetcher brings old media from upstream, once for all that ask at the same
// time, and keeps the newest results within a bound of bytes.
type fetcher struct {
	ctx   context.Context
	wg    *sync.WaitGroup
	up    Upstream
	cfg   Config
	acct  *accounting
	slots chan struct{}
	// places keeps one address from taking all slots: it could ask for ever
	// other numbers.
	places httpserver.AddressLimit

	mu    sync.Mutex
	calls map[fetchKey]*fetched
	order []fetchKey // of finished calls, oldest first
	bytes int

	closed bool
}

func newFetcher(ctx context.Context, wg *sync.WaitGroup, up Upstream, cfg Config, acct *accounting) *fetcher {
	return &fetcher{ctx: ctx, wg: wg, up: up, cfg: cfg, acct: acct, slots: make(chan struct{}, cfg.MaxFetches),
		places: httpserver.AddressLimit{Max: perAddress(cfg, cfg.MaxFetches)}, calls: map[fetchKey]*fetched{}}
}

// get gives the parts of key to a viewer at the address from.
func (f *fetcher) get(ctx context.Context, key fetchKey, from string) ([]*store.Part, error) {
	if f.up == nil {
		return nil, errNoUpstream
	}
	call, err := f.call(key, from)
	if err != nil {
		return nil, err
	}
	select {
	case <-call.done:
		return call.parts, call.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (f *fetcher) call(key fetchKey, from string) (*fetched, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.calls[key]; c != nil {
		if c.at.IsZero() || c.err == nil || time.Since(c.at) < negativeTTL {
			f.acct.fetchHits.Add(1)
			return c, nil
		}
		f.drop(key)
	}
	if f.closed {
		return nil, errStop
	}
	leave, ok := f.places.Enter(from)
	if !ok {
		return nil, errFetchBusy
	}
	select {
	case f.slots <- struct{}{}:
	default:
		leave()
		return nil, errFetchBusy
	}
	c := &fetched{done: make(chan struct{})}
	f.calls[key] = c
	f.acct.fetches.Add(1)
	f.wg.Go(func() {
		defer leave()
		f.run(key, c)
	})
	return c, nil
}

func (f *fetcher) run(key fetchKey, c *fetched) {
	defer func() { <-f.slots }()
	ctx, cancel := context.WithTimeout(f.ctx, f.cfg.FetchTimeout)
	defer cancel()
	parts, err := f.up.Fetch(ctx, key.stream, key.track, key.msn, key.first, key.last)
	if err == nil {
		err = checkFetched(key, parts)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c.err, c.at = err, time.Now()
	if err == nil {
		c.parts = parts
		for _, p := range parts {
			c.size += p.Header.Size
		}
	}
	f.order = append(f.order, key)
	f.bytes += c.size
	for len(f.order) > 1 && (f.bytes > f.cfg.FetchCache || len(f.order) > maxFetched) {
		f.drop(f.order[0])
	}
	close(c.done)
}

// close admits no new fetch.
func (f *fetcher) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
}

// drop forgets a finished call. mu is held.
func (f *fetcher) drop(key fetchKey) {
	for i, k := range f.order {
		if k == key {
			f.order = append(f.order[:i], f.order[i+1:]...)
			f.bytes -= f.calls[key].size
			delete(f.calls, key)
			return
		}
	}
}

// checkFetched makes sure that upstream gave what was asked: complete parts of
// one segment, in order and from the first one.
func checkFetched(key fetchKey, parts []*store.Part) error {
	if len(parts) == 0 {
		return fmt.Errorf("%w: no parts", errIncomplete)
	}
	for i, p := range parts {
		if p.ID() != (media.PartID{MSN: key.msn, Index: key.first + uint64(i)}) || !p.Complete() {
			return fmt.Errorf("%w: %s", errIncomplete, p.ID())
		}
	}
	if last := parts[len(parts)-1]; last.ID().Index != key.last && !last.Header.Flags.Has(media.FlagLast) {
		return fmt.Errorf("%w: it ends with %s", errIncomplete, last.ID())
	}
	return nil
}
