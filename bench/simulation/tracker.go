package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"starling/internal/peerstate"
	"starling/internal/swarm"
)

// Times of the tracker (docs/tracker.md), µs.
const (
	coalesce    = 20_000
	sweepEvery  = 500_000
	silentAfter = 6_000_000 // three beacons
	beaconEvery = 2000      // ms
	// accusersToBan different viewers must report a peer.
	accusersToBan = 2
	// lateReport is how long after the end of a pair the one may still report
	// the other.
	lateReport = 10_000_000
	// reconcilesPerSweep bounds the pairs that come together again at once.
	reconcilesPerSweep = 500
)

// tracker is the room of one cell: what package tracker does around
// internal/swarm.
type tracker struct {
	c           *cell
	swarm       *swarm.Swarm
	members     []member // by viewer
	dirty       []int32
	flushing    bool
	separations *swarm.Separations[int32]
	complaints  *swarm.Complaints
	accused     []int32 // of whom others complained lately
	banned      int
	banHonest   int
}

// member is a viewer as the tracker has it.
type member struct {
	here, dirty bool
	hasSent     bool
	sent        swarm.Assignment
	revision    uint64
	heard       int64
	uplink      int64           // as the overlay has it
	planned     int64           // when that was last changed
	fellAt      int64           // and when it last became less
	former      map[int32]int64 // pairs that ended, and until when they may be reported
	accusers    []int32
	exiled      int
	exiledAt    int64
}

// word is a message between a viewer and the tracker.
type word struct {
	kind   wordKind
	peer   int32
	reason string
	assign *swarm.Assignment
	rev    uint64
	uplink int64
}

type wordKind uint8

const (
	wordJoin wordKind = iota + 1
	wordLeave
	wordLost
	wordReport
	wordBan
	wordBanned
	wordAssign
	wordUplink
)

func (v *viewer) tell(w word) {
	if v.joined || w.kind == wordJoin {
		v.c.word(evToTracker, v, w)
	}
}

func (c *cell) word(do kind, v *viewer, w word) {
	m, gen := c.pool.put(frame{})
	c.pool.all[m].text = w
	c.t.add(event{at: c.t.now + v.delay, do: do, v: v.i, m: m, gen: gen})
}

func (t *tracker) hear(v *viewer, w word) {
	m := &t.members[v.i]
	if w.kind == wordJoin {
		changed, err := t.swarm.Join(swarm.Viewer{ID: v.id, Uplink: w.uplink, Tracks: t.c.stream.names(),
			Locality: swarm.Locality{LAN: fmt.Sprint("home ", v.who.Home)}})
		if err == nil {
			*m = member{here: true, heard: t.c.t.now, uplink: w.uplink, planned: t.c.t.now}
			t.changed(changed)
		}
		return
	}
	if !m.here {
		return
	}
	m.heard = t.c.t.now
	switch w.kind {
	case wordLeave:
		t.remove(v)
	case wordLost:
		t.lost(v, t.c.viewers[w.peer], w.reason)
	case wordReport:
		t.report(v, t.c.viewers[w.peer])
	case wordUplink:
		t.beacon(v, &w)
	}
}

// knew reports whether v was told of a pair with that peer, which may have
// ended a moment ago.
func (t *tracker) knew(v, peer *viewer) bool {
	m := &t.members[v.i]
	if slices.Contains(m.sent.Peers, peer.id) {
		return true
	}
	until, ok := m.former[peer.i]
	return ok && t.c.t.now < until
}

// changed marks viewers whose assignment is to be sent.
func (t *tracker) changed(ids []string) {
	for _, id := range ids {
		i := indexOf(id)
		if !t.members[i].dirty {
			t.members[i].dirty = true
			t.dirty = append(t.dirty, i)
		}
	}
	if len(t.dirty) > 0 && !t.flushing {
		t.flushing = true
		t.c.t.add(event{at: t.c.t.now + coalesce, do: evFlush})
	}
}

func (t *tracker) flush() {
	t.flushing = false
	for _, i := range t.dirty {
		t.members[i].dirty = false
		if t.members[i].here {
			t.assign(t.c.viewers[i])
		}
	}
	t.dirty = t.dirty[:0]
}

// assign sends a viewer its place, if that is news to it.
func (t *tracker) assign(v *viewer) {
	m := &t.members[v.i]
	a, ok := t.swarm.Assignment(v.id)
	if !ok || m.hasSent && sameAssignment(&a, &m.sent) {
		return
	}
	for _, id := range m.sent.Peers {
		if _, stays := slices.BinarySearchFunc(a.Peers, id, strings.Compare); !stays {
			if m.former == nil {
				m.former = map[int32]int64{}
			}
			m.former[indexOf(id)] = t.c.t.now + lateReport
		}
	}
	m.sent, m.hasSent = a, true
	m.revision++
	t.c.stats.assigns++
	t.c.word(evFromTracker, v, word{kind: wordAssign, assign: &a, rev: m.revision})
}

func sameAssignment(a, b *swarm.Assignment) bool {
	return slices.Equal(a.Children, b.Children) && slices.Equal(a.Peers, b.Peers) &&
		slices.EqualFunc(a.Tracks, b.Tracks, func(x, y swarm.TrackAssignment) bool {
			return x.Name == y.Name && slices.Equal(x.Slices, y.Slices)
		})
}

// offer passes an offer on between two viewers that are paired.
func (t *tracker) offer(l *link) {
	to := &t.members[l.peer.i]
	if !to.here || !t.swarm.Neighbours(l.owner.id, l.peer.id) {
		return
	}
	// The other side must know of the pair before it hears from it.
	if !to.hasSent || !slices.Contains(to.sent.Peers, l.owner.id) {
		t.assign(l.peer)
	}
	t.c.t.add(event{at: t.c.t.now + l.peer.delay, do: evOffer, l: l, m: atPeer})
}

