package peer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"starling/internal/media"
	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

// tickEvery is the grain of repairs, deadlines and paced uploads.
const tickEvery = 25 * time.Millisecond

// Peer is one headless viewer. One goroutine owns its state; connections and
// fetches have their own and hand what they get to it.
type Peer struct {
	cfg     Config
	log     *slog.Logger
	host    *Host
	ownHost bool
	base    *url.URL
	stream  media.StreamID
	session string
	seed    uint32

	start time.Time
	ctx   context.Context
	end   context.CancelFunc
	wg    sync.WaitGroup
	inbox chan func()

	// Everything below belongs to the loop.
	info    *catalog
	state   *peerstate.Viewer
	bucket  *peerstate.Bucket
	tracks  []*trackState
	parts   map[peerstate.Key]*partData
	play    playback
	links   map[string]*link
	order   []*link // links in the order in which they get the uplink
	feed    feed
	tracker trackerState
	net     *transport
	cert    *webrtc.Certificate
	fetches map[fetchKey]bool
	todo    []peerstate.Action
	// Parts to be announced at the next tick.
	complete []peerstate.Key
	doing    bool
	begun    bool            // the tracks and where they begin are known
	over     bool            // the stream has ended and all is played
	turns    peerstate.Turns // of the links at the uplink
	uplink   *peerstate.Uplink
	told     int64 // the uplink that the tracker knows of
	// Late parts and stalls when the uplink was last looked at.
	lateParts uint64

	tickedAt int64
	lateAt   int64 // last late tick
	skipped  bool  // the last tick left the policy out
	stats    Stats

	statsMu sync.Mutex
	shown   Stats
}

// New makes a peer; Run starts it.
func New(cfg Config) (*Peer, error) {
	base, id, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Uplink == 0 {
		cfg.Uplink = DefaultUplink
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	p := &Peer{cfg: cfg, base: base, stream: id, host: cfg.Host, log: cfg.Log.With("stream", id),
		inbox: make(chan func(), 256), parts: map[peerstate.Key]*partData{}, links: map[string]*link{},
		fetches: map[fetchKey]bool{}}
	p.feed.want = map[feedSlice]feedWant{}
	var session [16]byte
	rand.Read(session[:])
	p.seed = binary.BigEndian.Uint32(session[:])
	p.session = hex.EncodeToString(session[:])
	if p.host == nil {
		if p.host, err = NewHost(HostConfig{}); err != nil {
			return nil, err
		}
		p.ownHost = true
	}
	return p, nil
}

// Run plays until ctx ends or the stream does, and returns nil for both. All
// that it started has ended when it returns. It is to be called once.
func (p *Peer) Run(ctx context.Context) error {
	p.start = time.Now()
	// What runs in the background outlives ctx by the moment that it takes to
	// say goodbye.
	p.ctx, p.end = context.WithCancel(context.WithoutCancel(ctx))
	defer p.close()
	p.startUplink()
	p.state.Seed(p.seed)
	var err error
	if p.net, err = p.host.newTransport(); err != nil {
		return err
	}
	ahead := p.dialAhead()
	p.openFeed()
	info, err := p.awaitCatalog(ctx)
	if err != nil {
		return unlessOver(ctx, err)
	}
	p.info = info
	if err := p.chooseTracks(); err != nil {
		return err
	}
	p.joinTracker(ahead)
	if err := p.findStart(ctx); err != nil {
		return unlessOver(ctx, err)
	}
	p.loop(ctx)
	return nil
}

// unlessOver drops an error that only says that ctx has ended.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (p *Peer) loop(ctx context.Context) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	p.tickedAt, p.lateAt = p.now(), -busyFor
	for !p.over {
		select {
		case f := <-p.inbox:
			f()
		case <-tick.C:
			p.tick()
		case <-ctx.Done():
			return
		}
	}
}

// lateTick is how late a tick must be for the peer to conclude that this
// machine was busy, and not its neighbours silent.
const lateTick = 4 * tickEvery

// busyFor ms after a late tick no neighbour is called slow.
const busyFor = 10_000

func (p *Peer) tick() {
	p.drain()
	now := p.now()
	late := now-p.tickedAt > lateTick.Milliseconds()
	p.tickedAt = now
	if late {
		p.lateAt = now
		p.uplink.HeldUp(now)
	}
	if !late || p.skipped {
		p.do(p.state.Tick(now))
		late = false
	}
	p.skipped = late
	p.advance(now)
	p.watch(now)
	p.announce()
	p.tendLinks(now)
	p.tendFeed(now)
	p.tendUplink(now)
	p.pump()
	p.beacon(now)
	p.showStats()
}

// drain takes what has already arrived, so that it is not missed by a tick
// that happens to come first.
func (p *Peer) drain() {
	for range cap(p.inbox) {
		select {
		case f := <-p.inbox:
			f()
		default:
			return
		}
	}
}

// close ends what Run started and waits for it.
func (p *Peer) close() {
	p.leaveTracker()
	p.end()
	for _, l := range p.links {
		p.closeLink(l, peerwire.ReasonLeaving, "")
	}
	p.wg.Wait()
	p.showStats()
	if p.net != nil {
		if err := p.net.close(); err != nil {
			p.log.Debug("close the socket for peers", "error", err)
		}
	}
	if p.ownHost {
		p.host.Close()
	}
}

