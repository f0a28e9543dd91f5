package peer

import (
	"fmt"
	"time"

	"github.com/pion/webrtc/v4"

	"starling/internal/peerstate"
	"starling/internal/peerwire"
	"starling/internal/signal"
	"starling/internal/trackerwire"
)

// Times of a neighbour, ms.
const (
	connectTimeout = 4_000
	unpairedGrace  = 5_000
)

// Closing ends an association at once, with all that waits to be sent. So BYE
// gets byeLinger to leave. Whoever was told waits longer: its association is
// then ended by the other side, and not by both of them in the same moment,
// when pion keeps a lock until a timer of 200 ms ends.
const (
	byeLinger  = 100 * time.Millisecond
	lostLinger = 500 * time.Millisecond
)

// link is the connection to one neighbour, from the first signal on.
type link struct {
	id       string
	pc       *webrtc.PeerConnection
	control  *webrtc.DataChannel
	chunks   *webrtc.DataChannel
	offered  bool // by this viewer
	opened   int  // channels that are open
	hello    bool // received
	up       bool // open, and this viewer has said HELLO
	held     []heldFrame
	closed   bool
	answered bool // the remote description is there
	waiting  []webrtc.ICECandidateInit

	queue   peerstate.ChildQueue
	headers map[peerstate.Key]struct{} // sent

	createdAt, heard, pinged int64
	unpairedAt               int64 // since when no assignment names it, 0 while one does
}

// heldFrame came before this viewer was ready to act on it.
type heldFrame struct {
	frame peerwire.Frame
	size  int
}

// maxHeld frames are kept of a neighbour: HELLO and a SUBSCRIBE a track come at
// once, little else before a HELLO of ours.
const maxHeld = 32

// connect opens a connection to a neighbour.
func (p *Peer) connect(id string) {
	if p.links[id] != nil || p.state.Banned(id) || id == p.stats.ID {
		return
	}
	l, err := p.newLink(id)
	if err == nil {
		l.offered = true
		err = p.offer(l)
	}
	if err != nil {
		p.linkFailed(id, l, err)
	}
}

func (p *Peer) linkFailed(id string, l *link, err error) {
	p.log.Debug("cannot connect", "peer", id, "error", err)
	p.stats.ConnectFailures++
	if l != nil {
		p.closeLink(l, peerwire.ReasonNone, "")
	}
	p.do(p.state.NeighbourGone(id, peerstate.LostConnectFailed, p.now()))
}

// newLink makes the connection with its two negotiated channels
// (docs/peer.md, "Carriage").
func (p *Peer) newLink(id string) (*link, error) {
	cfg := webrtc.Configuration{ICEServers: p.tracker.iceServers}
	if p.cert != nil {
		cfg.Certificates = []webrtc.Certificate{*p.cert}
	}
	pc, err := p.net.api.NewPeerConnection(cfg)
	if err != nil {
		return nil, fmt.Errorf("peer connection: %w", err)
	}
	now := p.now()
	l := &link{id: id, pc: pc, headers: map[peerstate.Key]struct{}{}, createdAt: now, heard: now}
	p.links[id] = l
	p.order = append(p.order, l)
	yes, no := true, false
	control, chunks := uint16(peerwire.ControlID), uint16(peerwire.ChunksID)
	l.control, err = pc.CreateDataChannel(peerwire.ControlLabel, &webrtc.DataChannelInit{Negotiated: &yes, ID: &control, Ordered: &yes})
	if err == nil {
		l.chunks, err = pc.CreateDataChannel(peerwire.ChunksLabel, &webrtc.DataChannelInit{Negotiated: &yes, ID: &chunks, Ordered: &no})
	}
	if err != nil {
		return l, fmt.Errorf("data channel: %w", err)
	}
	l.chunks.SetBufferedAmountLowThreshold(peerstate.LowWater)
	// This callback runs under the association's lock, which sending takes, so
	// it must not wait for the loop; the next tick does what is dropped here.
	l.chunks.OnBufferedAmountLow(func() {
		select {
		case p.inbox <- p.pump:
		default:
		}
	})
	for _, dc := range []*webrtc.DataChannel{l.control, l.chunks} {
		dc.OnOpen(func() { p.post(func() { p.channelOpen(l) }) })
		dc.OnClose(func() { p.post(func() { p.linkLost(l, peerstate.LostClosed) }) })
		dc.OnMessage(func(m webrtc.DataChannelMessage) {
			f, err := peerwire.Parse(m.Data)
			p.post(func() { p.onFrame(l, f, len(m.Data), err) })
		})
	}
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateFailed:
			p.post(func() { p.linkLost(l, peerstate.LostTimeout) })
		case webrtc.PeerConnectionStateClosed:
			p.post(func() { p.linkLost(l, peerstate.LostClosed) })
		}
	})
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		text := ""
		if c != nil {
			var err error
			if text, err = signal.SqueezeCandidate(c.ToJSON().Candidate); err != nil {
				return // of a kind that is not sent, such as TCP
			}
		}
		p.post(func() { p.signalTo(l, trackerwire.SignalData{Candidate: &text}) })
	})
	return l, nil
}

