package report

import (
	"fmt"
	"math"
	"strings"
)

// Plots are drawn here rather than by a library: those for Go write colours
// and fonts into each element, so that a plot cannot follow the reader's colour
// scheme, and do not escape text. What is drawn here are lines and bars whose
// look is in report.css, and html/template escapes the names.

// The size of plots in units, of about a pixel on a phone. Text is then
// readable at 360 pixels of width.
const (
	plotWidth  = 420
	plotHeight = 276
	plotLeft   = 52
	plotRight  = 18
	plotTop    = 28
	plotBottom = 42
	styles     = 12 // how many colours and dashes report.css has
	maxPoints  = 300
)

// plot is what the template draws.
type plot struct {
	ID            string
	Title, Desc   string
	XTitle        string
	YTitle        string
	Width, Height int
	Left, Top     float64
	Right, Bottom float64 // edges of the area that lines are in
	XTicks        []tick
	YTicks        []tick
	Lines         []drawnLine
	Bars          []bar
	Table         table
	Note          string
	Scatter       bool // points without lines between them
}

type tick struct {
	At    float64
	Label string
}

type drawnLine struct {
	Style int
	Name  string
	Path  string
	Dots  []dot
}

type dot struct {
	X, Y  float64
	Label string
	// Anchor is where the label is: "start" or "end" of it at the dot.
	Anchor string
	Title  string
}

// bar is a horizontal bar with its name above it.
type bar struct {
	Style               int
	Name, Value         string
	NameY, BarY, ValueY float64
	Width, ValueX       float64
	Missing             bool
	Mark                float64 // place of a mark across the bar; 0: none
}

// table is the same in numbers.
type table struct {
	Caption string
	Head    []string
	Rows    [][]string
}

// linePlot draws c. Its values are also a table, of every nth point where there
// are many.
func linePlot(id string, c Curve, dots bool) plot {
	p := plot{
		ID: id, Title: c.Title, XTitle: c.X.withUnit(), YTitle: c.Y.withUnit(), Note: c.About,
		Width: plotWidth, Height: plotHeight,
		Left: plotLeft, Top: plotTop, Right: plotWidth - plotRight, Bottom: plotHeight - plotBottom,
	}
	var xs, ys []float64
	for _, l := range c.Lines {
		for _, q := range l.Points {
			if !Number(q.X).Missing() && !Number(q.Y).Missing() {
				xs, ys = append(xs, q.X), append(ys, q.Y)
			}
		}
	}
	x, y := newScale(xs, c.X, p.Right-p.Left, xTickApart), newScale(ys, c.Y, p.Bottom-p.Top, yTickApart)
	for _, v := range x.ticks() {
		p.XTicks = append(p.XTicks, tick{round(p.Left + x.at(v)), tickLabel(c.X.Unit, v)})
	}
	for _, v := range y.ticks() {
		p.YTicks = append(p.YTicks, tick{round(p.Bottom - y.at(v)), tickLabel(c.Y.Unit, v)})
	}
	for i, l := range c.Lines {
		p.Lines = append(p.Lines, p.draw(l, i%styles, c, x, y, dots))
	}
	p.Desc = describe(c, p.Lines)
	p.Table = pointsTable(c)
	return p
}

// scatterPlot draws the points of c alone.
func scatterPlot(id string, c Curve) plot {
	p := linePlot(id, c, true)
	p.Scatter = true
	for i := range p.Lines {
		p.Lines[i].Path = ""
	}
	return p
}

// draw makes the path of one line. Where points are missing, the line is
// interrupted; a point alone becomes a dot.
func (p *plot) draw(l Line, style int, c Curve, x, y scale, dots bool) drawnLine {
	out := drawnLine{Style: style, Name: l.Name}
	var path strings.Builder
	run := 0 // points since the line was last interrupted
	var last dot
	end := func() {
		if run == 1 && !dots {
			out.Dots = append(out.Dots, last)
		}
		run = 0
	}
	for _, q := range thin(l.Points) {
		if Number(q.X).Missing() || Number(q.Y).Missing() || !x.shows(q.X) || !y.shows(q.Y) {
			end()
			continue
		}
		last = dot{
			X: round(p.Left + x.at(q.X)), Y: round(p.Bottom - y.at(q.Y)), Label: q.Label, Anchor: "start",
			Title: l.Name + ": " + c.X.Unit.Format(Number(q.X)) + ", " + c.Y.Unit.Format(Number(q.Y)),
		}
		if last.X > (p.Left+p.Right)/2 {
			last.Anchor = "end"
		}
		verb := "L"
		if run == 0 {
			verb = "M"
		}
		fmt.Fprintf(&path, "%s%g %g", verb, last.X, last.Y)
		run++
		if dots || q.Label != "" {
			out.Dots = append(out.Dots, last)
		}
	}
	end()
	out.Path = path.String()
	return out
}

