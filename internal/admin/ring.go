package admin

import "time"

const (
	step        = 2 * time.Second
	historySpan = 15 * time.Minute
	// One more than the span needs, so that the first and last are a span apart.
	ringSize = int(historySpan/step) + 1
	// rateWindow is long against the viewers' beacons, which bring the peers'
	// bytes in lumps.
	rateWindow = 10 * time.Second
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

// before gives the sample to compare one of that time with: the youngest that
// is a rate window older, or the oldest when the stream is younger than that.
func (r *ring) before(now time.Time) *sample {
	for i := r.len() - 1; i > 0; i-- {
		if s := r.get(i); now.Sub(s.at) >= rateWindow {
			return s
		}
	}
	return r.get(0)
}

// rates gives the bytes since a rate window before s, and the time between.
func (r *ring) rates(s *sample) (peer, edge uint64, span time.Duration) {
	b := r.before(s.at)
	return s.peerBytes - b.peerBytes, s.edgeBytes - b.edgeBytes, s.at.Sub(b.at)
}

// bitrate is bytes over a span in bit/s, 0 without a span.
func bitrate(bytes uint64, span time.Duration) float64 {
	if span <= 0 {
		return 0
	}
	return float64(bytes) * 8 / span.Seconds()
}
