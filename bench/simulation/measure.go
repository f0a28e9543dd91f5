package simulation

import "starling/internal/peerstate"

// counters are what a viewer counts, as internal/peer's Stats.
type counters struct {
	PeerBytes, FeedBytes, HTTPBytes, SentBytes   uint64
	FeedUsed, HTTPUsed                           uint64
	DuplicateBytes, RejectedBytes                uint64
	ControlBytes, ControlSent                    uint64
	Parts, Late, Skipped, Stalls, StallMS, Jumps uint64
	ConnectFailures, Requests, Fetches           uint64
	Playlists, Switches, Bans, Refusals          uint64
	// Startup and FirstPeer are ms from the viewer's start, 0: not yet. They are
	// not added up.
	Startup, FirstPeer int64
	firstNoted         bool
}

func (c *counters) plus(x *counters, sign int) {
	f := func(a *uint64, b uint64) {
		if sign < 0 {
			*a -= b
		} else {
			*a += b
		}
	}
	for _, p := range [...]struct {
		a *uint64
		b uint64
	}{
		{&c.PeerBytes, x.PeerBytes}, {&c.FeedBytes, x.FeedBytes}, {&c.HTTPBytes, x.HTTPBytes}, {&c.SentBytes, x.SentBytes},
		{&c.FeedUsed, x.FeedUsed}, {&c.HTTPUsed, x.HTTPUsed}, {&c.DuplicateBytes, x.DuplicateBytes}, {&c.RejectedBytes, x.RejectedBytes},
		{&c.ControlBytes, x.ControlBytes}, {&c.ControlSent, x.ControlSent}, {&c.Parts, x.Parts}, {&c.Late, x.Late}, {&c.Skipped, x.Skipped},
		{&c.Stalls, x.Stalls}, {&c.StallMS, x.StallMS}, {&c.Jumps, x.Jumps}, {&c.ConnectFailures, x.ConnectFailures},
		{&c.Requests, x.Requests}, {&c.Fetches, x.Fetches}, {&c.Playlists, x.Playlists}, {&c.Switches, x.Switches}, {&c.Bans, x.Bans},
		{&c.Refusals, x.Refusals},
	} {
		f(p.a, p.b)
	}
}

// sums are the counters of many viewers, with the bad ones apart.
type sums struct {
	honest, bad counters
}

func (s *sums) add(c *counters, v *viewer) {
	if v.bad == Honest {
		s.honest.plus(c, 1)
	} else {
		s.bad.plus(c, 1)
	}
}

// tallies are what a cell measures.
type tallies struct {
	gone      sums // of viewers that have left
	lost      uint64
	assigns   uint64
	beacons   uint64
	lostPairs uint64
	degraded  uint64 // viewers made leaves for complaints
	lostBy    map[string]uint64

	on        bool
	begin     sums
	edgeBegin uint64
	edgeBy    [causes]uint64 // edge bytes when the measurement began
	came      int            // viewers since then
	lastSums  sums
	lastEdge  uint64
	lateness  histogram
	perSecond histogram // lateness within this second
	startup   histogram
	firstPeer histogram
	gap       histogram
	series    []Second
	stalls    int // since the second began
	shape     shapes
}

func (t *tallies) init() {
	t.lostBy = map[string]uint64{}
	for _, h := range []*histogram{&t.lateness, &t.perSecond, &t.startup, &t.firstPeer, &t.gap} {
		h.bins = make([]uint32, histogramBins)
	}
}

func (c *cell) sum() sums {
	s := c.stats.gone
	for _, v := range c.viewers {
		if !v.gone && v.running {
			s.add(&v.stats, v)
		}
	}
	return s
}

// delivered notes a part's lateness, µs after the end of its media.
func (c *cell) delivered(v *viewer, late int64) {
	if c.stats.on && v.bad == Honest {
		c.stats.lateness.add(late / 1000)
		c.stats.perSecond.add(late / 1000)
	}
	if v.stats.FirstPeer != 0 && !v.stats.firstNoted {
		v.stats.firstNoted = true
		c.stats.firstPeer.add(v.stats.FirstPeer)
	}
}

func (c *cell) startedUp(v *viewer) { c.stats.startup.add(v.stats.Startup) }

func (c *cell) stalled(v *viewer) {
	if c.stats.on && v.bad == Honest {
		c.stats.stalls++
	}
}

// parentLeaves notes which slices of v came from u.
func (c *cell) parentLeaves(v, u *viewer) {
	if v.gone || !v.running || !c.stats.on {
		return
	}
	for i := range v.tracks {
		t := &v.tracks[i]
		for s, id := range v.state.Sources(t.number) {
			if id == u.id && t.usual[s] != 0 {
				v.lost[t.number][s], v.lostOf[t.number][s] = c.t.now, u.i
			}
		}
	}
}

