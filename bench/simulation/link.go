package simulation

import (
	"slices"

	"starling/internal/media"
	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

// Times of a neighbour, as internal/peer has them: ms.
const (
	pingAfter      = 2000
	goneAfter      = 5000
	muteAfter      = 2500
	unpairedGrace  = 5000
	connectTimeout = 4000
	setupRetry     = 150_000 // µs
)

// link is one end of the connection between two viewers.
type link struct {
	owner, peer *viewer
	id          string // of the peer
	other       *link  // the other end; nil until the offer has come there
	delay       int64  // µs one way
	jitter      int64
	loss        float64
	reachable   bool

	offered bool // by the owner
	up      bool
	closed  bool

	queue     peerstate.ChildQueue
	headers   []peerstate.Key // sent
	createdAt int64           // ms of the owner, like those below
	heard     int64
	pinged    int64
	unpaired  int64

	out association // large: behind what every look at the links needs
}

func (v *viewer) linkTo(peer int32) *link {
	if i := slices.Index(v.peers, peer); i >= 0 {
		return v.links[i]
	}
	return nil
}

func (v *viewer) linkBy(id string) *link { return v.linkTo(indexOf(id)) }

// newLink makes the owner's end.
func (v *viewer) newLink(peer *viewer) *link {
	path := v.c.o.Profile.Path(v.who, peer.who, v.c.seed)
	now := v.now()
	l := &link{owner: v, peer: peer, id: peer.id, delay: max(path.RTT.Microseconds()/2, 50), jitter: path.Jitter.Microseconds(), loss: path.Loss,
		reachable: path.Reachable, createdAt: now, heard: now}
	l.out = v.c.newAssociation(&sctp, &v.line, &peer.line, l.delay, l.jitter, l.loss, event{})
	l.out.owner = l
	v.links = append(v.links, l)
	v.peers = append(v.peers, peer.i)
	return l
}

// connect opens a connection to a neighbour: an offer goes by the tracker.
func (v *viewer) connect(id string) {
	i := indexOf(id)
	if v.linkTo(i) != nil || v.state.Banned(id) || i == v.i || i == edgeIndex {
		return
	}
	l := v.newLink(v.c.viewers[i])
	l.offered = true
	v.c.t.add(event{at: v.c.t.now + v.delay, do: evOffer, l: l, m: atTracker})
}

// Where an offer is.
const (
	atTracker int32 = iota
	atPeer
)

// onOffer answers an offer. When both have offered, that of the viewer with the
// smaller id stands.
func (v *viewer) onOffer(theirs *link) {
	if v.gone || v.state.Banned(theirs.owner.id) {
		return
	}
	if l := v.linkTo(theirs.owner.i); l != nil {
		if l.offered && !l.up && v.id < theirs.owner.id {
			return
		}
		up := l.up
		v.closeLink(l, false)
		if up {
			v.blame(causeLost, v.state.NeighbourGone(theirs.owner.id, "", v.now()))
		}
	}
	l := v.newLink(theirs.owner)
	l.other, theirs.other = theirs, l
	l.out.arrives, theirs.out.arrives = event{do: evFrame, l: theirs}, event{do: evFrame, l: l}
	// The answer goes back the same way; then ICE and DTLS: SCTP went with the descriptions.
	ready := v.c.t.now + v.delay + theirs.owner.delay
	if !l.reachable {
		return // both ends find out by their time limit
	}
	setup := v.c.o.Network.SetupPeer
	ready += int64(setup * 2 * float64(l.delay))
	for range int(setup * 2) { // a lost packet is sent again
		if v.c.rand.float() < l.loss {
			ready += setupRetry
		}
	}
	v.c.t.add(event{at: ready, do: evLinkUp, l: l})
}

// linkUp is when the channels are open.
func (c *cell) linkUp(l *link) {
	o := l.other
	if l.closed || o.closed || l.owner.gone || o.owner.gone {
		return
	}
	for _, x := range [2]*link{l, o} {
		if v := x.owner; !v.running { // HELLO waits for the tracks
			v.greets = append(v.greets, x)
		} else {
			v.greet(x)
		}
	}
}

// maxHeld frames are kept of neighbours until the tracks are there.
const maxHeld = 64

// greet says HELLO; what is wanted of the neighbour follows at once.
func (v *viewer) greet(l *link) {
	if l.closed {
		return
	}
	size := frameSize(peerwire.Hello{Version: peerwire.Version, ID: v.id, Stream: streamName}, &v.c.buf)
	v.stats.ControlBytes += uint64(size)
	v.stats.ControlSent += uint64(size)
	l.peer.stats.ControlBytes += uint64(size)
	l.up, l.heard = true, v.now()
	v.ping(l, l.heard)
	v.do(v.state.NeighbourUp(l.id, l.heard))
}

// linkLost takes note of a connection that is no more.
func (v *viewer) linkLost(l *link, why string) {
	if l.closed {
		return
	}
	if !l.up {
		why = peerstate.LostConnectFailed
		v.stats.ConnectFailures++
	}
	v.closeLink(l, false)
	v.blame(causeLost, v.state.NeighbourGone(l.id, why, v.now()))
}

// closeLink ends a connection; the other side hears of it unless silent.
func (v *viewer) closeLink(l *link, silent bool) {
	if l.closed {
		return
	}
	l.closed = true
	if i := slices.Index(v.links, l); i >= 0 {
		v.links = slices.Delete(v.links, i, i+1)
		v.turns.Gone(i)
		v.measured.Gone(l.id)
		v.peers = slices.Delete(v.peers, i, i+1)
	}
	v.queued -= l.queue.Len()
	v.c.drop(&l.out)
	if l.other != nil && !silent {
		at := v.c.t.now + l.delay
		if !l.up {
			at += v.delay // known by the tracker's word alone
		}
		v.c.t.add(event{at: at, do: evLinkClosed, l: l.other})
	}
}

// tendLinks finds silent neighbours, failed openings and connections that no
// assignment names any more.
func (v *viewer) tendLinks(now int64) {
	for i := 0; i < len(v.links); i++ {
		l := v.links[i]
		switch {
		case !l.up && now-l.createdAt > connectTimeout:
			v.linkLost(l, peerstate.LostConnectFailed)
			i--
		case l.up && (now-l.heard > goneAfter || now-l.heard > muteAfter && v.state.Mute(l.id)):
			v.linkLost(l, peerstate.LostTimeout)
			i--
		case l.up && now-l.heard > pingAfter && now-l.pinged > pingAfter:
			v.ping(l, now)
		case l.unpaired != 0 && now-l.unpaired > unpairedGrace:
			v.closeLink(l, false)
			v.blame(causeLost, v.state.NeighbourGone(l.id, "", now))
			i--
		case l.queue.Len() > 0:
			v.queued -= l.queue.Expire(now)
		}
	}
}

// onFrame takes a frame from a neighbour: l is the receiver's end.
func (v *viewer) onFrame(l *link, f *frame) {
	if l.closed || v.gone {
		return
	}
	now := v.now()
	l.heard = now
	v.state.Heard(l.id, now)
	t := v.track(f.key.Track)
	if peerwire.Type(f.kind) == peerwire.TypeChunk {
		v.onChunk(t, f.n, f.first, l.peer.i, f.bad)
		return
	}
	v.stats.ControlBytes += uint64(f.size)
	switch peerwire.Type(f.kind) {
	case peerwire.TypeHeader:
		v.onHeader(t, f.n, l.peer.i)
	case peerwire.TypeSubscribe:
		v.state.Headerless(l.id, f.key.Track, f.flags&uint8(peerwire.NoHeaders) != 0)
		v.do(v.state.Subscribed(l.id, f.key.Track, peerwire.SliceMask(f.slices), f.key.ID, now))
	case peerwire.TypeUnsubscribe:
		v.state.Unsubscribed(l.id, f.key.Track, peerwire.SliceMask(f.slices))
		before := l.queue.Len()
		l.queue.Drop(func(k peerstate.Key, chunk int) bool {
			if k.Track != f.key.Track {
				return false
			}
			chunks := v.c.stream.shape(k.Track, v.c.stream.number(k.ID)).chunks
			return peerwire.SliceMask(f.slices).Has(media.SliceOf(chunks, t.slices, chunk))
		})
		v.queued += l.queue.Len() - before
	case peerwire.TypeRequest:
		v.onRequest(l, f)
	case peerwire.TypeCancel:
		before := l.queue.Len()
		l.queue.Cancel(f.key, int(f.first), int(f.count))
		v.queued += l.queue.Len() - before
		v.state.Cancelled(l.id, f.key, int(f.first), int(f.count))
	case peerwire.TypeWant:
		v.do(v.state.HeaderWanted(l.id, f.key))
	case peerwire.TypeRefuse:
		if f.slices != 0 {
			v.stats.Refusals++
			v.blame(causeRefused, v.state.SubscriptionRefused(l.id, f.key.Track, peerwire.SliceMask(f.slices), now))
			return
		}
		v.do(v.state.RangeRefused(l.id, f.key, int(f.first), int(f.count), now))
	case peerwire.TypePing:
		v.send(l, frame{kind: uint8(peerwire.TypePong), sent: f.sent}, peerwire.Pong{})
	case peerwire.TypePong:
		v.measured.RoundTrip(l.id, now-f.sent, now)
		v.state.RoundTrip(l.id, now-f.sent)
	}
}

// onRequest answers a request, unless what waits already would make it late.
func (v *viewer) onRequest(l *link, f *frame) {
	if v.bad == Lie {
		return
	}
	queued := l.queue.Bytes() + int(f.count)*media.MaxChunkSize/2
	if wait := v.bucket.Wait(queued, v.now()); wait < 0 || wait > int64(f.deadline) {
		a := peerstate.Action{Key: f.key, First: int(f.first), Count: int(f.count), Reason: peerwire.ReasonLate}
		v.sendOn(l, &a, peerwire.TypeRefuse)
		return
	}
	v.do(v.state.Requested(l.id, f.key, int(f.first), int(f.count)))
}
