package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// section is one receipt as the template shows it.
type section struct {
	ID      string
	R       *Receipt
	Time    string
	Facts   []string
	Machine string
	About   []string // of the results
	Names   []string
	Figures []row
	Plots   []plot
	Grids   []heat
	Viewers []viewerTable
	Missed  int
}

// heat is a shaded table.
type heat struct {
	Grid
	Cells [][]heatCell
}

type heatCell struct {
	Text  string
	Shade int // 0 to shades: the higher, the worse
	Best  bool
}

type viewerTable struct {
	Result string
	Head   []string
	Rows   [][]string
}

func newSection(id string, r *Receipt) section {
	s := section{
		ID: id, R: r, Facts: r.facts(), Machine: r.Machine.String(), Figures: figureRows(r),
		Time: r.Time.UTC().Format(time.DateTime) + " UTC",
	}
	for _, res := range r.Results {
		s.Names = append(s.Names, res.Name)
		if res.About != "" {
			s.About = append(s.About, res.Name+": "+res.About)
		}
		if len(res.PerViewer) > 0 {
			s.Viewers = append(s.Viewers, perViewer(res))
		}
	}
	for _, v := range r.Verdicts {
		if !v.Met {
			s.Missed++
		}
	}
	s.Plots = plotsOf(id, r)
	for _, g := range r.Grids {
		s.Grids = append(s.Grids, newHeat(g))
	}
	return s
}

// String is the machine in one line.
func (m Machine) String() string {
	var out []string
	for _, s := range []string{m.Name, m.OS, m.CPU, m.Go} {
		if s != "" {
			out = append(out, s)
		}
	}
	if m.Cores > 0 {
		out = append(out, fmt.Sprintf("%d cores", m.Cores))
	}
	for _, k := range slices.Sorted(maps.Keys(m.Software)) {
		out = append(out, k+" "+m.Software[k])
	}
	return strings.Join(out, " · ")
}

// plotsOf lists all plots of a receipt: bars of the alternatives, distributions,
// figures over time, curves.
func plotsOf(id string, r *Receipt) []plot {
	var out []plot
	next := func() string { return fmt.Sprintf("%s-plot%d", id, len(out)+1) }
	if len(r.Results) > 1 {
		for _, f := range []Figure{Offload, Latency, Lateness, StallsPerViewerHour, RequestRate, CPU, PageThread} {
			if p, ok := alternatives(next(), r, f); ok {
				out = append(out, p)
			}
		}
	}
	for _, f := range []Figure{Latency, Lateness, Startup, FirstPeerByte, ParentGap, Depth} {
		if c, ok := cdfCurve(r, f); ok {
			out = append(out, linePlot(next(), c, false))
		}
	}
	for _, c := range seriesCurves(r) {
		out = append(out, linePlot(next(), c, false))
	}
	for _, c := range r.Curves {
		out = append(out, linePlot(next(), c, true))
	}
	return out
}

// alternatives compares one figure of all results; p95 where it has quantiles.
func alternatives(id string, r *Receipt, f Figure) (plot, bool) {
	d := DefinitionOf(f)
	title, note := d.Title, ""
	var values []barValue
	found := false
	for _, res := range r.Results {
		v := barValue{Name: res.Name, Value: Missing(), Mark: Missing()}
		if q, ok := res.Quantiles[f]; ok {
			v.Value, title = Number(q.P95), d.Title+", p95"
		} else if x, ok := res.Figures[f]; ok {
			v.Value = Number(x)
		}
		if bound, ok := res.Figures[Bound]; ok && f == Offload && res.Role == Swarm {
			v.Mark, note = Number(bound), "The mark is the bound: what no swarm of these viewers can exceed."
		}
		found = found || !v.Value.Missing()
		values = append(values, v)
	}
	return barPlot(id, title, d.Unit, note, values), found
}

