package tracker

import (
	"time"

	"github.com/coder/websocket"

	"starling/internal/trackerwire"
)

// accusersToBan is how many different viewers must report a peer before it is
// banned (docs/tracker.md rule 2): one alone could be the liar.
const accusersToBan = 2

// report handles v's claim that a peer sent it bad bytes. Only a neighbour can
// have received any. The pair is parted at once and for good, so one viewer
// cannot accuse the same peer twice.
func (r *room) report(v *viewer, m *trackerwire.Report, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.heard = now
	peer := r.viewers[m.Peer]
	if peer == nil || !r.swarm.Neighbours(v.id, m.Peer) {
		return false
	}
	if peer.accusers == nil {
		peer.accusers = map[string]struct{}{}
	}
	peer.accusers[v.session] = struct{}{}
	r.t.metrics.reported()
	r.log.Warn("a viewer reports bad data", "reporter", v.id, "peer", peer.id, "track", m.Track, "msn", uint64(m.MSN), "index", uint64(m.Index), "chunk", uint64(m.Chunk), "reports", len(peer.accusers))
	if len(peer.accusers) < accusersToBan {
		r.changed(r.swarm.Lost(v.id, peer.id))
		return true
	}
	r.ban(peer, now)
	return true
}

// ban removes a viewer for good and tells everyone that was paired with it.
func (r *room) ban(v *viewer, now time.Time) {
	if a, ok := r.swarm.Assignment(v.id); ok {
		for _, id := range a.Peers {
			if p := r.viewers[id]; p != nil {
				r.send(p, &trackerwire.Ban{Peer: v.id})
			}
		}
	}
	r.banned.put(v.session, account{}, now)
	r.bans++
	r.t.metrics.failure(trackerwire.CodeBanned)
	if v.conn != nil {
		r.send(v, &trackerwire.Error{Code: trackerwire.CodeBanned, Message: "banned from this swarm for bad data: play from the edge"})
		v.conn.shut(websocket.StatusPolicyViolation, "banned")
		v.conn = nil
	}
	r.changed(r.swarm.Ban(v.id))
	r.remove(v, now)
}