func (p *Peer) offer(l *link) error {
	desc, err := l.pc.CreateOffer(nil)
	if err != nil {
		return fmt.Errorf("offer: %w", err)
	}
	text, err := signal.Squeeze(desc.SDP)
	if err != nil {
		return fmt.Errorf("squeeze the offer: %w", err)
	}
	p.signalTo(l, trackerwire.SignalData{Offer: &text})
	if err := l.pc.SetLocalDescription(desc); err != nil {
		return fmt.Errorf("offer: %w", err)
	}
	return nil
}

// onSignal takes a step of opening a connection from the tracker.
func (p *Peer) onSignal(from string, d trackerwire.SignalData) {
	l := p.links[from]
	var err error
	switch {
	case d.Offer != nil:
		l, err = p.onOffer(l, from, *d.Offer)
	case d.Answer != nil && l != nil && l.offered && !l.answered:
		err = p.remote(l, webrtc.SDPTypeAnswer, *d.Answer)
	case d.Candidate != nil && l != nil && *d.Candidate != "":
		err = p.remoteCandidate(l, *d.Candidate)
	case d.Restart:
		if l != nil {
			p.closeLink(l, peerwire.ReasonNone, "")
			p.do(p.state.NeighbourGone(from, "", p.now()))
		}
		p.connect(from)
	}
	if err != nil {
		p.linkFailed(from, l, err)
	}
}

// onOffer answers an offer. When both have offered, that of the viewer with
// the smaller id stands (docs/tracker.md, "Signals").
func (p *Peer) onOffer(l *link, from, offer string) (*link, error) {
	if p.state.Banned(from) {
		return nil, nil
	}
	if l != nil {
		if l.offered && !l.up && p.stats.ID < from {
			return l, nil
		}
		p.closeLink(l, peerwire.ReasonNone, "")
		if l.up {
			p.do(p.state.NeighbourGone(from, "", p.now()))
		}
	}
	l, err := p.newLink(from)
	if err != nil {
		return l, err
	}
	if err := p.remote(l, webrtc.SDPTypeOffer, offer); err != nil {
		return l, err
	}
	desc, err := l.pc.CreateAnswer(nil)
	if err != nil {
		return l, fmt.Errorf("answer: %w", err)
	}
	text, err := signal.Squeeze(desc.SDP)
	if err != nil {
		return l, fmt.Errorf("squeeze the answer: %w", err)
	}
	p.signalTo(l, trackerwire.SignalData{Answer: &text})
	if err := l.pc.SetLocalDescription(desc); err != nil {
		return l, fmt.Errorf("answer: %w", err)
	}
	return l, nil
}

func (p *Peer) remote(l *link, kind webrtc.SDPType, text string) error {
	sdp, err := signal.Expand(text)
	if err != nil {
		return fmt.Errorf("description from %s: %w", l.id, err)
	}
	if err := l.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: sdp}); err != nil {
		return fmt.Errorf("description from %s: %w", l.id, err)
	}
	l.answered = true
	for _, c := range l.waiting {
		p.addCandidate(l, c)
	}
	l.waiting = nil
	return nil
}

// maxWaiting bounds the candidates kept before the description.
const maxWaiting = 32

func (p *Peer) remoteCandidate(l *link, text string) error {
	s, err := signal.ExpandCandidate(text)
	if err != nil {
		return fmt.Errorf("candidate from %s: %w", l.id, err)
	}
	mid := "0"
	c := webrtc.ICECandidateInit{Candidate: s, SDPMid: &mid}
	if l.answered {
		p.addCandidate(l, c)
	} else if len(l.waiting) < maxWaiting {
		l.waiting = append(l.waiting, c)
	}
	return nil
}

// addCandidate tries an address; one that does not work is no reason to end a
// connection that may open by another.
func (p *Peer) addCandidate(l *link, c webrtc.ICECandidateInit) {
	if err := l.pc.AddICECandidate(c); err != nil {
		p.log.Debug("candidate refused", "peer", l.id, "error", err)
	}
}

