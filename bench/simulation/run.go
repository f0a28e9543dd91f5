package simulation

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"starling/bench/profile"
)

// Quantiles of a set of samples; all 0 when there is none.
type Quantiles struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func (h *histogram) quantiles() Quantiles {
	return Quantiles{h.n, h.at(0.5), h.at(0.95), h.at(0.99), float64(h.most)}
}

// Result is what the viewers did during the measurement. Shares are 0 to 1,
// times milliseconds, bytes media payload. Bad viewers are not counted.
type Result struct {
	Profile string  `json:"profile"`
	Viewers int     `json:"viewers"`
	Cells   int     `json:"cells"`
	Seed    uint64  `json:"seed"`
	Seconds float64 `json:"seconds"`

	// Offload is peer bytes ÷ (peer bytes + bytes that left the edge).
	Offload float64 `json:"offload"`
	// Bound is min(1 − k/N, ΣU/(N·r)) with one copy for each cell.
	Bound      float64 `json:"bound"`
	BoundShare float64 `json:"boundShare"`
	// EdgeCopies is how often the edge sent each part to a cell on average, and
	// WorstCell the same of the cell that took most.
	EdgeCopies float64 `json:"edgeCopies"`
	WorstCell  float64 `json:"edgeCopiesWorstCell"`
	// CopiesBy splits EdgeCopies by why the edge sent them, and PartBytesBy the
	// bytes of a part of all tracks and cell.
	CopiesBy    map[string]float64 `json:"edgeCopiesBy"`
	PartBytesBy map[string]float64 `json:"edgeBytesOfPartBy"`
	Came        int                `json:"came"` // viewers, during the measurement

	PeerBytes uint64 `json:"peerBytes"`
	FeedBytes uint64 `json:"feedBytes"`
	HTTPBytes uint64 `json:"httpBytes"`
	EdgeBytes uint64 `json:"edgeBytes"`
	SentBytes uint64 `json:"sentBytes"`

	Duplicates float64 `json:"duplicates"`
	// Control is frames without media, counted where sent and where received, as
	// the peers count; ControlSent counts them once.
	Control     float64 `json:"control"`
	ControlSent float64 `json:"controlSent"`
	Rejected    uint64  `json:"rejectedBytes"` // of the whole run

	Lateness  Quantiles `json:"latenessMs"`
	Startup   Quantiles `json:"startupMs"`       // of the whole run
	FirstPeer Quantiles `json:"firstPeerByteMs"` // of the whole run
	Gap       Quantiles `json:"parentGapMs"`     // how much later than usual a slice came whose parent left
	Depth     Quantiles `json:"depth"`           // hops from the edge, at the end

	Parts   uint64 `json:"parts"`
	Late    uint64 `json:"lateParts"`
	Skipped uint64 `json:"skippedParts"`
	Stalls  uint64 `json:"stalls"`
	StallMS uint64 `json:"stallMs"`
	Jumps   uint64 `json:"jumps"`

	Requests  uint64 `json:"requests"` // repairs asked of neighbours
	Fetches   uint64 `json:"fetches"`  // and of the edge by HTTP
	Playlists uint64 `json:"playlists"`
	Switches  uint64 `json:"switches"` // slices moved to another viewer
	Refusals  uint64 `json:"refusals"`

	Connections     float64           `json:"connections"`
	ConnectFailures uint64            `json:"connectFailures"`
	LostPairs       uint64            `json:"lostPairs"`
	LostBy          map[string]uint64 `json:"lostBy"` // by reason
	Assigns         uint64            `json:"assigns"`
	Degraded        uint64            `json:"degraded"` // viewers made leaves for complaints
	Roots           int               `json:"roots"`    // viewers that the edge feeds, at the end
	Leaves          int               `json:"leaves"`   // viewers without children, at the end
	Bad             int               `json:"badViewers"`
	Banned          int               `json:"banned"`
	HonestBanned    int               `json:"honestBanned"`

	Series []Second `json:"series"`
	// Events is how many events were simulated.
	Events uint64 `json:"events"`

	lateness, startup, firstPeer, gap, depth histogram
}

