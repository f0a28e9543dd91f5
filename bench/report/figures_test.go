package report

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		unit Unit
		v    float64
		want string
	}{
		{Share, 0.8714, "87.1 %"}, {Share, 0, "0 %"}, {Share, 1, "100 %"}, {Share, 0.00001, "0.001 %"},
		{Points, 0.05, "5 points"},
		{Millis, 1234.4, "1,234 ms"}, {Millis, 3.25, "3.2 ms"}, {Millis, -15, "-15 ms"}, {Millis, 0.01, "0.01 ms"},
		{Bytes, 999, "999 B"}, {Bytes, 1.5e9, "1.5 GB"}, {BitRate, 2.25e6, "2.2 Mbit/s"},
		{Count, 1_234_567, "1,234,567"}, {Count, 12.5, "12.5"}, {Count, 0.001, "0.001"}, {Count, -1000, "-1,000"},
		{Cores, 0.0131, "0.0131"}, {MB, 11.2, "11.2 MB"}, {KB, 29.7, "29.7 KB"},
		{Share, math.NaN(), dash}, {Millis, math.Inf(1), dash},
	} {
		if got := c.unit.Format(Number(c.v)); got != c.want {
			t.Errorf("%v as %q: %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}

func TestWhatIsNotZeroIsNotShownAsZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64().Filter(func(f float64) bool { return f != 0 }).Draw(t, "v")
		unit := rapid.SampledFrom([]Unit{Share, Points, Millis, Seconds, Count, Bytes, BitRate, MB, KB, Cores}).Draw(t, "unit")
		switch got := unit.Format(Number(v)); got {
		case "0", "-0", "0 %", "0 ms", "0 B", "0 bit/s", "0 MB", "0 KB", "0 s", "0 points":
			t.Fatalf("%v is shown as %q", v, got)
		}
	})
}

func TestDefinitionsAreUnique(t *testing.T) {
	seen, titles := map[Figure]bool{}, map[string]bool{}
	for _, d := range definitions {
		if seen[d.Figure] || titles[d.Title] {
			t.Errorf("%q or %q twice", d.Figure, d.Title)
		}
		seen[d.Figure], titles[d.Title] = true, true
	}
	for _, g := range Goals() {
		if !seen[g.Figure] {
			t.Errorf("goal %q is of the unknown figure %q", g.Name, g.Figure)
		}
	}
}

func TestQuantilesByNearestRank(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 300).Draw(t, "samples")
		before := slices.Clone(samples)
		q := QuantilesOf(samples)
		if !slices.Equal(before, samples) {
			t.Fatal("the samples were changed")
		}
		for _, c := range []struct{ share, value float64 }{{0.5, q.P50}, {0.95, q.P95}, {0.99, q.P99}, {1, q.Max}} {
			below, at := 0, 0
			for _, s := range samples {
				if s < c.value {
					below++
				}
				if s <= c.value {
					at++
				}
			}
			n := float64(len(samples))
			if float64(at) < c.share*n-1e-9 || float64(below) >= c.share*n {
				t.Fatalf("quantile %v is %v: %d below and %d at or below it of %v", c.share, c.value, below, at, n)
			}
		}
	})
}

func TestCDFRisesToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Float64Range(0, 1e6), 1, 500).Draw(t, "samples")
		var r Result
		r.SetSamples(Lateness, samples)
		points := r.CDFs[Lateness]
		if got := points[len(points)-1]; got.Y != 1 || got.X != slices.Max(samples) {
			t.Fatalf("ends at %v", got)
		}
		if points[0].X != slices.Min(samples) {
			t.Fatalf("begins at %v", points[0])
		}
		for i := 1; i < len(points); i++ {
			if points[i].X < points[i-1].X || points[i].Y <= points[i-1].Y {
				t.Fatalf("falls from %v to %v", points[i-1], points[i])
			}
		}
	})
}

func TestScaleHoldsItsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 20).Draw(t, "values")
		s := newScale(values, Axis{}, 356, xTickApart)
		for _, v := range values {
			if at := s.at(v); at < -1e-6 || at > s.length+1e-6 || !s.shows(v) {
				t.Fatalf("%v lies at %v on %+v", v, at, s)
			}
		}
		ticks := s.ticks()
		if len(ticks) < 2 || len(ticks) > 15 {
			t.Fatalf("%d ticks on %+v", len(ticks), s)
		}
		if !slices.IsSorted(ticks) {
			t.Fatalf("ticks %v", ticks)
		}
	})
}