// now is the policy's clock: milliseconds since Run.
func (p *Peer) now() int64 { return time.Since(p.start).Milliseconds() }

// spawn runs f in a goroutine that Run waits for.
func (p *Peer) spawn(f func()) {
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		f()
	}()
}

// post hands f to the loop; it is dropped when the peer has ended.
func (p *Peer) post(f func()) {
	select {
	case p.inbox <- f:
	case <-p.ctx.Done():
	}
}

// do carries the policy's actions out, in order. Actions that come up
// meanwhile are carried out after them.
func (p *Peer) do(as []peerstate.Action) {
	p.todo = append(p.todo, as...)
	if p.doing {
		return
	}
	p.doing = true
	for i := 0; i < len(p.todo); i++ {
		p.act(p.todo[i])
	}
	p.todo, p.doing = p.todo[:0], false
}

func (p *Peer) act(a peerstate.Action) {
	switch a.Kind {
	case peerstate.ForwardHeader:
		p.sendHeader(a)
	case peerstate.Forward:
		p.queueChunks(a)
	case peerstate.Subscribe:
		p.subscribe(a)
	case peerstate.Unsubscribe:
		p.unsubscribe(a)
	case peerstate.Request:
		p.stats.Requests++
		p.sendTo(a.Peer, peerwire.Request{Range: rangeOf(a), DeadlineMS: int(min(max(a.DeadlineMS, 0), peerwire.MaxDeadlineMS))})
	case peerstate.Cancel:
		// A fetch from the edge is let run to its end: its few chunks have left
		// the edge by now, and both sides are to count the same bytes.
		p.sendTo(a.Peer, peerwire.Cancel{Range: rangeOf(a)})
	case peerstate.Fetch, peerstate.FetchAll:
		p.stats.Fetches++
		p.fetchPart(a)
	case peerstate.Refuse:
		if a.Slices != 0 {
			p.sendTo(a.Peer, peerwire.RefuseSubscribe(a.Reason, a.Key.Track, a.Slices))
			return
		}
		p.sendTo(a.Peer, peerwire.Refuse{Reason: a.Reason, Range: rangeOf(a)})
	case peerstate.ReportBad:
		p.reportBad(a)
	case peerstate.ReportLost:
		if a.Lost == peerstate.LostSlow && p.now()-p.lateAt < busyFor {
			return // more likely this machine was slow
		}
		p.tellTracker(lostMessage(a))
	case peerstate.Deliver:
		p.deliver(a.Key)
	case peerstate.Announce:
		p.complete = append(p.complete, a.Key)
	case peerstate.Ping:
		if l := p.links[a.Peer]; l != nil {
			p.ping(l, p.now())
		}
	case peerstate.WantHeader:
		p.sendTo(a.Peer, peerwire.Want{Track: a.Key.Track, Part: a.Key.ID})
	case peerstate.GiveUp:
		p.stats.Skipped++
		delete(p.parts, a.Key)
	case peerstate.Drop:
		delete(p.parts, a.Key)
	}
}

func rangeOf(a peerstate.Action) peerwire.Range {
	return peerwire.Range{Track: a.Key.Track, Part: a.Key.ID, First: a.First, Count: a.Count}
}

func (p *Peer) subscribe(a peerstate.Action) {
	p.reportSource(a)
	if a.Peer == peerstate.Edge {
		p.feedSubscribe(a)
		return
	}
	p.stats.Switches++
	p.sendTo(a.Peer, peerwire.Subscribe{Track: a.Key.Track, Slices: a.Slices, Part: a.Key.ID, Flags: a.Flags})
}

func (p *Peer) reportSource(a peerstate.Action) {
	t := p.track(a.Key.Track)
	if t == nil || p.cfg.OnSource == nil {
		return
	}
	r := SourceReport{Track: t.info.Name, From: a.Peer}
	for s := range t.info.Slices {
		if a.Slices.Has(s) {
			r.Slices = append(r.Slices, s)
		}
	}
	p.cfg.OnSource(r)
}

func (p *Peer) unsubscribe(a peerstate.Action) {
	f := peerwire.Unsubscribe{Track: a.Key.Track, Slices: a.Slices}
	if a.Peer == peerstate.Edge {
		p.feedUnsubscribe(f)
		return
	}
	p.sendTo(a.Peer, f)
}

// chooseTracks takes the configured tracks, or the best video and the first
// audio.
func (p *Peer) chooseTracks() error {
	names := p.cfg.Tracks
	if len(names) == 0 {
		seen := map[media.Kind]bool{}
		for i := range p.info.Tracks {
			if t := &p.info.Tracks[i]; !seen[t.Kind] {
				seen[t.Kind] = true
				names = append(names, t.Name)
			}
		}
	}
	for _, name := range names {
		t, ok := p.info.Track(name)
		if !ok {
			return fmt.Errorf("stream %s has no track %q; it has %s", p.stream, name, p.info.names())
		}
		p.tracks = append(p.tracks, &trackState{info: t, refreshedAt: -1})
		p.stats.Tracks = append(p.stats.Tracks, name)
	}
	return nil
}

func (p *Peer) track(number uint8) *trackState {
	for _, t := range p.tracks {
		if t.info.Number == number {
			return t
		}
	}
	return nil
}
