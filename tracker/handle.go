package tracker

import (
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/coder/websocket"

	"starling/internal/swarm"
	"starling/internal/trackerwire"
)

func encodeKey(key []byte) string { return base64.RawURLEncoding.EncodeToString(key) }

// handle acts on one well-formed message. An error ends the session.
func (s *session) handle(m trackerwire.Message) error {
	if s.who == nil {
		join, ok := m.(*trackerwire.Join)
		if !ok {
			if !s.complain(trackerwire.CodeBadMessage, "join comes first") {
				return errEnded
			}
			return nil
		}
		return s.join(join)
	}
	now := time.Now()
	switch m := m.(type) {
	case *trackerwire.Join:
		if !s.complain(trackerwire.CodeBadMessage, "joined already") {
			return errEnded
		}
	case *trackerwire.Tracks:
		if !s.switches.Allow() {
			return s.tooFast("too many track switches")
		}
		s.room.tracks(s.who, m, now)
	case *trackerwire.SignalTo:
		if !s.room.signal(s.who, m, now) {
			s.fail(trackerwire.CodeUnknownPeer, "not paired with "+m.To)
		}
	case *trackerwire.Lost:
		if !s.room.lost(s.who, m, now) {
			s.fail(trackerwire.CodeUnknownPeer, "not paired with "+m.Peer)
		}
	case *trackerwire.Report:
		if !s.room.report(s.who, m, now) {
			s.fail(trackerwire.CodeUnknownPeer, "not paired with "+m.Peer)
		}
	case *trackerwire.Beacon:
		s.room.beacon(s.who, m, now)
	case *trackerwire.Leave:
		s.room.leave(s.who, s.c, now)
		s.c.shut(websocket.StatusNormalClosure, "")
		return errEnded
	}
	return nil
}

func (s *session) join(m *trackerwire.Join) error {
	room, ok := s.t.room(m.Stream)
	if !ok {
		s.fail(trackerwire.CodeNoStream, fmt.Sprintf("no stream %s here: it may start later", m.Stream))
		s.c.shut(websocket.StatusTryAgainLater, "no stream")
		return errEnded
	}
	v, ok := room.join(s, m, time.Now())
	if !ok {
		s.fail(trackerwire.CodeBanned, "banned from this swarm for bad data: play from the edge")
		s.c.shut(websocket.StatusPolicyViolation, "banned")
		return errEnded
	}
	s.room, s.who = room, v
	return nil
}

// join brings a session in, or back to the place that it still has.
func (r *room) join(s *session, m *trackerwire.Join, now time.Time) (*viewer, bool) {
	r.refresh()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.banned.has(m.Session) {
		return nil, false
	}
	if v := r.sessions[m.Session]; v != nil {
		if v.conn != nil {
			v.conn.shut(websocket.StatusNormalClosure, "replaced by a new connection of the same session")
		}
		v.conn, v.heard, v.hasSent, v.uplink = s.c, now, false, int64(m.Uplink)
		r.changed(r.swarm.SetAway(v.id, false))
		r.changed(r.swarm.SetTracks(v.id, m.Tracks))
		r.plan(v, now)
		r.changed([]string{v.id})
		r.welcome(v, s.host)
		return v, true
	}
	v := &viewer{id: newViewerID(), session: m.Session, conn: s.c, heard: now, joined: now, planned: now, uplink: int64(m.Uplink), line: s.origin.line}
	v.barred = r.lines.has(v.line)
	if a, ok := r.past.take(m.Session); ok {
		v.account = a
		v.account.latencyMS, v.account.startupMS, v.account.peers = 0, 0, 0
	} else {
		v.account.at = now
	}
	r.viewers[v.id], r.sessions[v.session] = v, v
	if !r.cfg.EdgeOnly {
		changed, err := r.swarm.Join(swarm.Viewer{ID: v.id, Uplink: r.offered(v, now), Tracks: m.Tracks, Locality: s.origin.locality})
		if err != nil { // an id of 64 random bits came twice
			r.log.Error("a viewer could not be placed and plays from the edge", "error", err)
		}
		r.changed(changed)
	}
	r.welcome(v, s.host)
	return v, true
}

func (r *room) tracks(v *viewer, m *trackerwire.Tracks, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.heard = now
	r.changed(r.swarm.SetTracks(v.id, m.Tracks))
}

// signal passes data on between two viewers that the overlay has paired.
func (r *room) signal(v *viewer, m *trackerwire.SignalTo, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.heard = now
	to := r.viewers[m.To]
	if to == nil || !r.swarm.Neighbours(v.id, m.To) {
		return false
	}
	// The other side must know of the pair before it hears from it.
	if !to.hasSent || !slices.Contains(to.sent.Peers, v.id) {
		r.assign(to)
	}
	r.send(to, &trackerwire.SignalFrom{From: v.id, Data: m.Data})
	return true
}

// Bounds of how a beacon's uplink changes the overlay: an estimate wavers, and
// each change may move children. More is used soon, since it moves nobody who
// is well, but not soon after less; less spares children from waiting.
const (
	uplinkRiseEvery = time.Second
	uplinkFallEvery = 2 * time.Second
	uplinkCalm      = 10 * time.Second
)

// replan reports whether a viewer that offers next bit/s now is to be planned
// anew (docs/tracker.md rule 5).
func (v *viewer) replan(next int64, now time.Time) bool {
	switch {
	case next == v.uplink:
		return false
	case next == 0:
		return true
	case 10*max(next-v.uplink, v.uplink-next) <= 3*v.uplink:
		return false
	case next < v.uplink:
		return now.Sub(v.planned) >= uplinkFallEvery
	}
	return now.Sub(v.planned) >= uplinkRiseEvery && now.Sub(v.fellAt) >= uplinkCalm
}

func (r *room) beacon(v *viewer, m *trackerwire.Beacon, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.viewers[v.id] != v {
		return // it was silent for too long: its account is kept for its return
	}
	v.heard = now
	r.totals.add(v.account.take(m, now))
	r.swarm.SetConnected(v.id, int(min(m.Peers, 100)))
	if m.Uplink == nil || !v.replan(int64(*m.Uplink), now) {
		return
	}
	next := int64(*m.Uplink)
	if next < v.uplink {
		v.fellAt = now
		r.complaints.Pardon(v.id)
	}
	v.uplink, v.planned = next, now
	r.plan(v, now)
}

// offered is what the overlay may plan with: less of a viewer of whom others
// complain, and nothing of one that may not upload.
func (r *room) offered(v *viewer, now time.Time) int64 {
	if v.barred {
		return 0
	}
	return v.uplink / swarm.FullShare * r.complaints.Share(v.id, r.clock(now))
}

// plan tells the overlay what a viewer offers now.
func (r *room) plan(v *viewer, now time.Time) {
	r.changed(r.swarm.SetUplink(v.id, r.offered(v, now)))
}

func (r *room) leave(v *viewer, c *connection, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.viewers[v.id] == v && v.conn == c {
		v.conn = nil
		r.remove(v, now)
	}
}

// disconnected handles the end of connection c of v: a viewer that closed it
// leaves; one whose connection broke keeps its place for three beacons.
func (r *room) disconnected(v *viewer, c *connection, goodbye bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.viewers[v.id] != v || v.conn != c {
		return // it left, or has a newer connection
	}
	v.conn = nil
	if goodbye {
		r.remove(v, time.Now())
		return
	}
	r.changed(r.swarm.SetAway(v.id, true))
}
