package report

import (
	"math"
	"strconv"
)

// scale maps values to places on an axis that is length units long.
type scale struct {
	min, max float64
	log      bool
	length   float64
	apart    float64 // between ticks, at least
}

// drawable is how large a value can be drawn: beyond it the arithmetic of
// scales overflows, and nothing that is measured gets there.
const drawable = 1e100

// newScale covers values with an axis of the given length. Linear scales of values above 0 begin at 0, unless
// all lie in the upper half, and shares end at 1, so that plots of different
// runs look alike.
func newScale(values []float64, a Axis, length, apart float64) scale {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if math.Abs(v) > drawable || a.Log && v < 1/drawable {
			continue
		}
		lo, hi = min(lo, v), max(hi, v)
	}
	if lo > hi {
		lo, hi = 1, 10
	}
	if a.Log {
		return scale{min: math.Pow(10, math.Floor(math.Log10(lo))), max: math.Pow(10, math.Max(math.Ceil(math.Log10(hi)), math.Floor(math.Log10(lo))+1)), log: true, length: length, apart: apart}
	}
	if a.Unit == Share && lo >= 0 && hi <= 1 {
		return scale{min: 0, max: 1, length: length, apart: apart}
	}
	if lo > 0 && lo < 0.5*hi || lo == hi && lo > 0 {
		lo = 0
	}
	if hi < 0 && hi > 0.5*lo || lo == hi && hi < 0 {
		hi = 0
	}
	if lo == hi {
		hi = lo + 1
	}
	step := niceStep(hi-lo, length/apart)
	return scale{min: math.Floor(lo/step) * step, max: math.Ceil(hi/step) * step, length: length, apart: apart}
}

// How far ticks are from each other at least, in units of the plot, so that
// their labels have room.
const (
	xTickApart = 44
	yTickApart = 30
)

// niceStep is the 1, 2 or 5 times a power of ten of which span has at most most.
func niceStep(span, most float64) float64 {
	rough := span / math.Max(math.Floor(most), 2)
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= rough*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// at is the place of v, from 0 to length. Values outside lie outside.
func (s scale) at(v float64) float64 {
	if s.log {
		return s.length * (math.Log10(v) - math.Log10(s.min)) / (math.Log10(s.max) - math.Log10(s.min))
	}
	return s.length * (v - s.min) / (s.max - s.min)
}

// shows says whether v has a place on the axis.
func (s scale) shows(v float64) bool { return v >= s.min && v <= s.max }

// ticks are the values to label.
func (s scale) ticks() []float64 {
	var out []float64
	if s.log {
		decades := math.Log10(s.max / s.min)
		for v := s.min; v <= s.max*(1+1e-9) && len(out) < 50; v *= 10 {
			out = append(out, v)
			if decades < 3 && v < s.max*(1-1e-9) {
				out = append(out, 2*v, 5*v)
			}
		}
		return out
	}
	step := niceStep(s.max-s.min, s.length/s.apart)
	for i := 0; i < 50; i++ {
		v := s.min + float64(i)*step
		if v > s.max+step/1e6 {
			break
		}
		out = append(out, v)
	}
	return out
}

// tickLabel is a value in few letters; the unit is in the axis' title.
func tickLabel(u Unit, v float64) string {
	if math.Abs(v) < 1e-12 {
		v = 0
	}
	if u == Share {
		return strconv.FormatFloat(math.Round(v*1000)/10, 'f', -1, 64) + " %"
	}
	for _, s := range []struct {
		over float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(v) >= s.over {
			if s.name == "k" {
				s.over = 1e3
			}
			return trim(v/s.over, 2) + " " + s.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// withUnit is an axis' title.
func (a Axis) withUnit() string {
	if a.Unit == Count || a.Unit == Share {
		return a.Title
	}
	return a.Title + " (" + string(a.Unit) + ")"
}