// slicePushed is called with the first chunk of a slice of each part. After a
// parent has left, the gap is how much later than usual that is, counted not
// from before the departure.
func (v *viewer) slicePushed(t *vtrack, p *part, s int, from int32) {
	now, media := v.c.t.now, v.c.stream.pdt(p.n)
	if at := v.lost[t.number][s]; at != 0 && from != v.lostOf[t.number][s] {
		v.lost[t.number][s] = 0
		v.c.stats.gap.add(max(now-max(at, media+t.usual[s]), 0) / 1000)
	}
	t.usual[s] = now - media
}

// Second is what happened within one second of the measurement.
type Second struct {
	Viewers   int     `json:"viewers"`
	Offload   float64 `json:"offload"`
	PeerBits  float64 `json:"peerBits"` // bit/s of all viewers
	EdgeBits  float64 `json:"edgeBits"`
	Late50    float64 `json:"lateness50Ms"`
	Late95    float64 `json:"lateness95Ms"`
	Stalls    float64 `json:"stalls"`
	Fetches   float64 `json:"fetches"`
	Requests  float64 `json:"requests"`
	Duplicate float64 `json:"duplicateShare"`
}

// second closes a second of the measurement; the first call begins it.
func (c *cell) second() {
	t := &c.stats
	now := c.sum()
	if !t.on {
		t.on = true
		t.begin, t.edgeBegin, t.edgeBy = now, c.edgeBytes, c.edgeBy
	} else {
		h := now.honest
		h.plus(&t.lastSums.honest, -1)
		edge := c.edgeBytes - t.lastEdge
		here := 0
		for _, v := range c.viewers {
			if v.running && !v.gone {
				here++
			}
		}
		t.series = append(t.series, Second{Viewers: here, Offload: share(h.PeerBytes, h.PeerBytes+edge), PeerBits: 8 * float64(h.PeerBytes),
			EdgeBits: 8 * float64(edge), Late50: t.perSecond.at(0.5), Late95: t.perSecond.at(0.95), Stalls: float64(t.stalls),
			Fetches: float64(h.Fetches), Requests: float64(h.Requests), Duplicate: share(h.DuplicateBytes, h.PeerBytes+h.FeedBytes+h.HTTPBytes)})
	}
	t.lastSums, t.lastEdge, t.stalls = now, c.edgeBytes, 0
	clear(t.perSecond.bins)
	t.perSecond.n, t.perSecond.most = 0, 0
	c.t.add(event{at: c.t.now + 1_000_000, do: evSecond})
}

func share(part, of uint64) float64 {
	if of == 0 {
		return 0
	}
	return float64(part) / float64(of)
}

// histogramBins of 1 ms; what is more counts in the last.
const histogramBins = 16_384

// histogram counts samples by the millisecond.
type histogram struct {
	bins []uint32
	n    int
	most int64
}

func (h *histogram) add(ms int64) {
	ms = max(ms, 0)
	h.bins[min(ms, histogramBins-1)]++
	h.n++
	h.most = max(h.most, ms)
}

func (h *histogram) merge(o *histogram) {
	for i, b := range o.bins {
		h.bins[i] += b
	}
	h.n += o.n
	h.most = max(h.most, o.most)
}

// at is the nearest-rank quantile.
func (h *histogram) at(q float64) float64 {
	rank := int(q*float64(h.n) + 0.999999)
	for i, b := range h.bins {
		if rank -= int(b); rank <= 0 && h.n > 0 {
			return float64(min(int64(i), h.most))
		}
	}
	return float64(h.most)
}

// finish takes what can only be seen at the end: the shape of the trees.
func (c *cell) finish() {
	t := &c.stats
	t.shape.depth.bins = make([]uint32, histogramBins)
	parents := map[string]*[16]string{}
	for _, v := range c.viewers {
		if v.gone || !v.running {
			continue
		}
		t.shape.viewers++
		for _, l := range v.links {
			if l.up {
				t.shape.connections++
			}
		}
		a, ok := c.tracker.swarm.Assignment(v.id)
		if !ok {
			continue
		}
		if len(a.Children) == 0 {
			t.shape.leaves++
		}
		flat := &[16]string{}
		n, root := 0, false
		for _, tr := range a.Tracks {
			for _, s := range tr.Slices {
				flat[n] = s.Parent
				n++
				root = root || s.Parent == peerstate.Edge
			}
		}
		if root {
			t.shape.roots++
		}
		parents[v.id] = flat
	}
	for _, v := range c.viewers {
		flat := parents[v.id]
		if flat == nil {
			continue
		}
		for s, p := range flat {
			if p == "" {
				continue
			}
			depth := int64(1)
			for p != peerstate.Edge && depth < 100 {
				next := parents[p]
				if next == nil {
					break
				}
				p = next[s]
				depth++
			}
			t.shape.depth.add(depth)
		}
	}
}

// shapes are what the trees look like at the end.
type shapes struct {
	viewers, roots, leaves, connections int
	depth                               histogram
}
