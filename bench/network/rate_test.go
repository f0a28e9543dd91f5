package network

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestStreamRates shows what one stream carries from a server on a line of 20
// Mbit/s, beside a Linux 6.18 CUBIC sender over a user-space router with the
// same paths (docs/transport.md): 1.2 to 1.3, 2.0 to 2.7 and 18.6 Mbit/s.
func TestStreamRates(t *testing.T) {
	for _, c := range []struct {
		rtt         int
		loss        float64
		least, most float64 // Mbit/s
	}{
		{100, 0.01, 1.2, 4.1},
		{40, 0.01, 2.0, 6},
		{40, 0, 17, 20},
	} {
		synctest.Test(t, func(t *testing.T) {
			path := open(c.rtt)
			path.Loss = c.loss
			n, server, viewer := world(t, path, Line{Uplink: 20e6, Downlink: 20e6})
			defer n.Close()
			a, b := pair(t, server, viewer)
			const size = 8 << 20
			begin := time.Now()
			go func() {
				_, _ = b.Write(make([]byte, size))
				_ = b.Close()
			}()
			if got, err := io.Copy(io.Discard, a); got != size || err != nil {
				t.Fatalf("%d bytes, %v", got, err)
			}
			rate := size * 8 / time.Since(begin).Seconds() / 1e6
			t.Logf("RTT %d ms, %.1f %% loss: %.1f Mbit/s", c.rtt, 100*c.loss, rate)
			if rate < c.least || rate > c.most {
				t.Errorf("RTT %d ms, %.1f %% loss: %.1f Mbit/s, want %.1f to %.1f", c.rtt, 100*c.loss, rate, c.least, c.most)
			}
			_ = a.Close()
		})
	}
}
