package tracker

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/coder/websocket"

	"starling/internal/media"
	"starling/internal/swarm"
	"starling/internal/trackerwire"
)

// room is the swarm of one stream with its viewers. Its lock guards all of it;
// its goroutine, run, sends assignments, notices silence and follows the
// catalog.
type room struct {
	id  media.StreamID
	t   *Tracker
	cfg *Config
	log *slog.Logger

	wake chan struct{} // something is dirty

	mu       sync.Mutex
	info     *media.StreamInfo
	gone     bool // the stream is not in the catalogs
	emptyAt  time.Time
	swarm    *swarm.Swarm
	viewers  map[string]*viewer // by id
	sessions map[string]*viewer // by session
	past     ledger             // accounts of sessions that have left
	banned   ledger             // banned sessions
	lines    ledger             // lines from which somebody was banned
	departed map[string]*viewer // by id: left lately, see report
	began    time.Time
	bans     int
	totals   tally
	dirty    map[string]struct{} // ids whose assignment changed

	separations *swarm.Separations[string]
	complaints  *swarm.Complaints
	accused     map[string]struct{} // of whom others complained lately
}

// Times of a room.
const (
	catalogPoll = 500 * time.Millisecond
	// roomLinger is how long the room of a stream that is gone keeps its sums.
	roomLinger = 15 * time.Minute
)

func newRoom(t *Tracker, info *media.StreamInfo) *room {
	r := &room{id: info.ID, t: t, cfg: &t.cfg, log: t.log.With("stream", string(info.ID)), wake: make(chan struct{}, 1),
		info: info, swarm: swarm.New(t.cfg.Swarm), viewers: map[string]*viewer{}, sessions: map[string]*viewer{},
		past: newLedger(), banned: newLedger(), lines: newLedger(), departed: map[string]*viewer{}, began: time.Now(),
		complaints: swarm.NewComplaints(), accused: map[string]struct{}{}, dirty: map[string]struct{}{}, separations: swarm.NewSeparations[string]()}
	r.swarm.SetCatalog(planTracks(info))
	r.emptyAt = time.Now()
	return r
}

// planTracks is what the overlay needs of a catalog.
func planTracks(info *media.StreamInfo) []swarm.Track {
	out := make([]swarm.Track, len(info.Tracks))
	for i := range info.Tracks {
		tr := &info.Tracks[i]
		out[i] = swarm.Track{Name: tr.Name, Slices: max(tr.Slices, 1), Bitrate: int64(tr.Bitrate)}
	}
	return out
}

// run keeps the room until ctx ends or the room is abandoned.
func (r *room) run(ctx context.Context) {
	poll := time.NewTicker(catalogPoll)
	defer poll.Stop()
	changer, _ := r.t.catalogs.(Changer)
	for {
		var changed <-chan struct{}
		if changer != nil {
			changed = changer.Changed(r.id)
		}
		r.refresh()
		if !r.untilChange(ctx, poll.C, changed) {
			return
		}
	}
}

// untilChange serves the room until its catalog may have changed; false when
// the room is to end.
func (r *room) untilChange(ctx context.Context, poll <-chan time.Time, changed <-chan struct{}) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-changed:
			return true
		case <-r.wake:
			if !r.collect(ctx) {
				return false
			}
		case <-poll:
			r.sweep(time.Now())
			return !r.t.forget(r)
		}
	}
}

// collect waits for more changes, then sends the assignments. After a large
// round it waits longer, so that a crowd of any size leaves time for the rest.
func (r *room) collect(ctx context.Context) bool {
	wait := time.NewTimer(r.cfg.Coalesce)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
	}
	start := time.Now()
	r.flush()
	if rest := 3*time.Since(start) - r.cfg.Coalesce; rest > 0 {
		pause := time.NewTimer(min(rest, time.Second))
		defer pause.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-pause.C:
		}
	}
	return true
}

