package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/webrtc/v4"

	"starling/internal/peerstate"
	"starling/internal/peerwire"
	"starling/internal/trackerwire"
	"starling/internal/wait"
)

// Back-off of a lost tracker (docs/tracker.md rule 1): full jitter.
const (
	trackerMinRetry = 500 * time.Millisecond
	trackerMaxRetry = 30 * time.Second
	// trackerStable is how long a session must have lasted for the back-off
	// to begin anew.
	trackerStable = 10 * time.Second
)

// trackerState is the session with the tracker.
type trackerState struct {
	out        chan []byte // nil while there is no session
	iceServers []webrtc.ICEServer
	beaconMS   int64
	beaconAt   int64
	joined     bool
	revision   uint64
	assigned   *trackerwire.Assign // the latest
}

// defaultTracker is where the tracker is unless the catalog says otherwise.
const defaultTracker = "/tracker"

// dialAhead opens the connection to the tracker while the catalog is read. It
// is handed over to whoever reads from the result, nil when it failed.
func (p *Peer) dialAhead() <-chan *websocket.Conn {
	ahead := make(chan *websocket.Conn)
	addr, err := websocketURL(p.base, defaultTracker)
	if p.cfg.EdgeOnly || err != nil {
		return ahead
	}
	p.spawn(func() {
		conn, err := p.dialTracker(addr)
		if err != nil {
			p.log.Debug("tracker not reached ahead of the catalog", "error", err)
		}
		select {
		case ahead <- conn:
		case <-p.ctx.Done():
			if conn != nil {
				conn.CloseNow()
			}
		}
	})
	return ahead
}

func (p *Peer) dialTracker(addr string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(p.ctx, fetchTimeout)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, addr, &websocket.DialOptions{HTTPClient: p.host.http, Subprotocols: []string{trackerwire.Subprotocol}})
	if err != nil {
		return nil, fmt.Errorf("dial the tracker: %w", err)
	}
	return conn, nil
}

// discard closes a connection that was opened ahead to what is not the
// tracker. Joining does not wait for it.
func (p *Peer) discard(ahead <-chan *websocket.Conn) {
	select {
	case conn := <-ahead:
		if conn != nil {
			conn.CloseNow()
		}
	case <-p.ctx.Done():
	}
}

// joinTracker keeps a session with the tracker in the background. Playback
// never waits for it. The first one uses the connection that was opened ahead,
// when the catalog names no other tracker.
func (p *Peer) joinTracker(ahead <-chan *websocket.Conn) {
	if p.cfg.EdgeOnly {
		return
	}
	ref := p.info.Tracker
	if ref == "" {
		ref = defaultTracker
	}
	guess, _ := websocketURL(p.base, defaultTracker)
	addr, err := websocketURL(p.base, ref)
	if err != nil {
		p.log.Error("no tracker: playing from the edge", "error", err)
		return
	}
	if key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
		p.cert, _ = webrtc.GenerateCertificate(key) // without it each connection makes its own
	}
	// The loop that joins begins when the playlists are there: the first join
	// does not wait for them.
	join, err := trackerwire.Marshal(p.join())
	if err != nil {
		p.log.Error("message to the tracker", "error", err)
	}
	if guess != addr {
		p.spawn(func() { p.discard(ahead) })
	}
	p.spawn(func() {
		retry := trackerMinRetry
		var conn *websocket.Conn
		if guess == addr {
			select {
			case conn = <-ahead:
			case <-p.ctx.Done():
				return
			}
		}
		for {
			began := time.Now()
			err := p.runTracker(addr, conn, join)
			conn, join = nil, nil
			if p.ctx.Err() != nil {
				return
			}
			p.log.Debug("tracker lost", "error", err)
			if time.Since(began) > trackerStable {
				retry = trackerMinRetry
			}
			if wait.For(p.ctx, mrand.N(retry)) != nil {
				return
			}
			retry = min(2*retry, trackerMaxRetry)
		}
	})
}