func (t *tracker) remove(v *viewer) {
	t.members[v.i] = member{}
	t.changed(t.swarm.Leave(v.id))
	t.separations.Leave(v.i)
	t.complaints.Forget(v.id)
}

// sweep removes viewers that have been silent for too long and ends
// separations. A viewer that is there is heard by its beacons.
func (t *tracker) sweep() {
	for i := range t.members {
		if v := t.c.viewers[i]; t.members[i].here && v.gone && t.c.t.now-v.goneAt > silentAfter {
			t.remove(v)
		}
	}
	for range reconcilesPerSweep {
		a, b, ok := t.separations.Next(time.Duration(t.c.t.now) * time.Microsecond)
		if !ok {
			break
		}
		t.changed(t.swarm.Reconcile(t.c.viewers[a].id, t.c.viewers[b].id))
	}
	t.acquit()
	t.changed(t.swarm.Tick(t.clock()))
}

func (t *tracker) lost(v, peer *viewer, reason string) {
	if !t.swarm.Neighbours(v.id, peer.id) {
		return
	}
	t.c.stats.lostPairs++
	t.c.stats.lostBy[reason]++
	if reason == peerstate.LostSlow {
		t.complain(v, peer)
		t.changed(t.swarm.Slow(v.id, peer.id))
		return
	}
	if reason == peerstate.LostConnectFailed {
		t.changed(t.swarm.Lost(v.id, peer.id))
	} else {
		t.changed(t.swarm.Avoid(v.id, peer.id))
	}
	t.separations.Part(v.i, peer.i, reason == peerstate.LostConnectFailed, max(t.exiles(v.i), t.exiles(peer.i)), time.Duration(t.c.t.now)*time.Microsecond)
	for _, x := range [2]*viewer{v, peer} {
		if t.swarm.Solo(x.id) {
			m := &t.members[x.i]
			m.exiled, m.exiledAt = t.exiles(x.i)+1, t.c.t.now
		}
	}
}

// exiles is how often the viewer was left to the edge.
func (t *tracker) exiles(i int32) int {
	if m := &t.members[i]; time.Duration(t.c.t.now-m.exiledAt)*time.Microsecond <= swarm.MaxSeparation+swarm.ForgiveTime {
		return m.exiled
	}
	return 0
}

// report handles v's claim that a peer sent it bad bytes.
func (t *tracker) report(v, peer *viewer) {
	m := &t.members[peer.i]
	if !m.here || !t.swarm.Neighbours(v.id, peer.id) && !t.knew(v, peer) {
		return
	}
	if !slices.Contains(m.accusers, v.i) {
		m.accusers = append(m.accusers, v.i)
	}
	if len(m.accusers) < accusersToBan {
		t.separations.Keep(v.i, peer.i)
		t.changed(t.swarm.Avoid(v.id, peer.id))
		return
	}
	if a, ok := t.swarm.Assignment(peer.id); ok {
		for _, id := range a.Peers {
			t.c.word(evFromTracker, t.c.viewers[indexOf(id)], word{kind: wordBan, peer: peer.i})
		}
	}
	t.banned++
	if peer.bad == Honest {
		t.banHonest++
	}
	t.c.word(evFromTracker, peer, word{kind: wordBanned})
	t.changed(t.swarm.Ban(peer.id))
	t.members[peer.i] = member{}
	t.separations.Leave(peer.i)
}

// onWord takes a message of the tracker.
func (v *viewer) onWord(w word) {
	if v.gone {
		return
	}
	switch w.kind {
	case wordAssign:
		v.onAssign(w)
	case wordBan:
		if l := v.linkTo(w.peer); l != nil {
			v.closeLink(l, false)
		}
		v.blame(causeLost, v.state.Ban(v.c.viewers[w.peer].id, v.now()))
	case wordBanned:
		v.joined = false
	}
}

// onAssign opens connections to parents and backups that are not there yet and
// lets the policy move slices, as soon as it has the tracks.
func (v *viewer) onAssign(w word) {
	if w.rev < v.revision {
		return
	}
	v.revision, v.assigned = w.rev, w
	for _, l := range v.links {
		_, paired := slices.BinarySearchFunc(w.assign.Peers, l.peer.id, strings.Compare)
		switch {
		case paired:
			l.unpaired = 0
		case l.unpaired == 0:
			l.unpaired = max(v.now(), 1)
		}
	}
	for _, at := range w.assign.Tracks {
		for _, x := range at.Slices {
			v.connect(x.Parent)
			v.connect(x.Backup)
		}
		i := slices.IndexFunc(v.tracks, func(t vtrack) bool { return t.name == at.Name })
		if i < 0 {
			continue
		}
		sources := make([]peerstate.SliceSource, len(at.Slices))
		for s, x := range at.Slices {
			sources[s] = peerstate.SliceSource{Parent: x.Parent, Backup: x.Backup}
			v.ways[v.tracks[i].number][s].assigned = x.Parent
		}
		v.do(v.state.Assign(v.tracks[i].number, sources, v.now()))
	}
}

func (v *viewer) tellLost(id, why string) {
	v.tell(word{kind: wordLost, peer: indexOf(id), reason: why})
}

// reportBad bans a peer that sent wrong bytes: here, with it, and at the
// tracker.
func (v *viewer) reportBad(a *peerstate.Action) {
	v.stats.Bans++
	if l := v.linkBy(a.Peer); l != nil {
		v.closeLink(l, false)
	}
	v.tell(word{kind: wordReport, peer: indexOf(a.Peer)})
}
