package tracker

import (
	"time"

	"github.com/coder/websocket"

	"starling/internal/trackerwire"
)

const (
	// accusersToBan is how many different viewers must report a peer before it is
	// banned (docs/tracker.md rule 2): one alone could be the liar.
	accusersToBan = 2
	// lateReport is how long after the end of a pair the one may still report
	// the other: what was sent last is checked after the connection has ended.
	lateReport = 10 * time.Second
	// formerPeers bounds the ended pairs that a viewer may still report.
	formerPeers = 64
	// household is up to how many present viewers a line is taken for one
	// customer's. Behind a larger one many would pay for the one who was banned.
	household = 8
)

// report handles v's claim that a peer sent it bad bytes. Only a neighbour, or
// one of a moment ago, can have sent any. The pair is parted at once and for
// good, so one viewer cannot accuse the same peer twice.
func (r *room) report(v *viewer, m *trackerwire.Report, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.heard = now
	peer := r.viewers[m.Peer]
	if peer == nil {
		peer = r.departed[m.Peer]
	}
	if peer == nil || !r.swarm.Neighbours(v.id, m.Peer) && !v.knew(m.Peer, now) {
		return false
	}
	if peer.accusers == nil {
		peer.accusers = map[string]struct{}{}
	}
	peer.accusers[peer.accuser(v)] = struct{}{}
	r.t.metrics.reported()
	r.log.Warn("a viewer reports bad data", "reporter", v.id, "peer", peer.id, "track", m.Track, "msn", uint64(m.MSN), "index", uint64(m.Index), "chunk", uint64(m.Chunk), "reports", len(peer.accusers))
	if len(peer.accusers) < accusersToBan {
		r.separations.Keep(v.id, peer.id)
		r.changed(r.swarm.Avoid(v.id, peer.id))
		return true
	}
	r.ban(peer, now)
	return true
}

// accuser names who reports v: viewers of one line count as one, unless v is of
// that line too.
func (v *viewer) accuser(by *viewer) string {
	if by.line == "" || by.line == v.line {
		return by.session
	}
	return by.line
}

// knew reports whether v was told of a pair with that peer, which may have ended
// a moment ago.
func (v *viewer) knew(peer string, now time.Time) bool {
	for _, id := range v.sent.Peers {
		if id == peer {
			return true
		}
	}
	until, ok := v.former[peer]
	return ok && now.Before(until)
}

// parted notes which pairs of the last assignment the next one ends.
func (v *viewer) parted(next []string, now time.Time) {
	for id, until := range v.former {
		if !now.Before(until) {
			delete(v.former, id)
		}
	}
	stays := make(map[string]struct{}, len(next))
	for _, id := range next {
		stays[id] = struct{}{}
	}
	for _, id := range v.sent.Peers {
		if _, ok := stays[id]; ok || len(v.former) >= formerPeers {
			continue
		}
		if v.former == nil {
			v.former = map[string]time.Time{}
		}
		v.former[id] = now.Add(lateReport)
	}
}

// forgetDeparted drops those who left too long ago to be reported.
func (r *room) forgetDeparted(now time.Time) {
	for id, v := range r.departed {
		if now.Sub(v.heard) > lateReport {
			delete(r.departed, id)
		}
	}
}

// ban removes a viewer for good and tells everyone that was paired with it. Who
// joins from its line within the hour may not upload: a new session costs
// nothing, and others in the house still get everything.
func (r *room) ban(v *viewer, now time.Time) {
	if a, ok := r.swarm.Assignment(v.id); ok {
		for _, id := range a.Peers {
			if p := r.viewers[id]; p != nil {
				r.send(p, &trackerwire.Ban{Peer: v.id})
			}
		}
	}
	r.banned.put(v.session, account{}, now)
	if v.line != "" && r.onLine(v.line) <= household {
		r.lines.put(v.line, account{}, now)
	}
	r.bans++
	r.t.metrics.failure(trackerwire.CodeBanned)
	if v.conn != nil {
		r.send(v, &trackerwire.Error{Code: trackerwire.CodeBanned, Message: "banned from this swarm for bad data: play from the edge"})
		v.conn.shut(websocket.StatusPolicyViolation, "banned")
		v.conn = nil
	}
	r.changed(r.swarm.Ban(v.id))
	if r.viewers[v.id] == v {
		r.remove(v, now)
	} else {
		r.barSince(v.line, v.heard, now) // it may be back already, as another
	}
	delete(r.departed, v.id)
}

// barSince bars those of a banned line who joined since a time.
func (r *room) barSince(line string, since, now time.Time) {
	if !r.lines.has(line) {
		return
	}
	for _, v := range r.viewers {
		if v.line == line && !v.barred && !v.joined.Before(since) {
			v.barred = true
			r.plan(v, now)
		}
	}
}

// onLine counts the viewers of a line.
func (r *room) onLine(line string) int {
	n := 0
	for _, v := range r.viewers {
		if v.line == line {
			n++
		}
	}
	return n
}
