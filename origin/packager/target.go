package packager

import (
	"math"
	"time"
)

// minFill is the least share of PART-TARGET that a part may last unless it is
// the last of its segment (draft-pantos-hls-rfc8216bis section 4.4.3.7).
const minFill = 0.85

// PartTarget chooses PART-TARGET, in whole milliseconds, near the wanted part
// duration. Frames cannot be divided and their times are rounded to
// milliseconds, so the target leaves room for that rounding, and it is lowered
// where whole frames would fill less than 85 % of it. rate is the video's
// frames a second, 0 if unknown; audioFrame is 0 without audio.
func PartTarget(wanted time.Duration, rate float64, audioFrame time.Duration) time.Duration {
	top := int(wanted.Milliseconds()) + 1
	fits := func(ms int) bool {
		t := float64(ms)
		if rate > 0 {
			n := math.Floor(t * rate / 1000)
			for n > 0 && math.Ceil(n*1000/rate-1e-6) > t {
				n--
			}
			if math.Floor(n*1000/rate) < minFill*t {
				return false
			}
		}
		if f := audioFrame.Seconds() * 1000; f > 0 && math.Floor(t/f)*f < minFill*t {
			return false
		}
		return true
	}
	for ms := top; ms > top/2; ms-- {
		if fits(ms) {
			return time.Duration(ms) * time.Millisecond
		}
	}
	// Slower than one frame a part: then a part is one frame.
	longest := audioFrame
	if rate > 0 {
		longest = max(longest, time.Duration(float64(time.Second)/rate))
	}
	return max(wanted, longest).Truncate(time.Millisecond) + time.Millisecond
}
