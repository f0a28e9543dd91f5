package simulation

import (
	"context"
	"math"
	"time"

	"starling/internal/media"
	"starling/internal/peerstate"
	"starling/internal/peerwire"
	"starling/internal/swarm"
)

// cell is one group of viewers with its own trees, tracker room and time.
type cell struct {
	o      *Options
	seed   uint64
	n      int // viewers at a time
	stream *stream
	t      timeline
	rand   rng
	pool   pool
	buf    []byte

	viewers []*viewer
	tracker tracker
	feeds   []int32 // viewers with an open feed

	spareParts []*part
	edgeBytes  uint64
	edgeBy     [causes]uint64 // of these
	edgeLine   line

	from, until int64 // the measurement
	stats       tallies
}

func newCell(o *Options, s *stream, n int, seed uint64) *cell {
	c := &cell{o: o, seed: seed, n: n, stream: s, rand: rng{mix(seed) ^ 0xce11}, edgeLine: line{up: 1e9, queue: math.MaxInt64}}
	p := o.Profile
	if p.Arrival.Crowd == 0 && p.Arrival.Within == 0 {
		p.Arrival.Within = o.ramp(n)
	}
	c.from = (o.ramp(n) + o.Warmup).Microseconds()
	c.until = c.from + o.Duration.Microseconds()
	audience := p.Audience(n, time.Duration(c.until)*time.Microsecond, seed)
	for i := range audience {
		v := c.newViewer(int32(i), &audience[i])
		c.viewers = append(c.viewers, v)
		c.t.add(event{at: v.start, do: evJoin, v: v.i})
	}
	cfg := o.Swarm
	cfg.MaxCell = max(cfg.MaxCell, 2*n) // one cell, also while arrivals overtake departures
	c.tracker = tracker{c: c, swarm: swarm.New(cfg), members: make([]member, len(audience)), separations: swarm.NewSeparations[int32](), complaints: swarm.NewComplaints()}
	var tracks []swarm.Track
	for i := range s.tracks {
		t := &s.tracks[i]
		tracks = append(tracks, swarm.Track{Name: t.name, Slices: t.slices, Bitrate: int64(t.bitrate)})
	}
	c.tracker.swarm.SetCatalog(tracks)
	c.t.add(event{at: sweepEvery, do: evSweep})
	c.t.add(event{at: s.published(firstPart), do: evPublish, m: firstPart})
	c.t.add(event{at: c.from, do: evSecond})
	if f := o.Slump.Factor; f > 0 {
		at := c.from + o.Slump.At.Microseconds()
		c.t.add(event{at: at, do: evSlump, m: 1})
		c.t.add(event{at: at + o.Slump.For.Microseconds(), do: evSlump})
	}
	c.stats.init()
	return c
}

// run simulates to the end of the measurement. It tells the share of the time
// that has passed.
func (c *cell) run(ctx context.Context, progress func(float64)) error {
	next := int64(0)
	for {
		e, ok := c.t.next()
		if !ok || e.at > c.until {
			break
		}
		if e.at >= next {
			if err := ctx.Err(); err != nil {
				return err
			}
			progress(float64(e.at) / float64(c.until))
			next = e.at + 1_000_000
		}
		c.handle(&e)
	}
	c.finish()
	return nil
}