// thin keeps the lowest and the highest of each run of points, so that a long
// series stays small and shows its peaks.
func thin(points []Point) []Point {
	if len(points) <= maxPoints {
		return points
	}
	every := (2*len(points) + maxPoints - 1) / maxPoints
	var out []Point
	for len(points) > 0 {
		n := min(every, len(points))
		lo, hi := -1, -1
		for i, q := range points[:n] {
			if Number(q.Y).Missing() {
				continue
			}
			if lo < 0 || q.Y < points[lo].Y {
				lo = i
			}
			if hi < 0 || q.Y > points[hi].Y {
				hi = i
			}
		}
		switch {
		case lo < 0:
			out = append(out, points[0]) // all missing: the gap stays
		case lo == hi:
			out = append(out, points[lo])
		default:
			out = append(out, points[min(lo, hi)], points[max(lo, hi)])
		}
		points = points[n:]
	}
	return out
}

// describe says in words what the plot shows, for those who do not see it.
func describe(c Curve, lines []drawnLine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s over %s.", c.Y.withUnit(), c.X.withUnit())
	for _, l := range c.Lines {
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, q := range l.Points {
			if !Number(q.Y).Missing() {
				lo, hi = min(lo, q.Y), max(hi, q.Y)
			}
		}
		if lo <= hi {
			fmt.Fprintf(&b, " %s: %s to %s.", l.Name, c.Y.Unit.Format(Number(lo)), c.Y.Unit.Format(Number(hi)))
		}
	}
	return b.String()
}

// tableRows is how many points of each line a table shows.
const tableRows = 40

func pointsTable(c Curve) table {
	t := table{Caption: c.Title, Head: []string{"Line", c.X.Title, c.Y.Title}}
	for _, l := range c.Lines {
		every := max((len(l.Points)+tableRows-1)/tableRows, 1)
		if every > 1 {
			t.Caption = fmt.Sprintf("%s, one of %d points", c.Title, every)
		}
		for i := 0; i < len(l.Points); i += every {
			q := l.Points[i]
			name := l.Name
			if q.Label != "" {
				name += ", " + q.Label
			}
			t.Rows = append(t.Rows, []string{name, c.X.Unit.Format(Number(q.X)), c.Y.Unit.Format(Number(q.Y))})
		}
	}
	return t
}

// barValue is one bar of a barPlot.
type barValue struct {
	Name  string
	Value Number
	Mark  Number // such as the bound that the value cannot exceed
}

// barPlot draws one bar for each value, in the style of its place.
func barPlot(id, title string, u Unit, note string, values []barValue) plot {
	const height, gap = 14, 34
	p := plot{ID: id, Title: title, Width: plotWidth, Height: len(values)*gap + 10, Note: note}
	all := []float64{0}
	for _, v := range values {
		for _, n := range []Number{v.Value, v.Mark} {
			if !n.Missing() {
				all = append(all, float64(n))
			}
		}
	}
	const room = 70 // for the value to the right of the longest bar
	s := newScale(all, Axis{Unit: u}, plotWidth-room, xTickApart)
	var words []string
	p.Table = table{Caption: title, Head: []string{"Alternative", title}}
	for i, v := range values {
		top := float64(i*gap) + 4
		b := bar{
			Style: i % styles, Name: v.Name, Value: u.Format(v.Value), Missing: v.Value.Missing(),
			NameY: top + 10, BarY: top + 15, ValueY: top + 15 + height - 3,
		}
		b.ValueX = 6
		if !b.Missing {
			// A bar of a value below 0 has no width; its value says what it is.
			b.Width = round(max(s.at(float64(v.Value))-s.at(0), 0))
			b.ValueX = b.Width + 6
		}
		if !v.Mark.Missing() {
			b.Mark = round(s.at(float64(v.Mark)) - s.at(0))
			b.ValueX = max(b.ValueX, b.Mark+6)
		}
		p.Bars = append(p.Bars, b)
		words = append(words, v.Name+": "+b.Value)
		p.Table.Rows = append(p.Table.Rows, []string{v.Name, b.Value})
	}
	p.Desc = title + ". " + strings.Join(words, "; ") + "."
	return p
}

// round keeps paths short: a tenth of a unit is less than what is seen.
func round(v float64) float64 { return math.Round(v*10) / 10 }