func (p *Peer) channelOpen(l *link) {
	if l.closed {
		return
	}
	if l.opened++; l.opened == 2 && p.begun {
		p.greet(l)
	}
}

// greet introduces the viewer. What it wants of the neighbour follows at once:
// the neighbour's HELLO would be a round trip later.
func (p *Peer) greet(l *link) {
	p.send(l, peerwire.Hello{Version: peerwire.Version, ID: p.stats.ID, Stream: p.stream})
	l.up = true
	p.do(p.state.NeighbourUp(l.id, p.now()))
	held := l.held
	l.held = nil
	for _, h := range held {
		p.onFrame(l, h.frame, h.size, nil)
	}
}

// meet takes up what waited for the tracks: connections that are open already,
// since only HELLO lets others send anything, and the assignment.
func (p *Peer) meet() {
	p.begun = true
	for _, l := range append([]*link(nil), p.order...) {
		if l.opened == 2 && !l.up {
			p.greet(l)
		}
	}
	if m := p.tracker.assigned; m != nil {
		p.onAssign(m)
	}
}

// linkLost takes note of a connection that is no more.
func (p *Peer) linkLost(l *link, why string) {
	if l.closed {
		return
	}
	if !l.hello {
		why = peerstate.LostConnectFailed
		p.stats.ConnectFailures++
	}
	p.closeLink(l, peerwire.ReasonNone, "")
	p.do(p.state.NeighbourGone(l.id, why, p.now()))
}

// closeLink ends a connection, with a BYE when a reason is given. The policy
// is told by the caller.
func (p *Peer) closeLink(l *link, why peerwire.Reason, text string) {
	if l.closed {
		return
	}
	if why != peerwire.ReasonNone && l.opened == 2 {
		p.send(l, peerwire.Bye{Reason: why, Text: text})
	}
	l.closed = true
	if p.links[l.id] == l {
		delete(p.links, l.id)
		p.uplink.Gone(l.id)
	}
	for i, o := range p.order {
		if o == l {
			p.order = append(p.order[:i:i], p.order[i+1:]...)
			p.turns.Gone(i)
			break
		}
	}
	pc, linger := l.pc, lostLinger
	if why != peerwire.ReasonNone {
		linger = byeLinger
	}
	p.spawn(func() {
		time.Sleep(linger)
		if err := pc.GracefulClose(); err != nil {
			p.log.Debug("close a connection", "error", err)
		}
	})
}

// protocolError ends the connection to whoever broke the format.
func (p *Peer) protocolError(from string, err error) {
	p.log.Debug("protocol error", "from", from, "error", err)
	if l := p.links[from]; l != nil {
		p.closeLink(l, peerwire.ReasonProtocol, "")
		p.do(p.state.NeighbourGone(from, peerstate.LostClosed, p.now()))
	}
}

// reportBad bans a peer that sent wrong bytes: here, with it, and at the
// tracker.
func (p *Peer) reportBad(a peerstate.Action) {
	p.stats.Bans++
	t := p.track(a.Key.Track)
	p.log.Warn("a peer sent wrong bytes", "peer", a.Peer, "part", a.Key.ID, "chunk", a.First)
	if l := p.links[a.Peer]; l != nil {
		p.closeLink(l, peerwire.ReasonBadData, "")
	}
	if t != nil {
		p.tellTracker(&trackerwire.Report{Peer: a.Peer, Track: t.info.Name, MSN: trackerwire.Number(a.Key.ID.MSN),
			Index: trackerwire.Number(a.Key.ID.Index), Chunk: trackerwire.Number(a.First)})
	}
}

// tendLinks finds silent neighbours, failed openings and connections that no
// assignment names any more.
func (p *Peer) tendLinks(now int64) {
	for _, l := range append([]*link(nil), p.order...) {
		switch {
		case !l.hello && now-l.createdAt > connectTimeout:
			p.linkLost(l, peerstate.LostConnectFailed)
		case l.up && (now-l.heard > goneAfter || now-l.heard > muteAfter && p.state.Mute(l.id)):
			p.linkLost(l, peerstate.LostTimeout)
		case l.up && now-l.heard > pingAfter && now-l.pinged > pingAfter:
			p.ping(l, now)
		case l.unpairedAt != 0 && now-l.unpairedAt > unpairedGrace:
			p.closeLink(l, peerwire.ReasonLeaving, "")
			p.do(p.state.NeighbourGone(l.id, "", now))
		}
		l.queue.Expire(now)
	}
}