// Run simulates the viewers, in cells, and sums up what they did. It ends with
// ctx's error when that ends first.
func Run(ctx context.Context, o Options) (Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Result{}, err
	}
	sizes := cellSizes(o.Viewers, o.Swarm.MaxCell)
	s := newStream(&o, o.ramp(sizes[0])+o.Warmup+o.Duration)
	cells := make([]*summary, len(sizes))
	var mu sync.Mutex
	done := make([]float64, len(sizes))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(o.Parallel)
	for i, n := range sizes {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			c := newCell(&o, s, n, o.Seed+uint64(i)<<32)
			err := c.run(ctx, func(share float64) {
				if o.Progress == nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				done[i] = share
				all := 0.0
				for _, d := range done {
					all += d
				}
				o.Progress(all / float64(len(done)))
			})
			if err != nil {
				return fmt.Errorf("simulation, cell %d: %w", i, err)
			}
			cells[i] = c.summary()
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return Result{}, err
	}
	return merge(&o, cells), nil
}

// cellSizes splits the viewers as the overlay does: each cell is full before
// the next opens.
func cellSizes(n, most int) []int {
	var out []int
	for ; n > most; n -= most {
		out = append(out, most)
	}
	return append(out, n)
}

// summary is what remains of a cell.
type summary struct {
	tallies
	n, bad      int
	honest      counters
	edgeBytes   uint64
	edgeBy      [causes]uint64
	streamBytes uint64
	bound       float64
	events      uint64
	parts       int // published
	seconds     float64
	banned      int
	honestBan   int
}

func (c *cell) summary() *summary {
	s := &summary{tallies: c.stats, n: c.n, events: uint64(c.t.seq), seconds: float64(c.until-c.from) / 1e6,
		edgeBytes: c.edgeBytes - c.stats.edgeBegin, banned: c.tracker.banned, honestBan: c.tracker.banHonest}
	for i := range s.edgeBy {
		s.edgeBy[i] = max(c.edgeBy[i], c.stats.edgeBy[i]) - c.stats.edgeBy[i]
	}
	s.honest = c.sum().honest
	rejected := s.honest.RejectedBytes
	s.honest.plus(&c.stats.begin.honest, -1)
	s.honest.RejectedBytes = rejected // most come before the measurement
	for n := c.stream.base; ; n++ {
		at := c.stream.published(n)
		if at >= c.until {
			break
		}
		if at >= c.from {
			s.parts++
			for _, t := range c.stream.tracks {
				s.streamBytes += uint64(c.stream.shape(t.number, n).size)
			}
		}
	}
	var here []profile.Viewer
	rate := 0
	for _, t := range c.stream.tracks {
		rate += t.bitrate
	}
	for _, v := range c.viewers {
		if v.bad != Honest && !v.gone {
			s.bad++
		}
		if v.who.Join.Microseconds() < c.until && !v.gone {
			here = append(here, *v.who)
		}
	}
	s.bound = profile.Bound(here, int64(rate), 1)
	return s
}

