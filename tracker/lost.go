package tracker

import (
	"time"

	"starling/internal/trackerwire"
)

// lost parts two viewers whose connection does not work, for a while.
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
	r.changed(r.swarm.Lost(v.id, peer.id))
	dropped := r.separations.part(v.id, peer.id, separationBase(m.Reason), max(v.exiles(now), peer.exiles(now)), now)
	if dropped != nil && dropped.apart {
		r.changed(r.swarm.Reconcile(dropped.a, dropped.b))
	}
	for _, x := range [2]*viewer{v, peer} {
		if r.swarm.Solo(x.id) {
			x.exiled, x.exiledAt = x.exiles(now)+1, now
		}
	}
	return true
}

// exiles is how often the viewer was left to the edge. Its separations last
// longer for that: one that can reach nobody loses ever new peers, so that no
// pair of its would come to be separated for long.
func (v *viewer) exiles(now time.Time) int {
	if now.Sub(v.exiledAt) > maxSeparation+forgiveTime {
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
		a, b, ok := r.separations.next(now)
		if !ok {
			return
		}
		r.t.metrics.reconciled()
		r.changed(r.swarm.Reconcile(a, b))
	}
}
