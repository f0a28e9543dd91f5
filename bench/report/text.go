package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Text writes r for a terminal. Names out of a receipt are shown without
// control characters.
func Text(w io.Writer, r *Receipt) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\n", plain(r.Title))
	fmt.Fprintf(t, "%s\n", plain(strings.Join(r.facts(), " · ")))

	fmt.Fprint(t, "\n\t")
	for _, res := range r.Results {
		fmt.Fprintf(t, "%s\t", plain(res.Name))
	}
	fmt.Fprintln(t)
	for _, row := range figureRows(r) {
		fmt.Fprintf(t, "%s\t", plain(row.Title))
		for _, cell := range row.Cells {
			fmt.Fprintf(t, "%s\t", plain(cell))
		}
		fmt.Fprintln(t)
	}
	if len(r.Verdicts) > 0 {
		fmt.Fprint(t, "\ngoal\tmeasured\twanted\t\n")
	}
	for _, v := range r.Verdicts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", plain(v.Name), v.Measured(), v.Wanted(), v.Word())
	}
	for _, note := range r.Notes {
		fmt.Fprintf(t, "\n%s\n", plain(note))
	}
	return t.Flush()
}

// plain drops what could move a terminal's cursor.
func plain(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return -1
		}
		return c
	}, s)
}

// Measured is the value with its unit.
func (v Verdict) Measured() string { return v.unit().Format(Number(v.Value)) }

// Wanted is the goal with its unit.
func (v Verdict) Wanted() string {
	if v.AtMin {
		return "≥ " + v.unit().Format(Number(v.Goal))
	}
	return "≤ " + v.unit().Format(Number(v.Goal))
}

// Word says whether the goal is met.
func (v Verdict) Word() string {
	if v.Met {
		return "met"
	}
	return "missed"
}

func (v Verdict) unit() Unit { return DefinitionOf(v.Figure).Unit }

// facts are what to know of the run, in short.
func (r *Receipt) facts() []string {
	out := []string{string(r.Kind)}
	add := func(ok bool, format string, args ...any) {
		if ok {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(r.Viewers > 0, "%d viewers", r.Viewers)
	add(r.Profile != "", "profile %s", r.Profile)
	add(r.Seconds > 0, "%s s after %s s", number(r.Seconds), number(r.Warmup))
	add(r.PartMS > 0, "parts of %s ms", number(r.PartMS))
	add(r.Seed != 0, "seed %d", r.Seed)
	for _, key := range slices.Sorted(maps.Keys(r.Settings)) {
		out = append(out, key+" "+r.Settings[key])
	}
	return out
}

// row is one figure of all results, formatted.
type row struct {
	Title string
	Cells []string
	// Best marks the cells that hold the best value of at least two.
	Best []bool
}

// figureRows lists the figures that any result has: the known ones in their
// order, then the others by name. Quantiles take a row each.
func figureRows(r *Receipt) []row {
	var out []row
	for _, f := range figuresOf(r.Results) {
		d := DefinitionOf(f)
		if has(r.Results, func(res *Result) bool { _, ok := res.Figures[f]; return ok }) {
			out = append(out, valueRow(r.Results, d, d.Title, func(res *Result) Number {
				if v, ok := res.Figures[f]; ok {
					return Number(v)
				}
				return Missing()
			}))
		}
		if !has(r.Results, func(res *Result) bool { _, ok := res.Quantiles[f]; return ok }) {
			continue
		}
		for _, q := range []struct {
			name string
			of   func(Quantiles) float64
		}{
			{"p50", func(q Quantiles) float64 { return q.P50 }},
			{"p95", func(q Quantiles) float64 { return q.P95 }},
			{"p99", func(q Quantiles) float64 { return q.P99 }},
			{"max", func(q Quantiles) float64 { return q.Max }},
		} {
			out = append(out, valueRow(r.Results, d, d.Title+", "+q.name, func(res *Result) Number {
				if v, ok := res.Quantiles[f]; ok {
					return Number(q.of(v))
				}
				return Missing()
			}))
		}
		samples := d
		samples.Unit, samples.Better = Count, 0
		out = append(out, valueRow(r.Results, samples, d.Title+", samples", func(res *Result) Number {
			if v, ok := res.Quantiles[f]; ok {
				return Number(v.N)
			}
			return Missing()
		}))
	}
	return out
}

func has(results []Result, ok func(*Result) bool) bool {
	return slices.ContainsFunc(results, func(r Result) bool { return ok(&r) })
}

func valueRow(results []Result, d Definition, title string, of func(*Result) Number) row {
	out := row{Title: title}
	var values []Number
	for i := range results {
		v := of(&results[i])
		values = append(values, v)
		out.Cells = append(out.Cells, d.Unit.Format(v))
	}
	out.Best = best(values, d.Better)
	return out
}

// best marks the best of values, when there are two different ones to compare.
func best(values []Number, better int) []bool {
	out := make([]bool, len(values))
	top, n, differ := Missing(), 0, false
	for _, v := range values {
		if v.Missing() {
			continue
		}
		n++
		differ = differ || n > 1 && v != top
		if top.Missing() || better > 0 && v > top || better < 0 && v < top {
			top = v
		}
	}
	for i, v := range values {
		out[i] = better != 0 && differ && v == top
	}
	return out
}

// figuresOf lists the figures of results, the known ones first and in order.
func figuresOf(results []Result) []Figure {
	seen := map[Figure]bool{}
	for _, r := range results {
		for f := range r.Figures {
			seen[f] = true
		}
		for f := range r.Quantiles {
			seen[f] = true
		}
	}
	return inOrder(seen)
}

func inOrder(seen map[Figure]bool) []Figure {
	var out []Figure
	for _, d := range definitions {
		if seen[d.Figure] {
			out = append(out, d.Figure)
			delete(seen, d.Figure)
		}
	}
	return append(out, slices.Sorted(maps.Keys(seen))...)
}