// changed marks viewers whose assignment is to be sent. It needs r.mu, like
// all methods below that do not take it.
func (r *room) changed(ids []string) {
	if len(ids) == 0 {
		return
	}
	for _, id := range ids {
		r.dirty[id] = struct{}{}
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// flush sends every changed assignment, all under the lock: nobody can signal
// to a viewer that has not been told of the pair.
func (r *room) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := 0
	for id := range r.dirty {
		if v := r.viewers[id]; v != nil && r.assign(v) {
			sent++
		}
	}
	clear(r.dirty)
	r.t.metrics.assigned(sent)
}

// assign sends a viewer its place, if that is news to it.
func (r *room) assign(v *viewer) bool {
	if v.conn == nil {
		return false
	}
	a, ok := r.swarm.Assignment(v.id)
	if !ok || v.hasSent && reflect.DeepEqual(a, v.sent) {
		return false
	}
	v.parted(a.Peers, time.Now())
	v.sent, v.hasSent = a, true
	v.revision++
	r.send(v, assignMessage(v.revision, a))
	return true
}

// refresh follows the catalog.
func (r *room) refresh() {
	info, ok := r.t.catalogs.Get(r.id)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = !ok
	if !ok || info == r.info {
		return
	}
	newKey := !r.info.Key.Equal(info.Key)
	r.info = info
	r.changed(r.swarm.SetCatalog(planTracks(info)))
	if !newKey {
		return
	}
	// Parts are signed by another key now: who still believes the old one would
	// take honest peers for poisoners. A new join brings the new key.
	r.log.Info("the stream came back with another key: its viewers are asked to join again", "viewers", len(r.viewers))
	for _, v := range r.viewers {
		if v.conn != nil {
			v.conn.shut(websocket.StatusGoingAway, "the stream has started anew")
		}
	}
}

// sweep removes viewers that have been silent for too long, and ends what has
// had its time.
func (r *room) sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.viewers {
		if now.Sub(v.heard) < silentBeacons*r.cfg.Beacon {
			continue
		}
		if v.conn != nil {
			v.conn.shut(websocket.StatusPolicyViolation, "silent for too long")
		}
		r.remove(v, now)
	}
	r.reconcile(now)
	r.acquit(now)
	r.changed(r.swarm.Tick(r.clock(now)))
	r.past.expire(now)
	r.banned.expire(now)
	r.lines.expire(now)
	r.forgetDeparted(now)
}

// clock is the overlay's time: milliseconds since the room began.
func (r *room) clock(now time.Time) int64 { return now.Sub(r.began).Milliseconds() + 1 }

// touch keeps the room for a viewer that is about to join.
func (r *room) touch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emptyAt = time.Now()
}

// abandoned reports whether nothing in the room is needed any more.
func (r *room) abandoned() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone && len(r.viewers) == 0 && time.Since(r.emptyAt) > roomLinger
}

// current reports whether the stream is there, or somebody who watches it: its
// metrics go with it.
func (r *room) current() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.gone || len(r.viewers) > 0
}

// remove takes a viewer out of the room and its overlay.
func (r *room) remove(v *viewer, now time.Time) {
	delete(r.viewers, v.id)
	delete(r.sessions, v.session)
	delete(r.dirty, v.id)
	r.past.put(v.session, v.account, now)
	r.changed(r.swarm.Leave(v.id))
	r.separations.Leave(v.id)
	r.complaints.Forget(v.id)
	delete(r.accused, v.id)
	r.emptyAt = now
	r.departed[v.id] = v
	v.heard = now
}

// welcome tells a viewer who it is.
func (r *room) welcome(v *viewer, host string) {
	peers := 0
	p2p := r.swarm.Has(v.id)
	if p2p {
		peers = r.swarm.Config().HardPeers
	}
	r.send(v, &trackerwire.Welcome{ID: v.id, Stream: r.id, Key: encodeKey(r.info.Key), ICEServers: r.cfg.iceServers(host),
		BeaconMS: int(r.cfg.Beacon / time.Millisecond), MaxPeers: peers, P2P: p2p})
}
