package tracker

import (
	"slices"

	"starling/internal/telemetry"
)

// stats sums up the room.
func (r *room) stats() telemetry.StreamStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := telemetry.StreamStats{Stream: r.id, Roots: r.swarm.Roots(), Banned: r.bans}
	r.totals.fill(&s)
	var latency, startup []float64
	for _, v := range r.viewers {
		if v.conn == nil {
			continue
		}
		s.Viewers++
		if v.account.peers > 0 {
			s.Peers++
		}
		if v.account.latencyMS > 0 {
			latency = append(latency, v.account.latencyMS)
		}
		if v.account.startupMS > 0 {
			startup = append(startup, v.account.startupMS)
		}
	}
	s.LatencyP50MS, s.LatencyP95MS = quantile(latency, 0.5), quantile(latency, 0.95)
	s.StartupP50MS = quantile(startup, 0.5)
	return s
}

// quantile is the nearest-rank quantile of values, which it sorts; 0 without
// any.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	rank := int(q*float64(len(values)) + 0.999999)
	return values[min(max(rank, 1), len(values))-1]
}
