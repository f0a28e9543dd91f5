package admin

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"starling/internal/telemetry"
)

// collector exposes what only the merged view knows.
type collector struct {
	sampler    *sampler
	offload    *prometheus.Desc
	difference *prometheus.Desc
}

func newCollector(s *sampler) *collector {
	name := func(n string) string { return prometheus.BuildFQName(telemetry.Namespace, "stream", n) }
	return &collector{
		sampler: s,
		offload: prometheus.NewDesc(name("offload_ratio"),
			"Media bytes from peers over those and the edge's, last 10 seconds.", []string{"stream"}, nil),
		difference: prometheus.NewDesc(name("accounting_difference_ratio"),
			"How far the edge's count of its media bytes is from the viewers' reports, over the edge's count.", []string{"stream"}, nil),
	}
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) { ch <- c.offload; ch <- c.difference }

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, r := range c.sampler.rows(time.Now()) {
		if _, known := c.sampler.dir.Get(r.ID); !known {
			continue // only the history still has it
		}
		ch <- prometheus.MustNewConstMetric(c.offload, prometheus.GaugeValue, r.Offload, string(r.ID))
		if r.EdgeBytes > 0 {
			d := math.Abs(float64(r.EdgeBytes)-float64(r.ReportedEdgeBytes)) / float64(r.EdgeBytes)
			ch <- prometheus.MustNewConstMetric(c.difference, prometheus.GaugeValue, d, string(r.ID))
		}
	}
}
