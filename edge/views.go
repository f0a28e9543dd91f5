package edge

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"starling/internal/store"
)

// acquireTimeout bounds how long upstream may take to accept a subscription.
const acquireTimeout = 10 * time.Second

// views are the tracks that somebody reads now, or did until a moment ago.
type views struct {
	ctx    context.Context
	wg     *sync.WaitGroup
	up     Upstream
	idle   time.Duration
	window int
	acct   *accounting

	mu     sync.Mutex
	tracks map[*store.Track]*view
	closed bool
}

func newViews(ctx context.Context, wg *sync.WaitGroup, up Upstream, idle time.Duration, window int, acct *accounting) *views {
	return &views{ctx: ctx, wg: wg, up: up, idle: idle, window: window, acct: acct, tracks: map[*store.Track]*view{}}
}

// view is a track in use: it is kept coming from upstream, and holds the
// playlist rendered for all that ask.
type view struct {
	owner  *views
	stream *store.Stream
	track  *store.Track
	playlist

	// asked is when the Acquire began or, once it is over, when it succeeded;
	// nil before. It is read for every playlist.
	asked atomic.Pointer[time.Time]

	// Guarded by owner.mu.
	refs    int
	timer   *time.Timer
	pending bool          // an Acquire is under way
	settled chan struct{} // closed when it is over
	err     error         // why the last one failed
	release func()
}

// use starts a use of the track, which done ends. The first one brings the
// track from upstream; so does each later one after a failure.
func (vs *views) use(st *store.Stream, tr *store.Track) *view {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v := vs.tracks[tr]
	if v == nil {
		v = &view{owner: vs, stream: st, track: tr}
		v.playlist.init(st, tr, vs.window, vs.acct)
		vs.tracks[tr] = v
	}
	v.refs++
	if v.timer != nil {
		v.timer.Stop()
		v.timer = nil
	}
	if vs.up != nil && !vs.closed && v.release == nil && !v.pending {
		v.pending, v.err, v.settled = true, nil, make(chan struct{})
		v.askedNow()
		vs.wg.Go(v.acquire)
	}
	return v
}

func (v *view) askedNow() {
	now := time.Now()
	v.asked.Store(&now)
}

func (v *view) acquire() {
	ctx, cancel := context.WithTimeout(v.owner.ctx, acquireTimeout)
	defer cancel()
	release, err := v.owner.up.Acquire(ctx, v.stream.ID, v.track.Name)
	v.owner.mu.Lock()
	v.pending = false
	if err != nil {
		v.err = fmt.Errorf("bringing %s/%s from upstream: %w", v.stream.ID, v.track.Name, err)
	} else {
		v.release = release
		v.askedNow()
	}
	close(v.settled)
	if v.refs == 0 {
		v.startIdle()
	}
	unused := v.takeIfClosed()
	v.owner.mu.Unlock()
	if unused != nil {
		unused()
	}
}

// failure gives why upstream refused the track or, while it has not answered
// yet, a channel that is closed when it has.
func (v *view) failure() (<-chan struct{}, error) {
	v.owner.mu.Lock()
	defer v.owner.mu.Unlock()
	if !v.pending {
		return nil, v.err
	}
	return v.settled, nil
}

// done ends a use.
func (v *view) done() {
	v.owner.mu.Lock()
	defer v.owner.mu.Unlock()
	v.refs--
	if v.refs == 0 && !v.pending {
		v.startIdle()
	}
}

// startIdle gives the track up after the idle time. owner.mu is held.
func (v *view) startIdle() {
	if v.owner.closed || v.timer != nil {
		return
	}
	v.timer = time.AfterFunc(v.owner.idle, v.expire)
}

func (v *view) expire() {
	vs := v.owner
	vs.mu.Lock()
	var release func()
	if v.refs == 0 && !vs.closed && !v.pending {
		delete(vs.tracks, v.track)
		release, v.release, v.timer = v.release, nil, nil
	}
	vs.mu.Unlock()
	if release != nil {
		release()
	}
}

func (v *view) takeIfClosed() (release func()) {
	if v.owner.closed {
		release, v.release = v.release, nil
	}
	return release
}

// close gives up every track. Uses in progress go on with what is there.
func (vs *views) close() {
	vs.mu.Lock()
	vs.closed = true
	var releases []func()
	for _, v := range vs.tracks {
		if v.timer != nil {
			v.timer.Stop()
		}
		if r := v.takeIfClosed(); r != nil {
			releases = append(releases, r)
		}
	}
	clear(vs.tracks)
	vs.mu.Unlock()
	for _, r := range releases {
		r()
	}
}