func (c *cell) handle(e *event) {
	switch e.do {
	case evTick:
		if v := c.viewers[e.v]; !v.gone {
			v.drainHaves()
			v.tick()
		}
	case evFrame:
		c.frameArrives(e)
	case evWake:
		e.a.waking = false
		c.pump(e.a)
		if l := e.a.owner; l != nil && !l.closed && l.queue.Len() > 0 {
			l.owner.upload()
		}
	case evPublish:
		c.publish(e.m)
	case evFetched:
		c.fetchArrives(e)
	case evFeedAsk:
		if m, ok := c.pool.take(e.m, e.gen); ok {
			c.viewers[e.v].onFeedAsk(&m.frame)
		}
	case evFeedUp:
		if v := c.viewers[e.v]; !v.gone {
			v.feedUp()
		}
	case evOffer:
		c.offerArrives(e)
	case evLinkUp:
		c.linkUp(e.l)
	case evLinkClosed:
		if v := e.l.owner; !v.gone {
			v.linkLost(e.l, peerstate.LostClosed)
		}
	case evToTracker:
		if m, ok := c.pool.take(e.m, e.gen); ok {
			c.tracker.hear(c.viewers[e.v], m.text.(word))
		}
	case evFromTracker:
		c.wordArrives(e)
	case evFlush:
		c.tracker.flush()
	case evSweep:
		c.tracker.sweep()
		c.t.add(event{at: c.t.now + sweepEvery, do: evSweep})
	case evSecond:
		c.second()
	case evSlow:
		if m, ok := c.pool.take(e.m, e.gen); ok && !e.l.closed {
			e.l.owner.transmit(e.l, m.frame)
		}
	case evSlump:
		c.slump(e.m == 1)
	default:
		c.comes(e)
	}
}

// comes carries out the steps of joining and leaving.
func (c *cell) comes(e *event) {
	v := c.viewers[e.v]
	if v.gone {
		return
	}
	switch e.do {
	case evJoin:
		if c.stats.on {
			c.stats.came++
		}
		v.startUplink()
		v.openFeed()
		c.t.add(event{at: c.t.now + c.setupEdge(v), do: evCatalog, v: v.i})
		if v.who.Leave > 0 {
			c.t.add(event{at: v.who.Leave.Microseconds(), do: evLeave, v: v.i})
		}
	case evCatalog:
		if !c.o.EdgeOnly { // the connection was opened beside the catalog's
			v.joined = true
			v.told = v.measured.Rate()
			v.tell(word{kind: wordJoin, uplink: v.told})
		}
		c.t.add(event{at: c.t.now + 4*v.delay, do: evStart, v: v.i}) // a playlist for each track
	case evStart:
		v.begin()
	case evLeave:
		v.leave()
	}
}

// setupEdge is how long a new connection of v to the edge takes.
func (c *cell) setupEdge(v *viewer) int64 {
	return int64(c.o.Network.SetupEdge * 2 * float64(v.delay))
}

func (c *cell) partMS() int64 { return c.stream.part / 1000 }

// holdBack is the distance from live at which playback starts, µs.
func (c *cell) holdBack() int64 { return c.o.HoldBack.Microseconds() }

// firstParts are taken from the edge when playback begins, as internal/peer has
// it.
const firstParts = 3

// begin starts the loop: the playlists say where.
func (v *viewer) begin() {
	c, s := v.c, v.c.stream
	behind := (c.holdBack() - s.part/10 + s.part - 1) / s.part
	listed := s.newest(c.t.now - v.delay)
	from := listed - int32(behind) + 1
	var want []peerstate.Track
	now := v.now()
	for _, t := range s.tracks {
		v.tracks = append(v.tracks, vtrack{strack: t, from: from, base: from, newest: from - 1, progressAt: now, refreshedAt: -1})
		w := peerstate.Track{Number: t.number, Slices: t.slices, Bitrate: t.bitrate, PartMS: c.partMS(), From: s.id(from)}
		if !c.o.EdgeOnly { // parents are expected to bring the rest
			w.Until = s.id(min(from+firstParts, listed+1))
		}
		want = append(want, w)
	}
	v.there = s.newest(c.t.now)
	v.play.known, v.play.pdt = true, s.pdt(from)
	v.running = true
	v.do(v.state.SetTracks(want, now))
	for _, l := range v.greets {
		v.greet(l)
	}
	for _, e := range v.held {
		c.t.add(e)
	}
	v.greets, v.held = nil, nil
	if v.assigned.assign != nil {
		v.onAssign(v.assigned)
	}
	c.t.tick(v.i)
}

