package tracker

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"starling/internal/swarm"
	"starling/internal/trackerwire"
)

// viewer is one player session in a room. The room's lock guards it.
type viewer struct {
	id      string
	session string
	conn    *connection // nil while its connection is broken
	heard   time.Time   // last message
	uplink  int64       // bit/s that it offers, as the overlay has it unless it is a leaf
	planned time.Time   // when uplink was last changed
	fellAt  time.Time   // when it last became less
	account account
	joined  time.Time
	line    string // of its origin
	barred  bool   // it may not upload: somebody on its line was banned

	sent     swarm.Assignment // the last assignment that was sent
	hasSent  bool
	revision uint64
	// former are peers that it was paired with, and until when they may still be
	// reported by it.
	former map[string]time.Time

	// accusers are the sessions or lines of those who reported this viewer.
	accusers map[string]struct{}

	exiled   int       // how often it was left to the edge, see exiles
	exiledAt time.Time // the last time
}

// newViewerID is unguessable, so that nobody can signal to a viewer that it
// was not paired with.
func newViewerID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// send encodes m for the viewer, if it is there.
func (r *room) send(v *viewer, m trackerwire.Message) {
	if v.conn == nil {
		return
	}
	b, err := trackerwire.Marshal(m)
	if err != nil {
		r.log.Error("a message could not be encoded", "type", m.Type(), "error", err)
		return
	}
	v.conn.send(b)
}

// assignMessage puts an assignment into the protocol's form.
func assignMessage(revision uint64, a swarm.Assignment) *trackerwire.Assign {
	m := &trackerwire.Assign{Revision: revision, Tracks: make([]trackerwire.AssignTrack, len(a.Tracks)), Children: a.Children, Peers: a.Peers}
	for i, t := range a.Tracks {
		slices := make([]trackerwire.AssignSlice, len(t.Slices))
		for s, x := range t.Slices {
			slices[s] = trackerwire.AssignSlice{Slice: s, Parent: x.Parent, Backup: x.Backup}
		}
		m.Tracks[i] = trackerwire.AssignTrack{Name: t.Name, Slices: slices}
	}
	return m
}
