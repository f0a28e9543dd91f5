package relay

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// delayBuckets resolve the budget of 5 ms per hop and show a link that queues.
var delayBuckets = []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}

type serverMetrics struct {
	sessions      prometheus.Gauge
	subscriptions prometheus.Gauge
	bytes         *prometheus.CounterVec // kind: live, fetch
	parts         prometheus.Counter
	forward       prometheus.Histogram
	abandoned     prometheus.Counter
	fetches       *prometheus.CounterVec // result
	closed        *prometheus.CounterVec // reason
}

func newServerMetrics(reg prometheus.Registerer) *serverMetrics {
	return &serverMetrics{
		sessions: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "starling_relay_server_sessions", Help: "Downstream relay sessions that are open."})),
		subscriptions: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "starling_relay_server_subscriptions", Help: "Tracks that downstream sessions are subscribed to."})),
		bytes: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "starling_relay_server_bytes_total", Help: "Part headers and payloads sent downstream, in bytes."}, []string{"kind"})),
		parts: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "starling_relay_server_parts_total", Help: "Parts pushed downstream."})),
		forward: register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "starling_relay_server_forward_seconds", Help: "From the last byte of a part being readable to a subscription until it was handed to QUIC.", Buckets: delayBuckets})),
		abandoned: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "starling_relay_server_abandoned_segments_total", Help: "Segment streams that were reset before their end."})),
		fetches: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "starling_relay_server_fetches_total", Help: "FETCH requests by result."}, []string{"result"})),
		closed: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "starling_relay_server_closed_total", Help: "Downstream sessions that ended, by reason."}, []string{"reason"})),
	}
}

type clientMetrics struct {
	connected     prometheus.Gauge
	subscriptions prometheus.Gauge
	bytes         *prometheus.CounterVec // kind: live, fetch
	parts         prometheus.Counter
	failures      *prometheus.CounterVec // kind: header, chunk
	fetches       *prometheus.CounterVec // result
	sessions      prometheus.Counter
	dials         *prometheus.CounterVec // result: ok, failed
	closed        *prometheus.CounterVec // reason
	gaps          prometheus.Counter
	duplicates    prometheus.Counter
	age           prometheus.Histogram
	rtt           prometheus.Gauge
}

func newClientMetrics(reg prometheus.Registerer) *clientMetrics {
	return &clientMetrics{
		connected: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "starling_relay_client_connected", Help: "1 while a session with an upstream is open."})),
		subscriptions: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "starling_relay_client_subscriptions", Help: "Tracks that this node takes from its upstream."})),
		bytes: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "starling_relay_client_bytes_total", Help: "Part headers and payloads received from upstream, in bytes."}, []string{"kind"})),
		parts: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "starling_relay_client_parts_total", Help: "Parts received and verified."})),
		failures: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "starling_relay_client_verification_failures_total", Help: "Part headers or chunks that did not verify."}, []string{"kind"})),
		fetches: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "starling_relay_client_fetches_total", Help: "FETCH requests to the upstream by result."}, []string{"result"})),
		sessions: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "starling_relay_client_sessions_total", Help: "Sessions opened with an upstream; all after the first are reconnects."})),
		dials: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "starling_relay_client_dials_total", Help: "Attempts to reach an upstream by result."}, []string{"result"})),
		closed: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "starling_relay_client_closed_total", Help: "Upstream sessions that ended, by reason."}, []string{"reason"})),
		gaps: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "starling_relay_client_gaps_total", Help: "Times that parts were given up and the window jumped."})),
		duplicates: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "starling_relay_client_duplicate_bytes_total", Help: "Payload received that the window already held, in bytes."})),
		age: register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "starling_relay_client_part_age_seconds", Help: "From the end of a part's media time to the part being complete here; depends on both clocks.", Buckets: delayBuckets})),
		rtt: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "starling_relay_client_rtt_seconds", Help: "Smoothed round-trip time to the upstream."})),
	}
}

// register adds c to reg, or gives the collector that an earlier server or
// client of this process registered under the same name.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg == nil {
		return c
	}
	if err := reg.Register(c); err != nil {
		if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
			if old, ok := already.ExistingCollector.(C); ok {
				return old
			}
		}
	}
	return c
}