// runTracker is one session, on conn when it is there: it returns why it ended.
// join is its first message, made by the loop when nil.
func (p *Peer) runTracker(addr string, conn *websocket.Conn, join []byte) error {
	if conn == nil {
		var err error
		if conn, err = p.dialTracker(addr); err != nil {
			return err
		}
	}
	defer conn.CloseNow()
	conn.SetReadLimit(trackerwire.MaxMessage)
	// A cancelled read closes the connection, so this context ends only after
	// the goodbye.
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.ctx))
	defer cancel()
	out, written := make(chan []byte, 256), make(chan struct{})
	go func() {
		defer close(written)
		defer cancel()
		p.writeTracker(ctx, conn, out)
	}()
	defer func() { cancel(); <-written }()
	if join != nil {
		out <- join
	}
	p.post(func() {
		if p.tracker.out = out; join == nil {
			p.tellTracker(p.join())
		}
	})
	defer p.post(func() {
		if p.tracker.out == out {
			p.tracker.out, p.tracker.joined = nil, false
		}
	})
	for {
		_, b, err := conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("read from the tracker: %w", err)
		}
		m, err := trackerwire.ParseTracker(b)
		if errors.Is(err, trackerwire.ErrUnknownType) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read from the tracker: %w", err)
		}
		p.post(func() { p.onTracker(m) })
	}
}

// writeTracker sends messages until ctx ends; when the peer ends it sends what
// is left and says goodbye.
func (p *Peer) writeTracker(ctx context.Context, conn *websocket.Conn, out <-chan []byte) {
	for {
		select {
		case b := <-out:
			if conn.Write(ctx, websocket.MessageText, b) != nil {
				return
			}
			continue
		case <-ctx.Done():
			return
		case <-p.ctx.Done():
		}
		break
	}
	last, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		select {
		case b := <-out:
			if conn.Write(last, websocket.MessageText, b) != nil {
				return
			}
			continue
		default:
		}
		break
	}
	if bye, err := trackerwire.Marshal(&trackerwire.Leave{}); err == nil && conn.Write(last, websocket.MessageText, bye) == nil {
		conn.Close(websocket.StatusNormalClosure, "")
	}
}

func (p *Peer) join() *trackerwire.Join {
	p.told = p.uplink.Rate()
	return &trackerwire.Join{Version: trackerwire.Version, Stream: p.stream, Tracks: p.stats.Tracks,
		Uplink: trackerwire.Number(p.told), Browser: "starling-peer", Session: p.session, Token: p.cfg.Token}
}

// tellTracker sends a message; without a session it is dropped, since the
// next join says all that matters.
func (p *Peer) tellTracker(m trackerwire.Message) {
	if p.tracker.out == nil {
		return
	}
	b, err := trackerwire.Marshal(m)
	if err != nil {
		p.log.Error("message to the tracker", "error", err)
		return
	}
	select {
	case p.tracker.out <- b:
	default:
		p.log.Warn("the tracker takes no messages", "type", m.Type())
	}
}

func lostMessage(a peerstate.Action) trackerwire.Message {
	return &trackerwire.Lost{Peer: a.Peer, Reason: a.Lost}
}

func (p *Peer) signalTo(l *link, d trackerwire.SignalData) {
	if !l.closed {
		p.tellTracker(&trackerwire.SignalTo{To: l.id, Data: d})
	}
}

