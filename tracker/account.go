package tracker

import (
	"time"

	"starling/internal/telemetry"
	"starling/internal/trackerwire"
)

// counter names one cumulative field of a beacon.
type counter int

// The cumulative fields of a beacon.
const (
	peerBytes counter = iota
	feedBytes
	httpBytes
	sentBytes
	duplicateBytes
	rejectedBytes
	controlBytes
	stalls
	stallMS
	droppedFrames
	connectFailures
	counters
)

// tally holds all counters.
type tally [counters]uint64

func tallyOf(b *trackerwire.Beacon) tally {
	return tally{
		peerBytes: uint64(b.PeerBytes), feedBytes: uint64(b.FeedBytes), httpBytes: uint64(b.HTTPBytes), sentBytes: uint64(b.SentBytes),
		duplicateBytes: uint64(b.DuplicateBytes), rejectedBytes: uint64(b.RejectedBytes), controlBytes: uint64(b.ControlBytes),
		stalls: uint64(b.Stalls), stallMS: uint64(b.StallMS), droppedFrames: uint64(b.DroppedFrames), connectFailures: uint64(b.ConnectFailures),
	}
}

func (t *tally) add(d tally) {
	for i := range t {
		t[i] += d[i]
	}
}

func (t *tally) fill(s *telemetry.StreamStats) {
	s.PeerBytes, s.FeedBytes, s.HTTPBytes, s.SentBytes = t[peerBytes], t[feedBytes], t[httpBytes], t[sentBytes]
	s.DuplicateBytes, s.RejectedBytes, s.ControlBytes = t[duplicateBytes], t[rejectedBytes], t[controlBytes]
	s.Stalls, s.StallMS, s.DroppedFrames, s.ConnectFailures = t[stalls], t[stallMS], t[droppedFrames], t[connectFailures]
}

// account is what one session has reported so far.
type account struct {
	last tally
	at   time.Time // of the last beacon, or of the first join
	// The measures of the last beacon, 0 when unknown.
	latencyMS, startupMS float64
	peers                uint64
}

// Bounds of what one beacon can add, so that one viewer's nonsense does not
// drown a stream's sums: 1 Gbit/s, and 1,000 events a second, since the last
// one, with room for what was counted before the join.
const (
	maxBytesPerSecond  = 1_000_000_000 / 8
	maxEventsPerSecond = 1000
	beaconSlack        = 10 * time.Second
)

// take records a beacon and returns what it adds to the sums. A counter that
// went backwards, or further than possible, adds nothing and is counted from
// its new value on: sums may miss something, but never count anything twice.
func (a *account) take(b *trackerwire.Beacon, now time.Time) (added tally) {
	span := (now.Sub(a.at) + beaconSlack).Seconds()
	next := tallyOf(b)
	for i := range next {
		limit := span * maxEventsPerSecond
		if counter(i) <= controlBytes {
			limit = span * maxBytesPerSecond
		}
		if next[i] > a.last[i] && float64(next[i]-a.last[i]) <= limit {
			added[i] = next[i] - a.last[i]
		}
	}
	a.last, a.at = next, now
	a.latencyMS, a.startupMS, a.peers = float64(b.LatencyMS), float64(b.StartupMS), uint64(b.Peers)
	return added
}
