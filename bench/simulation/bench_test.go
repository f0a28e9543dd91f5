package simulation

import (
	"testing"
	"time"
)

// BenchmarkCell lets 100 viewers of the reference network watch for a minute.
func BenchmarkCell(b *testing.B) {
	b.ReportAllocs()
	seconds := 0.0
	for i := range b.N {
		o := Options{Viewers: 100, Ramp: 5 * time.Second, Warmup: 5 * time.Second, Duration: 50 * time.Second, Seed: uint64(i + 1), KnownUplink: true}
		if _, err := Run(b.Context(), o); err != nil {
			b.Fatal(err)
		}
		seconds += 100 * 57.5
	}
	b.ReportMetric(seconds/b.Elapsed().Seconds(), "viewer-s/s")
}
