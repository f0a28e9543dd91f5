package tracker

import (
	"time"

	"starling/internal/swarm"
	"starling/internal/trackerwire"
)

// lost parts two viewers whose connection does not work, for a while. One that
// is merely slow is not parted: the other gets less to do.
func (r *room) lost(v *viewer, m *trackerwire.Lost, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.heard = now
	if !r.swarm.Neighbours(v.id, m.Peer) {
		return false
	}
	r.t.metrics.lostPair(m.Reason)
	peer := r.viewers[m.Peer]
	if peer.conn == nil {
		r.remove(peer, now) // neither its peers nor we hear it
		return true
	}
	if m.Reason == trackerwire.LostSlow {
		r.complain(v, peer, now)
		r.changed(r.swarm.Slow(v.id, peer.id))
		return true
	}
	if m.Reason == trackerwire.LostConnectFailed {
		r.changed(r.swarm.Lost(v.id, peer.id))
	} else {
		r.changed(r.swarm.Avoid(v.id, peer.id))
	}
	// Reasons that only later versions know count as trouble that passes.
	unreachable := m.Reason == trackerwire.LostConnectFailed
	if a, b, ok := r.separations.Part(v.id, peer.id, unreachable, max(v.exiles(now), peer.exiles(now)), sinceEpoch(now)); ok {
		r.changed(r.swarm.Reconcile(a, b))
	}
	for _, x := range [2]*viewer{v, peer} {
		if r.swarm.Solo(x.id) {
			x.exiled, x.exiledAt = x.exiles(now)+1, now
		}
	}
	return true
}

// complain notes that a parent or backup of v did not deliver. It is given less
// to do, or nothing at all for a while (docs/tracker.md rule 8).
func (r *room) complain(v, parent *viewer, now time.Time) {
	if !v.takesFrom(parent.id) || now.Sub(parent.fellAt) < uplinkCalm {
		return // it is no child, or the parent has seen it by itself
	}
	a, _ := r.swarm.Assignment(parent.id)
	if r.complaints.Slow(v.id, parent.id, len(a.Children), r.clock(now)) {
		r.t.metrics.degrade()
		r.log.Info("a viewer does not pass on what it gets: it is a leaf for a while", "viewer", parent.id)
	}
	r.accused[parent.id] = struct{}{}
	r.plan(parent, now)
}

// takesFrom reports whether the last assignment names peer as a parent or
// backup.
func (v *viewer) takesFrom(peer string) bool {
	for _, t := range v.sent.Tracks {
		for _, s := range t.Slices {
			if s.Parent == peer || s.Backup == peer {
				return true
			}
		}
	}
	return false
}

// acquit plans with those again of whom nobody has complained lately.
func (r *room) acquit(now time.Time) {
	for id := range r.accused {
		if v := r.viewers[id]; v != nil {
			r.plan(v, now)
		}
		if r.complaints.Share(id, r.clock(now)) == swarm.FullShare {
			delete(r.accused, id)
		}
	}
}

// exiles is how often the viewer was left to the edge. Its separations last
// longer for that: one that can reach nobody loses ever new peers, so that no
// pair of its would come to be separated for long.
func (v *viewer) exiles(now time.Time) int {
	if now.Sub(v.exiledAt) > swarm.MaxSeparation+swarm.ForgiveTime {
		return 0
	}
	return v.exiled
}

// reconcilesPerSweep bounds how long a sweep holds the lock: each takes some
// tens of microseconds. The rest waits for the next sweep.
const reconcilesPerSweep = 500

// reconcile ends the separations whose time is over.
func (r *room) reconcile(now time.Time) {
	for range reconcilesPerSweep {
		a, b, ok := r.separations.Next(sinceEpoch(now))
		if !ok {
			return
		}
		r.t.metrics.reconciled()
		r.changed(r.swarm.Reconcile(a, b))
	}
}

// sinceEpoch is a time as swarm.Separations takes it.
func sinceEpoch(t time.Time) time.Duration { return time.Duration(t.UnixNano()) }
