//go:build !unix

package bench

// cpuSeconds is not known here; the report then says 0.
func cpuSeconds() float64 { return 0 }
