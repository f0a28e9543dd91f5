package origin

import (
	"github.com/prometheus/client_golang/prometheus"

	"starling/internal/media"
)

// metrics of an origin. Labels are bounded: those of a stream are deleted with it.
type metrics struct {
	publishers  prometheus.Gauge
	ingestBytes prometheus.Counter
	rejects     *prometheus.CounterVec // reason
	parts       *prometheus.CounterVec // stream, track
	partBytes   *prometheus.CounterVec // stream, track
	gaps        *prometheus.CounterVec // stream, track
	restarts    *prometheus.CounterVec // stream
	dropped     *prometheus.CounterVec // stream
	lag         *prometheus.GaugeVec   // stream
	speed       *prometheus.GaugeVec   // stream
	silence     *prometheus.CounterVec // stream
	breaks      *prometheus.CounterVec // stream, reason
	packaging   prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "starling", Subsystem: "origin", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "starling", Subsystem: "origin", Name: name, Help: help}, labels)
	}
	m := &metrics{
		publishers:  prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "starling", Subsystem: "origin", Name: "publishers", Help: "Publishers that are sending now."}),
		ingestBytes: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "starling", Subsystem: "origin", Name: "ingest_bytes_total", Help: "Bytes received from publishers."}),
		rejects:     counter("rejects_total", "Publications that were refused or broke, by reason.", "reason"),
		parts:       counter("parts_total", "Parts packaged and signed.", "stream", "track"),
		partBytes:   counter("part_bytes_total", "Bytes of packaged parts.", "stream", "track"),
		gaps:        counter("gap_parts_total", "Parts without media, because an encoder or the sound was missing.", "stream", "track"),
		restarts:    counter("encoder_restarts_total", "Restarts of the ladder's encoder.", "stream"),
		dropped:     counter("encoder_dropped_frames_total", "Source frames not encoded because the encoder was behind or away.", "stream"),
		lag:         gauge("encoder_lag_seconds", "How far the slowest rung is behind the source.", "stream"),
		speed:       gauge("encoder_realtime_factor", "Media time encoded per wall time over the last seconds; below 1 the machine is too slow.", "stream"),
		silence:     counter("silent_frames_total", "Audio frames of silence put where the publisher's were missing.", "stream"),
		breaks:      counter("discontinuities_total", "Discontinuities of a stream, by reason.", "stream", "reason"),
		packaging: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "starling", Subsystem: "origin", Name: "seal_seconds",
			Help: "Time to hash, sign and publish a part.", Buckets: prometheus.ExponentialBuckets(16e-6, 2, 12)}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.publishers, m.ingestBytes, m.rejects, m.parts, m.partBytes, m.gaps, m.restarts, m.dropped,
		m.lag, m.speed, m.silence, m.breaks, m.packaging} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// forget removes a stream's series.
func (m *metrics) forget(id media.StreamID) {
	match := prometheus.Labels{"stream": string(id)}
	for _, v := range []*prometheus.CounterVec{m.parts, m.partBytes, m.gaps, m.restarts, m.dropped, m.silence, m.breaks} {
		v.DeletePartialMatch(match)
	}
	m.lag.DeletePartialMatch(match)
	m.speed.DeletePartialMatch(match)
}
