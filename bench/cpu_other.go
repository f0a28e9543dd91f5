//go:build !unix

package bench

// CPUSeconds is not known here; the report then says 0.
func CPUSeconds() float64 { return 0 }
