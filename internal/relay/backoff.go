package relay

import (
	"time"
)

const (
	backoffMin = 50 * time.Millisecond
	backoffMax = 5 * time.Second
)

// backoff gives the pause before attempt n (from 0) with r drawn from [0, 1):
// doubling between the bounds, of which a random half is left out so that the
// edges of a lost node do not come back together.
func backoff(n int, r float64) time.Duration {
	d := backoffMax
	if n < 7 { // 50 ms << 7 is over the bound
		d = min(backoffMin<<n, backoffMax)
	}
	return d/2 + time.Duration(r*float64(d/2))
}