// cdfCurve puts the distributions of a figure into one plot, to 1.5 times the
// slowest p99, so that one outlier does not press the rest together.
func cdfCurve(r *Receipt, f Figure) (Curve, bool) {
	d := DefinitionOf(f)
	c := Curve{
		Title: d.Title + ": share of samples at or below",
		X:     Axis{Title: d.Title, Unit: d.Unit}, Y: Axis{Title: "Samples", Unit: Share},
	}
	end := 0.0
	for _, res := range r.Results {
		if _, ok := res.CDFs[f]; !ok {
			continue
		}
		if q, ok := res.Quantiles[f]; ok {
			end = max(end, 1.5*q.P99)
		} else {
			end = math.Inf(1)
		}
	}
	for _, res := range r.Results {
		points := res.CDFs[f]
		if len(points) == 0 {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return p.X > end })
		if len(kept) < len(points) {
			c.About = "Samples beyond the right edge are left out; see the maximum in the table."
		}
		c.Lines = append(c.Lines, Line{Name: res.Name, Points: kept})
	}
	return c, len(c.Lines) > 0
}

// seriesCurves puts the series of the same name of all results into one plot.
func seriesCurves(r *Receipt) []Curve {
	var out []Curve
	for _, res := range r.Results {
		for _, s := range res.Series {
			i := slices.IndexFunc(out, func(c Curve) bool { return c.Title == s.Name && c.Y.Unit == s.Unit })
			if i < 0 {
				i = len(out)
				out = append(out, Curve{Title: s.Name, X: Axis{Title: "Time", Unit: Seconds}, Y: Axis{Title: s.Name, Unit: s.Unit}})
			}
			l := Line{Name: res.Name}
			for n, v := range s.Values {
				l.Points = append(l.Points, Point{X: s.Start + float64(n)*s.Every, Y: float64(v)})
			}
			out[i].Lines = append(out[i].Lines, l)
		}
	}
	return out
}

// shades is how many steps of shading report.css has above none.
const shades = 8

// spread is the ratio of values from which on shading is by their logarithm.
const spread = 20

func newHeat(g Grid) heat {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, row := range g.Values {
		for _, v := range row {
			if !v.Missing() {
				lo, hi = min(lo, float64(v)), max(hi, float64(v))
			}
		}
	}
	of := func(v float64) float64 { return v/2 - lo/2 }
	if lo > 0 && hi/lo > spread {
		of = func(v float64) float64 { return math.Log(v) - math.Log(lo) }
	}
	better := -1
	if g.HigherIsBetter {
		better = 1
	}
	out := heat{Grid: g}
	for _, row := range g.Values {
		marks := make([]bool, len(row))
		if g.BestOfRow {
			marks = best(row, better)
		}
		var cells []heatCell
		for i, v := range row {
			c := heatCell{Text: g.Unit.Format(v), Best: marks[i]}
			if !v.Missing() && hi > lo {
				share := of(float64(v)) / of(hi)
				if g.HigherIsBetter {
					share = 1 - share
				}
				c.Shade = int(math.Round(share * shades))
			}
			cells = append(cells, c)
		}
		out.Cells = append(out.Cells, cells)
	}
	return out
}

// perViewer has a column for each label and figure that any viewer has.
func perViewer(res Result) viewerTable {
	labels, seen := map[string]bool{}, map[Figure]bool{}
	for _, v := range res.PerViewer {
		for k := range v.Labels {
			labels[k] = true
		}
		for f := range v.Figures {
			seen[f] = true
		}
	}
	keys, figures := slices.Sorted(maps.Keys(labels)), inOrder(seen)
	t := viewerTable{Result: res.Name, Head: append([]string{"Viewer"}, keys...)}
	for _, f := range figures {
		t.Head = append(t.Head, DefinitionOf(f).Title)
	}
	for _, v := range res.PerViewer {
		row := []string{v.Name}
		for _, k := range keys {
			label := v.Labels[k]
			if label == "" {
				label = dash
			}
			row = append(row, label)
		}
		for _, f := range figures {
			n := Missing()
			if x, ok := v.Figures[f]; ok {
				n = Number(x)
			}
			row = append(row, DefinitionOf(f).Unit.Format(n))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
