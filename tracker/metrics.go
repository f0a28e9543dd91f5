package tracker

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"starling/internal/telemetry"
	"starling/internal/trackerwire"
)

// metrics are the tracker's own counters, and a collector that turns Stats
// into metrics per stream at every scrape.
type metrics struct {
	messages *prometheus.CounterVec
	failures *prometheus.CounterVec
	lost     *prometheus.CounterVec
	together prometheus.Counter
	reports  prometheus.Counter
	assigns  prometheus.Counter
	degraded prometheus.Counter
}

func newMetrics(t *Tracker, reg prometheus.Registerer) (*metrics, error) {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: telemetry.Namespace, Subsystem: "tracker", Name: name, Help: help}, labels)
	}
	one := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: telemetry.Namespace, Subsystem: "tracker", Name: name, Help: help})
	}
	m := &metrics{
		messages: vec("messages_total", "Well-formed messages from viewers by kind.", "kind"),
		failures: vec("errors_total", "Errors answered to viewers by code.", "code"),
		lost:     vec("lost_pairs_total", "Pairs of viewers that did not work, by reason.", "reason"),
		together: one("reconciled_pairs_total", "Separations of pairs that did not work that have ended."),
		reports:  one("reports_total", "Reports of bad data."),
		assigns:  one("assigns_total", "Assignments sent."),
		degraded: one("degraded_total", "Times that a viewer was made a leaf because several children said that it does not deliver."),
	}
	for _, c := range []prometheus.Collector{m.messages, m.failures, m.lost, m.together, m.reports, m.assigns, m.degraded, newStreamCollector(t)} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("tracker: register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) message(kind string)           { m.messages.WithLabelValues(kind).Inc() }
func (m *metrics) failure(code trackerwire.Code) { m.failures.WithLabelValues(string(code)).Inc() }
func (m *metrics) reconciled()                   { m.together.Inc() }
func (m *metrics) reported()                     { m.reports.Inc() }
func (m *metrics) degrade()                      { m.degraded.Inc() }
func (m *metrics) assigned(n int)                { m.assigns.Add(float64(n)) }

// lostPair keeps the label bounded: viewers of later versions may give reasons
// that this one does not know.
func (m *metrics) lostPair(reason string) {
	switch reason {
	case trackerwire.LostClosed, trackerwire.LostTimeout, trackerwire.LostConnectFailed, trackerwire.LostSlow:
	default:
		reason = "other"
	}
	m.lost.WithLabelValues(reason).Inc()
}

// streamMetric is one metric per stream.
type streamMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*telemetry.StreamStats) float64
}

// streamCollector reads Stats at every scrape.
type streamCollector struct {
	t       *Tracker
	simple  []streamMetric
	bytes   *prometheus.Desc
	latency *prometheus.Desc
}

func newStreamCollector(t *Tracker) *streamCollector {
	name := func(s string) string { return prometheus.BuildFQName(telemetry.Namespace, "tracker", s) }
	stream := []string{"stream"}
	one := func(n, help string, kind prometheus.ValueType, of func(*telemetry.StreamStats) float64) streamMetric {
		return streamMetric{prometheus.NewDesc(name(n), help, stream, nil), kind, of}
	}
	return &streamCollector{t: t,
		simple: []streamMetric{
			one("viewers", "Viewers connected now.", prometheus.GaugeValue, func(s *telemetry.StreamStats) float64 { return float64(s.Viewers) }),
			one("peers", "Viewers with an open connection to another.", prometheus.GaugeValue, func(s *telemetry.StreamStats) float64 { return float64(s.Peers) }),
			one("roots", "Viewers that the edge feeds in some slice tree.", prometheus.GaugeValue, func(s *telemetry.StreamStats) float64 { return float64(s.Roots) }),
			one("banned_total", "Viewers banned.", prometheus.CounterValue, func(s *telemetry.StreamStats) float64 { return float64(s.Banned) }),
			one("stalls_total", "Stalls that viewers reported.", prometheus.CounterValue, func(s *telemetry.StreamStats) float64 { return float64(s.Stalls) }),
			one("stall_seconds_total", "Time that viewers reported as stalled.", prometheus.CounterValue, func(s *telemetry.StreamStats) float64 { return float64(s.StallMS) / 1000 }),
			one("dropped_frames_total", "Video frames that viewers dropped.", prometheus.CounterValue, func(s *telemetry.StreamStats) float64 { return float64(s.DroppedFrames) }),
			one("connect_failures_total", "Connections between viewers that did not open.", prometheus.CounterValue, func(s *telemetry.StreamStats) float64 { return float64(s.ConnectFailures) }),
			one("startup_seconds", "Median start-up time of the viewers connected now.", prometheus.GaugeValue, func(s *telemetry.StreamStats) float64 { return s.StartupP50MS / 1000 }),
		},
		bytes:   prometheus.NewDesc(name("viewer_bytes_total"), "Bytes that viewers reported: received from peer, feed and http; sent; duplicate; rejected; control.", []string{"stream", "kind"}, nil),
		latency: prometheus.NewDesc(name("latency_seconds"), "Live latency of the viewers connected now.", []string{"stream", "quantile"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *streamCollector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.simple {
		out <- m.desc
	}
	out <- c.bytes
	out <- c.latency
}

// Collect implements prometheus.Collector.
func (c *streamCollector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.t.statsOf((*room).current) {
		id := string(s.Stream)
		for _, m := range c.simple {
			out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.of(&s), id)
		}
		for _, b := range []struct {
			kind  string
			bytes uint64
		}{{"peer", s.PeerBytes}, {"feed", s.FeedBytes}, {"http", s.HTTPBytes}, {"sent", s.SentBytes}, {"duplicate", s.DuplicateBytes}, {"rejected", s.RejectedBytes}, {"control", s.ControlBytes}} {
			out <- prometheus.MustNewConstMetric(c.bytes, prometheus.CounterValue, float64(b.bytes), id, b.kind)
		}
		out <- prometheus.MustNewConstMetric(c.latency, prometheus.GaugeValue, s.LatencyP50MS/1000, id, "0.5")
		out <- prometheus.MustNewConstMetric(c.latency, prometheus.GaugeValue, s.LatencyP95MS/1000, id, "0.95")
	}
}
