package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
)

//go:embed report.html
var pageSource string

//go:embed report.css
var pageStyle string

// page is what the template shows.
type page struct {
	Title    string
	Style    template.CSS
	Overview overview
	Goals    []goalRow
	Plots    []plot
	Sections []section
}

// overview has a line for each swarm, and each alternative, of all receipts.
type overview struct {
	Head []string
	Rows []overviewRow
}

type overviewRow struct {
	Link, Run, Result string
	// Span is how many rows the run has, in the first of them, and 0 in the others.
	Span  int
	Cells []string
}

// goalRow is a verdict of one of several runs.
type goalRow struct {
	Link, Run string
	Verdict
}

// goalRows lists the verdicts of all runs, goal by goal.
func goalRows(sections []section) []goalRow {
	var out []goalRow
	for _, g := range Goals() {
		for _, s := range sections {
			for _, v := range s.R.Verdicts {
				if v.Name == g.Name {
					out = append(out, goalRow{Link: "#" + s.ID, Run: s.R.Title, Verdict: v})
				}
			}
		}
	}
	return out
}

// HTML writes a report of receipts as one page that needs nothing else: no
// script, no font, no picture from elsewhere.
func HTML(w io.Writer, receipts ...*Receipt) error {
	if len(receipts) == 0 {
		return fmt.Errorf("report: no receipts")
	}
	p := page{Title: receipts[0].Title, Style: template.CSS(pageStyle)}
	for i, r := range receipts {
		judged := *r
		judged.Results = slices.Clone(r.Results)
		Judge(&judged)
		p.Sections = append(p.Sections, newSection(fmt.Sprintf("run%d", i+1), &judged))
	}
	if len(receipts) > 1 {
		p.Title = fmt.Sprintf("%d runs", len(receipts))
		p.Overview = newOverview(p.Sections)
		p.Goals = goalRows(p.Sections)
	}
	if c, ok := offloadAgainstLatency(p.Sections); ok {
		p.Plots = append(p.Plots, scatterPlot("all-plot1", c))
	}
	t, err := template.New("report").Parse(pageSource)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = b.WriteTo(w)
	return err
}

// overviewFigures are what tells most about a run in one line. Those that no
// run has are left out.
var overviewFigures = []Figure{Offload, BoundShare, EdgeCopies, Latency, Lateness, Stalls, Duplicates, Control}

func newOverview(sections []section) overview {
	o := overview{Head: []string{"Run", "Alternative", "Viewers"}}
	figures := slices.DeleteFunc(slices.Clone(overviewFigures), func(f Figure) bool {
		return !slices.ContainsFunc(sections, func(s section) bool {
			return slices.Contains(figuresOf(s.R.Results), f)
		})
	})
	for _, f := range figures {
		title := DefinitionOf(f).Title
		if f == Latency || f == Lateness {
			title += ", p95"
		}
		o.Head = append(o.Head, title)
	}
	for _, s := range sections {
		for i, res := range s.R.Results {
			row := overviewRow{Link: "#" + s.ID, Run: s.R.Title, Result: res.Name}
			if i == 0 {
				row.Span = len(s.R.Results)
			}
			viewers := Missing()
			if s.R.Viewers > 0 {
				viewers = Number(s.R.Viewers)
			}
			row.Cells = append(row.Cells, Count.Format(viewers))
			for _, f := range figures {
				v := Missing()
				if q, ok := res.Quantiles[f]; ok {
					v = Number(q.P95)
				} else if x, ok := res.Figures[f]; ok {
					v = Number(x)
				}
				row.Cells = append(row.Cells, DefinitionOf(f).Unit.Format(v))
			}
			o.Rows = append(o.Rows, row)
		}
	}
	return o
}

// offloadAgainstLatency has a point for each player in browsers that has both
// figures: what it gives up in latency for what it takes off the edge. Headless
// peers show no picture, so their latency is another one.
func offloadAgainstLatency(sections []section) (Curve, bool) {
	c := Curve{
		Title: "Offload against latency", X: Axis{Title: "Latency, p50", Unit: Millis}, Y: Axis{Title: "Offload", Unit: Share},
		About: "Each point is one run; up and to the left is better.",
	}
	points := 0
	for _, s := range sections {
		for _, res := range s.R.Results {
			q, ok := res.Quantiles[Latency]
			y, ok2 := res.Figures[Offload]
			if !ok || !ok2 || s.R.Kind != Browsers {
				continue
			}
			i := slices.IndexFunc(c.Lines, func(l Line) bool { return l.Name == res.Name })
			if i < 0 {
				i = len(c.Lines)
				c.Lines = append(c.Lines, Line{Name: res.Name})
			}
			c.Lines[i].Points = append(c.Lines[i].Points, Point{X: q.P50, Y: y})
			points++
		}
	}
	for i := range c.Lines {
		slices.SortFunc(c.Lines[i].Points, func(a, b Point) int {
			if a.X < b.X {
				return -1
			}
			return 1
		})
	}
	return c, points > 1
}