func TestLogScale(t *testing.T) {
	s := newScale([]float64{10, 0, 100_000}, Axis{Log: true}, 400, xTickApart)
	if s.min != 10 || s.max != 100_000 {
		t.Fatalf("scale from %v to %v", s.min, s.max)
	}
	if got := s.at(1000); math.Abs(got-200) > 1e-9 {
		t.Errorf("the middle lies at %v", got)
	}
	if s.shows(0) || s.shows(-1) {
		t.Error("a value not above 0 has a place")
	}
}

func TestThinKeepsPeaksAndGaps(t *testing.T) {
	var points []Point
	for i := range 10_000 {
		points = append(points, Point{X: float64(i), Y: 5})
	}
	points[4321].Y = 99
	points[7777].Y = -3
	for i := 2000; i < 3000; i++ {
		points[i].Y = math.NaN()
	}
	out := thin(points)
	if len(out) > maxPoints+2 {
		t.Errorf("%d points left", len(out))
	}
	if !slices.Contains(out, points[4321]) || !slices.Contains(out, points[7777]) {
		t.Error("a peak is gone")
	}
	if !slices.ContainsFunc(out, func(p Point) bool { return math.IsNaN(p.Y) }) {
		t.Error("the gap is gone")
	}
	if !slices.IsSortedFunc(out, func(a, b Point) int { return int(a.X - b.X) }) {
		t.Error("not in order")
	}
}

func TestJudge(t *testing.T) {
	find := func(r *Receipt, name string) *Verdict {
		for i := range r.Verdicts {
			if r.Verdicts[i].Name == name {
				return &r.Verdicts[i]
			}
		}
		return nil
	}
	r := sample()
	Judge(r)
	if v := find(r, "offload, 100 peers, reference network"); v != nil {
		t.Error("30 viewers are judged as 100")
	}
	if v := find(r, "duplicate bytes"); v != nil {
		t.Error("what was not measured has a verdict")
	}
	for _, v := range r.Verdicts {
		if v.Result != "swarm" {
			t.Errorf("%s: a goal of the swarm judges %s", v.Name, v.Result)
		}
	}
	r.Viewers = 100
	Judge(r)
	if v := find(r, "offload, 100 peers, reference network"); v == nil || v.Met {
		t.Errorf("87 %% of 100 viewers: %+v", v)
	}
	r.Results[0].Set(Offload, 0.9)
	Judge(r)
	if v := find(r, "offload, 100 peers, reference network"); v == nil || !v.Met {
		t.Errorf("90 %% of 100 viewers: %+v", v)
	}
	r.Profile = "mobile"
	Judge(r)
	if v := find(r, "offload, 100 peers, reference network"); v != nil {
		t.Error("another network is judged by the goal of the reference network")
	}

	b := &Receipt{Kind: Browsers, Viewers: 6, PartMS: 200, Results: []Result{{Name: "swarm", Role: Swarm}}}
	b.Results[0].SetSamples(Latency, []float64{950, 990})
	Judge(b)
	if len(b.Verdicts) != 1 || !b.Verdicts[0].Met || b.Verdicts[0].Goal != 1000 {
		t.Errorf("sub-second: %+v", b.Verdicts)
	}
	b.PartMS = 333
	Judge(b)
	if len(b.Verdicts) != 2 || b.Verdicts[1].Goal != 1500 {
		t.Errorf("333 ms parts: %+v", b.Verdicts)
	}
}

func TestShadesOfAGrid(t *testing.T) {
	g := Grid{Rows: []string{"r"}, Columns: []string{"a", "b", "c"}, Values: [][]Number{{10, 20, Missing()}}}
	low := newHeat(g).Cells[0]
	if low[0].Shade != 0 || low[1].Shade != shades || low[2].Shade != 0 || low[2].Text != dash {
		t.Errorf("lower is better: %+v", low)
	}
	g.HigherIsBetter = true
	if high := newHeat(g).Cells[0]; high[0].Shade != shades || high[1].Shade != 0 {
		t.Errorf("higher is better: %+v", high)
	}
}