func merge(o *Options, cells []*summary) Result {
	r := Result{Profile: o.Profile.Name, Viewers: o.Viewers, Cells: len(cells), Seed: o.Seed, Seconds: o.Duration.Seconds()}
	var all tallies
	all.init()
	depth := histogram{bins: make([]uint32, histogramBins)}
	var sum counters
	var stream uint64
	connections, viewers, parts := 0, 0, 0
	var by [causes]uint64
	r.LostBy = map[string]uint64{}
	for _, c := range cells {
		for why, n := range c.lostBy {
			r.LostBy[why] += n
		}
		sum.plus(&c.honest, 1)
		r.EdgeBytes += c.edgeBytes
		stream += c.streamBytes
		r.Came, parts = r.Came+c.came, parts+c.parts
		for i, bytes := range c.edgeBy {
			by[i] += bytes
		}
		r.WorstCell = max(r.WorstCell, share(c.edgeBytes, c.streamBytes))
		r.Bound += c.bound * float64(c.n) / float64(o.Viewers)
		all.lateness.merge(&c.lateness)
		all.startup.merge(&c.startup)
		all.firstPeer.merge(&c.firstPeer)
		all.gap.merge(&c.gap)
		depth.merge(&c.shape.depth)
		connections, viewers = connections+c.shape.connections, viewers+c.shape.viewers
		r.Roots, r.Leaves = r.Roots+c.shape.roots, r.Leaves+c.shape.leaves
		r.Bad, r.Banned, r.HonestBanned = r.Bad+c.bad, r.Banned+c.banned, r.HonestBanned+c.honestBan
		r.LostPairs, r.Assigns, r.Events = r.LostPairs+c.lostPairs, r.Assigns+c.assigns, r.Events+c.events
		r.Degraded += c.degraded
	}
	received := sum.PeerBytes + sum.FeedBytes + sum.HTTPBytes
	r.Offload = share(sum.PeerBytes, sum.PeerBytes+r.EdgeBytes)
	if r.Bound > 0 {
		r.BoundShare = r.Offload / r.Bound
	}
	r.EdgeCopies = share(r.EdgeBytes, stream)
	r.CopiesBy, r.PartBytesBy = map[string]float64{}, map[string]float64{}
	for i, bytes := range by {
		r.CopiesBy[causeNames[i]], r.PartBytesBy[causeNames[i]] = share(bytes, stream), share(bytes, uint64(parts))
	}
	r.PeerBytes, r.FeedBytes, r.HTTPBytes, r.SentBytes = sum.PeerBytes, sum.FeedBytes, sum.HTTPBytes, sum.SentBytes
	r.Duplicates, r.Control, r.ControlSent = share(sum.DuplicateBytes, received), share(sum.ControlBytes, received), share(sum.ControlSent, received)
	r.Rejected = sum.RejectedBytes
	r.Lateness, r.Startup, r.FirstPeer, r.Gap = all.lateness.quantiles(), all.startup.quantiles(), all.firstPeer.quantiles(), all.gap.quantiles()
	r.Depth = depth.quantiles()
	r.Parts, r.Late, r.Skipped, r.Stalls, r.StallMS, r.Jumps = sum.Parts, sum.Late, sum.Skipped, sum.Stalls, sum.StallMS, sum.Jumps
	r.Requests, r.Fetches, r.Playlists, r.Switches, r.Refusals = sum.Requests, sum.Fetches, sum.Playlists, sum.Switches, sum.Refusals
	r.ConnectFailures = sum.ConnectFailures
	if viewers > 0 {
		r.Connections = float64(connections) / float64(viewers)
	}
	r.Series = mergeSeries(o, cells)
	r.lateness, r.startup, r.firstPeer, r.gap, r.depth = all.lateness, all.startup, all.firstPeer, all.gap, depth
	return r
}

// mergeSeries adds the cells' seconds up; lateness is the mean of the cells'
// quantiles.
func mergeSeries(o *Options, cells []*summary) []Second {
	var out []Second
	for _, c := range cells {
		w := float64(c.n) / float64(o.Viewers)
		for i, x := range c.series {
			if i == len(out) {
				out = append(out, Second{})
			}
			s := &out[i]
			s.Viewers += x.Viewers
			s.PeerBits, s.EdgeBits = s.PeerBits+x.PeerBits, s.EdgeBits+x.EdgeBits
			s.Late50, s.Late95 = s.Late50+w*x.Late50, s.Late95+w*x.Late95
			s.Stalls, s.Fetches, s.Requests = s.Stalls+x.Stalls, s.Fetches+x.Fetches, s.Requests+x.Requests
			s.Duplicate += w * x.Duplicate
		}
	}
	for i := range out {
		if s := &out[i]; s.PeerBits+s.EdgeBits > 0 {
			s.Offload = s.PeerBits / (s.PeerBits + s.EdgeBits)
		}
	}
	return out
}
