package audience

import (
	"sync"
	"time"

	"starling/bench/report"
	"starling/internal/peer"
)

// meter gathers what is measured of the audience as a whole.
type meter struct {
	on       bool
	from, to time.Duration // of the measurement, as it was
	edgeFrom uint64
	edgeTo   uint64

	mu       sync.Mutex
	counting bool
	lateness []float64 // ms, of the measurement
	second   []float64 // ms, of the present second
	parts    map[partKey]int
	depths   []float64 // hops of each slice of each viewer, every second

	seconds []second
}

type partKey struct {
	track string
	id    partID
}

// second is a sample of the audience, at the end of a second.
type second struct {
	viewers  int
	total    peer.Stats // of all honest viewers who ever came
	edge     uint64     // bytes that have left it
	peers    uint64     // useful bytes from peers, of everybody
	bound    float64
	half     float64 // bound when half of each uplink is used
	lateness float64 // p95 of the parts that came, ms; -1 without any
}

// late takes note of a part that is complete at an honest viewer.
func (r *run) late(p peer.PartReport) {
	ms := float64(p.Lateness.Microseconds()) / 1000
	m := &r.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	m.second = append(m.second, ms)
	if m.counting {
		m.lateness = append(m.lateness, ms)
		m.parts[partKey{p.Track, partID{p.ID.MSN, p.ID.Index}}] = len(p.Data)
	}
}

// mark begins or ends the measurement.
func (r *run) mark(on bool) {
	edge := r.o.World.EdgeBytes()
	r.mu.Lock()
	for _, v := range r.viewers {
		switch s := v.peer.Stats(); {
		case v.done:
			if on {
				v.base = v.final
			}
		case on:
			v.base = s
		default:
			v.final, v.done = s, true
		}
	}
	r.mu.Unlock()
	m := &r.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counting = on
	if on {
		m.on, m.from, m.edgeFrom, m.parts = true, r.since(), edge, map[partKey]int{}
		return
	}
	if m.on {
		m.to, m.edgeTo = r.since(), edge
	}
}

// sample notes how the audience stands.
func (r *run) sample(at time.Duration) {
	s := second{edge: r.o.World.EdgeBytes(), lateness: -1}
	r.mu.Lock()
	for _, v := range r.viewers {
		st := v.final
		if v.left == 0 {
			st = v.peer.Stats()
			s.viewers++
		}
		s.peers += st.PeerBytes
		if !v.bad {
			add(&s.total, &st)
		}
	}
	here := r.here()
	s.bound, s.half = r.bound(here, 1), r.bound(here, 0.5)
	r.mu.Unlock()
	if r.meter.on && !r.o.EdgeOnly {
		r.meter.depths = append(r.meter.depths, depths(here)...)
	}
	m := &r.meter
	m.mu.Lock()
	if len(m.second) > 0 {
		s.lateness = report.QuantilesOf(m.second).P95
	}
	m.second = m.second[:0]
	m.seconds = append(m.seconds, s)
	measuring := m.on
	m.mu.Unlock()
	if r.o.Progress == nil {
		return
	}
	back := m.seconds[max(len(m.seconds)-6, 0)]
	r.o.Progress(Progress{At: at, Of: r.plan.to, Viewers: s.viewers, Measuring: measuring, Stalls: s.total.Stalls,
		Offload: share(s.peers-back.peers, s.edge-back.edge)})
}

// bound is the largest share of the bytes that peers can carry for those
// viewers: the edge sends every track that somebody watches once, and again to
// every bad viewer, since a banned one has nobody else; peers send no more than
// the honest ones' lines carry, of which they use that share.
func (r *run) bound(here []*viewer, used float64) float64 {
	once := map[string]bool{}
	var demand, needed, up float64
	for _, v := range here {
		for _, t := range []string{v.rung, r.o.Audio} {
			rate := float64(r.o.Bitrate[t])
			demand += rate
			if v.bad || !once[t] {
				needed += rate
			}
			once[t] = once[t] || !v.bad
		}
		if v.who.MayUpload && !v.bad {
			up += used * float64(v.who.Uplink)
		}
	}
	if demand == 0 {
		return 0
	}
	return max(0, min(1-needed/demand, up/demand))
}

// share is peers' bytes of all.
func share(peers, edge uint64) float64 {
	if peers+edge == 0 {
		return 0
	}
	return float64(peers) / float64(peers+edge)
}

// add sums counters.
func add(t, s *peer.Stats) {
	combine(t, s, func(a, b uint64) uint64 { return a + b })
}

// since subtracts what was there before.
func minus(t, s *peer.Stats) {
	combine(t, s, func(a, b uint64) uint64 { return a - min(a, b) })
}

func combine(t, s *peer.Stats, f func(a, b uint64) uint64) {
	for _, p := range []struct{ t, s *uint64 }{
		{&t.PeerBytes, &s.PeerBytes}, {&t.FeedBytes, &s.FeedBytes}, {&t.HTTPBytes, &s.HTTPBytes}, {&t.SentBytes, &s.SentBytes},
		{&t.DuplicateBytes, &s.DuplicateBytes}, {&t.RejectedBytes, &s.RejectedBytes}, {&t.ControlBytes, &s.ControlBytes},
		{&t.HeaderBytes, &s.HeaderBytes}, {&t.HaveBytes, &s.HaveBytes}, {&t.PingBytes, &s.PingBytes},
		{&t.Parts, &s.Parts}, {&t.Late, &s.Late}, {&t.Skipped, &s.Skipped}, {&t.Stalls, &s.Stalls}, {&t.StallMS, &s.StallMS}, {&t.Jumps, &s.Jumps},
		{&t.ConnectFailures, &s.ConnectFailures}, {&t.Requests, &s.Requests}, {&t.Fetches, &s.Fetches}, {&t.Playlists, &s.Playlists},
		{&t.Switches, &s.Switches}, {&t.Bans, &s.Bans}, {&t.Refusals, &s.Refusals},
	} {
		*p.t = f(*p.t, *p.s)
	}
}