func (p *Peer) onTracker(m trackerwire.Message) {
	switch m := m.(type) {
	case *trackerwire.Welcome:
		p.stats.ID = m.ID
		p.tracker.joined, p.tracker.beaconMS, p.tracker.beaconAt, p.tracker.revision = true, int64(m.BeaconMS), p.now(), 0
		p.tracker.iceServers = nil
		for _, s := range m.ICEServers {
			p.tracker.iceServers = append(p.tracker.iceServers, webrtc.ICEServer{URLs: s.URLs})
		}
		p.log.Debug("joined", "id", m.ID, "p2p", m.P2P)
	case *trackerwire.Assign:
		p.onAssign(m)
	case *trackerwire.SignalFrom:
		p.onSignal(m.From, m.Data)
	case *trackerwire.Ban:
		if l := p.links[m.Peer]; l != nil {
			p.closeLink(l, peerwire.ReasonBanned, "")
		}
		p.do(p.state.Ban(m.Peer, p.now()))
	case *trackerwire.Error:
		p.log.Warn("the tracker refuses", "code", m.Code, "message", m.Message)
	}
}

// onAssign takes the viewer's place in the overlay: it opens connections to
// parents and backups that are not there yet and lets the policy move slices.
func (p *Peer) onAssign(m *trackerwire.Assign) {
	if m.Revision < p.tracker.revision {
		return
	}
	p.tracker.revision, p.tracker.assigned = m.Revision, m
	paired := map[string]bool{}
	for _, id := range m.Peers {
		paired[id] = true
	}
	for _, l := range p.order {
		switch {
		case paired[l.id]:
			l.unpairedAt = 0
		case l.unpairedAt == 0:
			l.unpairedAt = max(p.now(), 1)
		}
	}
	for _, at := range m.Tracks {
		t, ok := p.info.Track(at.Name)
		if !ok || p.track(t.Number) == nil {
			continue
		}
		sources := make([]peerstate.SliceSource, t.Slices)
		for i := range sources {
			sources[i] = peerstate.SliceSource{Parent: peerstate.Edge, Backup: peerstate.Edge}
		}
		for _, s := range at.Slices {
			if s.Slice < 0 || s.Slice >= t.Slices {
				continue
			}
			sources[s.Slice] = peerstate.SliceSource{Parent: s.Parent, Backup: s.Backup}
			for _, id := range []string{s.Parent, s.Backup} {
				if id != peerstate.Edge && id != "" {
					p.connect(id)
				}
			}
		}
		p.do(p.state.Assign(t.Number, sources, p.now()))
	}
}

// beacon tells the tracker the counters.
func (p *Peer) beacon(now int64) {
	if !p.tracker.joined || p.tracker.beaconMS <= 0 || now-p.tracker.beaconAt < p.tracker.beaconMS && !p.uplinkNews(now) {
		return
	}
	p.tracker.beaconAt = now
	p.sendBeacon()
}

func (p *Peer) sendBeacon() {
	s := &p.stats
	n := func(v uint64) trackerwire.Number { return trackerwire.Number(v) }
	p.told = p.uplink.Rate()
	uplink := n(uint64(p.told))
	b := &trackerwire.Beacon{PeerBytes: n(s.PeerBytes), FeedBytes: n(s.FeedBytes), HTTPBytes: n(s.HTTPBytes), SentBytes: n(s.SentBytes),
		DuplicateBytes: n(s.DuplicateBytes), RejectedBytes: n(s.RejectedBytes), ControlBytes: n(s.ControlBytes), Stalls: n(s.Stalls), StallMS: n(s.StallMS),
		StartupMS: trackerwire.Number(s.StartupMS), ConnectFailures: n(s.ConnectFailures), Uplink: &uplink}
	if len(s.Tracks) > 0 {
		b.Rung = s.Tracks[0]
	}
	if p.play.started {
		b.LatencyMS = trackerwire.Number(max(p.play.latency(time.Now(), p.now()).Milliseconds(), 0))
		b.BufferMS = trackerwire.Number(p.buffered())
	}
	for _, l := range p.order {
		if l.up {
			b.Peers++
		}
	}
	p.tellTracker(b)
}

// leaveTracker sends the last counters; the goodbye follows when the session
// ends.
func (p *Peer) leaveTracker() {
	if p.tracker.joined {
		p.sendBeacon()
	}
}
