package admin

import (
	"time"

	"starling/internal/media"
	"starling/internal/telemetry"
)

// Tracker is what the admin listener asks of a tracker in this process.
type Tracker interface {
	Stats() []telemetry.StreamStats
}

// Edge is what it asks of an edge in this process.
type Edge interface{ Stats() []telemetry.EdgeStats }

// sample is one stream at one moment: the tracker's and the edge's counters
// side by side. Bytes are cumulative and monotonic while the stream is known.
type sample struct {
	at time.Time

	peerBytes     uint64 // media from peers, by the viewers' reports
	edgeBytes     uint64 // media that left the edge
	reportedBytes uint64 // the same, by the viewers' reports

	tracker telemetry.StreamStats
	edge    telemetry.EdgeStats
}

// counter makes a cumulative value monotonic: a source that restarts counts
// from zero again, and what it had counted before is kept.
type counter struct{ base, last uint64 }

func (c *counter) observe(v uint64) uint64 {
	if v < c.last {
		c.base += c.last
	}
	c.last = v
	return c.base + v
}

// stream is what the sampler remembers of one stream.
type stream struct {
	peer, edge, reported counter
	ring                 ring   // one sample a step
	now                  sample // the latest, perhaps younger than the ring's
}

// observe takes the sources' current counters.
func (s *stream) observe(now time.Time, t telemetry.StreamStats, e telemetry.EdgeStats, hasEdge bool) {
	reported := s.reported.observe(t.FeedBytes + t.HTTPBytes)
	edge := reported // a tracker without an edge has only the viewers' word
	if hasEdge {
		edge = s.edge.observe(e.MediaBytes + e.FeedBytes)
	}
	s.now = sample{
		at: now, peerBytes: s.peer.observe(t.PeerBytes), edgeBytes: edge, reportedBytes: reported,
		tracker: t, edge: e,
	}
}

// merge joins the two sources by stream.
func merge(tracker []telemetry.StreamStats, edge []telemetry.EdgeStats) map[media.StreamID]*pair {
	out := map[media.StreamID]*pair{}
	at := func(id media.StreamID) *pair {
		if out[id] == nil {
			out[id] = &pair{}
		}
		return out[id]
	}
	for _, t := range tracker {
		at(t.Stream).tracker = t
	}
	for _, e := range edge {
		at(e.Stream).edge = e
	}
	return out
}

type pair struct {
	tracker telemetry.StreamStats
	edge    telemetry.EdgeStats
}