// leave ends a viewer, with a goodbye or without.
func (v *viewer) leave() {
	c := v.c
	r := rng{c.seed ^ 0x5117<<32 ^ uint64(v.i)}
	silent := r.float() < c.o.Silent
	for _, l := range v.links {
		c.parentLeaves(l.peer, v)
	}
	for len(v.links) > 0 {
		v.closeLink(v.links[0], silent)
	}
	if v.feed.up {
		v.feedDown()
	}
	if !silent {
		v.tell(word{kind: wordLeave})
	}
	v.gone, v.goneAt = true, c.t.now
	c.stats.gone.add(&v.stats, v)
	v.state, v.tracks, v.haves, v.greets, v.held = nil, nil, nil, nil, nil
}

func (c *cell) frameArrives(e *event) {
	m := &c.pool.all[e.m]
	if m.gen != e.gen {
		return
	}
	v := (*viewer)(nil)
	if e.l != nil {
		v = e.l.owner
	} else {
		v = c.viewers[e.v]
	}
	if peerwire.Type(m.kind) == peerwire.TypeChunk && !m.landed {
		m.landed = true
		size := c.stream.shape(m.key.Track, m.n).chunk(int(m.first))
		if at := v.line.arrive(c.t.now, size); at > c.t.now {
			again := *e
			again.at = at
			c.t.add(again)
			return
		}
	}
	if e.l != nil && !v.gone && !v.running && len(v.held) < maxHeld {
		v.held = append(v.held, *e)
		return
	}
	msg, _ := c.pool.take(e.m, e.gen)
	if v.gone || !v.running {
		return
	}
	v.drainHaves()
	if e.l == nil {
		v.onFeedFrame(&msg.frame)
		return
	}
	v.onFrame(e.l, &msg.frame)
}

func (c *cell) fetchArrives(e *event) {
	v, m := c.viewers[e.v], &c.pool.all[e.m]
	if !v.gone && m.count >= 0 && !m.landed {
		m.landed = true
		if at := v.line.arrive(c.t.now, int(m.size)); at > c.t.now {
			again := *e
			again.at = at
			c.t.add(again)
			return
		}
	}
	msg, ok := c.pool.take(e.m, e.gen)
	if ok && !v.gone {
		v.drainHaves()
	}
	switch {
	case !ok || v.gone:
	case msg.count < 0:
		v.takePlaylist(&msg.frame)
	default:
		v.fetched(&msg.frame)
	}
}

func (c *cell) offerArrives(e *event) {
	l := e.l
	switch {
	case l.closed || l.owner.gone:
	case e.m == atTracker:
		c.tracker.offer(l)
	case !l.peer.gone:
		l.peer.onOffer(l)
	}
}

func (c *cell) wordArrives(e *event) {
	v := c.viewers[e.v]
	if m, ok := c.pool.take(e.m, e.gen); ok && !v.gone {
		v.drainHaves()
		v.onWord(m.text.(word))
	}
}

// publish pushes a new part to those whose feed is open.
func (c *cell) publish(n int32) {
	for _, i := range c.feeds {
		v := c.viewers[i]
		for j := len(v.tracks) - 1; j >= 0; j-- { // audio first: it is ready first
			t := &v.tracks[j]
			sub := &v.feed.subs[t.number]
			if sub.slices != 0 && sub.at < n {
				sub.at = n
				v.catchUpFeed(n)
				v.pushPart(t, n, sub.wanted(n))
			}
		}
	}
	c.t.add(event{at: c.stream.published(n + 1), do: evPublish, m: n + 1})
}

// slump changes what the lines carry up.
func (c *cell) slump(begins bool) {
	f := c.o.Slump.Factor
	if !begins {
		f = 1 / f
	}
	for _, v := range c.viewers {
		v.line.up *= f
	}
}

func sliceChunks(n, k, s int) (first, end int) { return media.SliceChunks(n, k, s) }
