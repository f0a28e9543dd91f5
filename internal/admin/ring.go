package admin

import "time"

const (
	step        = 2 * time.Second
	historySpan = 15 * time.Minute
	// One more than the span needs, so that the oldest step has a rate.
	ringSize = int(historySpan/step) + 1
	// rateWindow is long against the viewers' beacons, which bring the peers'
	// bytes in lumps.
	rateWindow = 10 * time.Second
	rateSteps  = int(rateWindow / step)
)

// ring keeps the newest samples of a stream.
type ring struct {
	samples [ringSize]sample
	n       int // samples ever added
}

func (r *ring) add(s sample) {
	r.samples[r.n%ringSize] = s
	r.n++
}

func (r *ring) len() int { return min(r.n, ringSize) }

// get gives the i-th oldest sample.
func (r *ring) get(i int) *sample { return &r.samples[(r.n-r.len()+i)%ringSize] }

// rates compares the i-th oldest sample with one a rate window before it, or
// with the oldest when the stream is younger than that.
func (r *ring) rates(i int) (peer, edge uint64, span time.Duration) {
	now, before := r.get(i), r.get(max(i-rateSteps, 0))
	return now.peerBytes - before.peerBytes, now.edgeBytes - before.edgeBytes, now.at.Sub(before.at)
}

// bitrate is bytes over a span in bit/s, 0 without a span.
func bitrate(bytes uint64, span time.Duration) float64 {
	if span <= 0 {
		return 0
	}
	return float64(bytes) * 8 / span.Seconds()
}
