package report

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// sample is a receipt with something of everything.
func sample() *Receipt {
	swarm := Result{Name: "swarm", Role: Swarm, About: "K = 4"}
	swarm.Set(Offload, 0.871)
	swarm.Set(Bound, 0.967)
	swarm.Set(BoundShare, 0.871/0.967)
	swarm.Set(Stalls, 0)
	swarm.Set(RequestRate, math.NaN())
	swarm.Set(Figure("queueDepth"), 17)
	var lateness, startup []float64
	for i := range 1000 {
		lateness = append(lateness, 40+float64(i%100))
		startup = append(startup, 300+float64(i%10))
	}
	swarm.SetSamples(Lateness, append(lateness, 9000))
	swarm.SetSamples(Startup, startup)
	swarm.Series = []Series{{Name: "From peers", Unit: BitRate, Every: 1, Values: []Number{0, 1e6, Missing(), 2e6, 2.5e6}}}
	swarm.PerViewer = []Viewer{
		{Name: "p1", Labels: map[string]string{"role": "root"}, Figures: map[Figure]float64{Offload: 0.5}},
		{Name: "p2", Figures: map[Figure]float64{Stalls: 2}},
	}
	edge := Result{Name: "edge only", Role: EdgeOnly}
	edge.Set(Offload, 0)
	edge.Set(CPU, 0.002)
	edge.SetSamples(Lateness, []float64{30, 40, 50})
	edge.SetSamples(Startup, []float64{290, 300, 310})
	other := Result{Name: `<script>alert("x")</script>`, Role: Other}
	other.Set(Offload, 0.66)
	other.Set(Stalls, 4)
	return &Receipt{
		Kind: Virtual, Title: "Reference network, 30 viewers", Time: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
		Version: "1.2.3", Machine: Machine{Name: "lab", OS: "linux/amd64", Cores: 2}, Command: "starling bench lab -n 30 --note '</style>'",
		Profile: "reference", Seed: 7, Viewers: 30, Seconds: 60, Warmup: 15, PartMS: 333,
		Settings: map[string]string{"bitrate": "2 Mbit/s"}, Notes: []string{"Two of them were slow."},
		Results: []Result{swarm, edge, other},
		Curves: []Curve{{
			Title: "Offload by viewers", X: Axis{Title: "Viewers", Log: true}, Y: Axis{Title: "Offload", Unit: Share},
			Lines: []Line{{Name: "swarm", Points: []Point{{X: 10, Y: 0.8, Label: "ten"}, {X: 100, Y: 0.95}, {X: 100_000, Y: 0.97}}}},
		}},
		Grids: []Grid{{
			Title: "Part lateness, p95", Unit: Millis, RowTitle: "Loss", Rows: []string{"0 %", "2 %"}, ColumnTitle: "Transport",
			Columns: []string{"reliable", "unordered", "parity"}, Values: [][]Number{{100, 120, 110}, {900, 300, Missing()}}, BestOfRow: true,
		}},
	}
}

func rendered(t *testing.T, receipts ...*Receipt) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, receipts...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// element is a node of a parsed page.
type element struct {
	Name     string
	Attr     map[string]string
	Text     string // of itself and of all inside
	Children []*element
}

var voidTags = regexp.MustCompile(`<(meta)([^>]*)>`)

// parse reads the page as XML: the template closes all that it opens, so only
// the void elements of HTML have to be closed first.
func parse(t *testing.T, page string) *element {
	t.Helper()
	page = voidTags.ReplaceAllString(strings.TrimPrefix(page, "<!DOCTYPE html>"), "<$1$2/>")
	d := xml.NewDecoder(strings.NewReader(page))
	d.Entity = xml.HTMLEntity
	root := &element{}
	stack := []*element{root}
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			e := &element{Name: tok.Name.Local, Attr: map[string]string{}}
			for _, a := range tok.Attr {
				e.Attr[a.Name.Local] = a.Value
			}
			top := stack[len(stack)-1]
			top.Children = append(top.Children, e)
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			for _, e := range stack {
				e.Text += string(tok)
			}
		}
	}
	return root
}

// all lists the elements of a name, in order.
func (e *element) all(name string) []*element {
	var out []*element
	for _, c := range e.Children {
		if c.Name == name {
			out = append(out, c)
		}
		out = append(out, c.all(name)...)
	}
	return out
}

// rowOf finds the cells of the first table row with this heading.
func rowOf(t *testing.T, e *element, heading string) []string {
	t.Helper()
	for _, tr := range e.all("tr") {
		if th := tr.all("th"); len(th) > 0 && th[0].Text == heading {
			var out []string
			for _, td := range tr.all("td") {
				out = append(out, td.Text)
			}
			return out
		}
	}
	t.Fatalf("no row %q", heading)
	return nil
}

func TestPageShowsFiguresAndDashes(t *testing.T) {
	page := parse(t, rendered(t, sample()))
	for heading, want := range map[string][]string{
		"Offload":                         {"87.1 %", "0 %", "66 %"},
		"Bound of offload":                {"96.7 %", dash, dash},
		"Stalls":                          {"0", dash, "4"},
		"CPU a viewer":                    {dash, "0.002", dash},
		"queueDepth":                      {"17", dash, dash},
		"Part lateness, p50":              {"90 ms", "40 ms", dash},
		"Part lateness, max":              {"9,000 ms", "50 ms", dash},
		"Part lateness, samples":          {"1,001", "3", dash},
		"offload ÷ bound":                 {"90.1 %", "≥ 93 %", "✗ missed"},
		"latency added by the swarm, p95": {"85 ms", "≤ 100 ms", "✓ met"},
		"2 %":                             {"900 ms", "300 ms", dash},
		"p1":                              {"root", "50 %", dash},
		"p2":                              {dash, dash, "2"},
	} {
		if got := rowOf(t, page, heading); !slices.Equal(got, want) {
			t.Errorf("row %q: %q, want %q", heading, got, want)
		}
	}
	for _, tr := range page.all("tr") {
		if th := tr.all("th"); len(th) > 0 && th[0].Text == DefinitionOf(RequestRate).Title {
			t.Error("a figure that was NaN has a row")
		}
	}
}

func TestPageStandsAlone(t *testing.T) {
	text := rendered(t, sample(), sample())
	page := parse(t, text)
	for _, name := range []string{"script", "link", "img", "iframe", "object", "image", "use", "foreignObject"} {
		if n := len(page.all(name)); n != 0 {
			t.Errorf("%d elements %q", n, name)
		}
	}
	if strings.Contains(text, "url(") || strings.Contains(text, "@import") {
		t.Error("the style loads something")
	}
	if !strings.Contains(text, "prefers-color-scheme: dark") {
		t.Error("no dark colours")
	}
	ids := map[string]bool{}
	var walk func(*element)
	walk = func(e *element) {
		if id := e.Attr["id"]; id != "" {
			if ids[id] {
				t.Errorf("id %q twice", id)
			}
			ids[id] = true
		}
		for _, c := range e.Children {
			walk(c)
		}
	}
	walk(page)
	for _, a := range page.all("a") {
		if href := a.Attr["href"]; !strings.HasPrefix(href, "#") || !ids[href[1:]] {
			t.Errorf("link to %q", href)
		}
	}
}

func TestPlotsAreAccessible(t *testing.T) {
	page := parse(t, rendered(t, sample()))
	figures := page.all("figure")
	// Bars of offload, lateness and CPU; distributions of lateness and start-up; one series; one curve.
	if len(figures) != 7 {
		t.Fatalf("%d plots, want 7", len(figures))
	}
	for _, f := range figures {
		name := f.all("figcaption")[0].Text
		svg := f.all("svg")[0]
		if svg.Attr["role"] != "img" || len(svg.all("title")) == 0 || len(svg.all("desc")) == 0 {
			t.Errorf("plot %q: no role, title or description", name)
		}
		if svg.all("desc")[0].Text == "" || svg.all("title")[0].Text == "" {
			t.Errorf("plot %q: empty title or description", name)
		}
		if len(f.all("td")) == 0 {
			t.Errorf("plot %q: no table beside it", name)
		}
	}
}

func TestLinesAreInterruptedWhereValuesAreMissing(t *testing.T) {
	page := parse(t, rendered(t, sample()))
	for _, f := range page.all("figure") {
		if f.all("figcaption")[0].Text != "From peers" {
			continue
		}
		path := f.all("svg")[0].all("path")[0].Attr["d"]
		if got := strings.Count(path, "M"); got != 2 {
			t.Errorf("path %q begins %d times, want twice", path, got)
		}
		if strings.Contains(path, "NaN") || strings.Contains(path, "Inf") {
			t.Errorf("path %q", path)
		}
		return
	}
	t.Fatal("no plot of the series")
}

func TestHostileNamesAreEscaped(t *testing.T) {
	r := sample()
	r.Title = `"><img src=x onerror=alert(1)>`
	r.Curves[0].Lines[0].Name = `</svg><script>1</script>`
	r.Curves[0].Lines[0].Points[0].Label = `</text><a href="javascript:1">`
	r.Grids[0].Rows[0] = "<b>"
	r.Settings["<i>"] = "</style>"
	text := rendered(t, r, r)
	page := parse(t, text)
	for _, name := range []string{"script", "img", "b", "i"} {
		if len(page.all(name)) != 0 {
			t.Errorf("element %q got into the page", name)
		}
	}
	if strings.Count(text, "</style>") != 1 {
		t.Error("the style can be closed by a receipt")
	}
	if !strings.Contains(page.Text, `<script>alert("x")</script>`) {
		t.Error("the name is not shown as it is")
	}
}

func TestPageOfSeveralRuns(t *testing.T) {
	a, b := sample(), sample()
	b.Title, b.Viewers = "second", 100
	for i, r := range []*Receipt{a, b} {
		r.Kind = Browsers
		r.Results[0].SetSamples(Latency, []float64{1000 + 100*float64(i)})
	}
	page := parse(t, rendered(t, a, b))
	if got := rowOf(t, page, "second"); got[0] != "swarm" || got[1] != "100" || got[2] != "87.1 %" {
		t.Errorf("overview %q", got)
	}
	if got := rowOf(t, page, "offload ÷ bound"); !slices.Equal(got, []string{a.Title, "swarm", "90.1 %", "≥ 93 %", "✗ missed"}) {
		t.Errorf("goals of all runs %q", got)
	}
	if got := page.all("figcaption")[0].Text; got != "Offload against latency" {
		t.Errorf("first plot is %q", got)
	}
	if len(page.all("circle")) < 2 {
		t.Error("no points in the plot of offload against latency")
	}
}

func TestTextShowsFiguresAndGoals(t *testing.T) {
	r := sample()
	r.Results[2].Name = "evil\x1b[2J"
	Judge(r)
	var b bytes.Buffer
	if err := Text(&b, r); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	for _, want := range []string{"87.1 %", "missed", "≥ 93 %", "Part lateness, p95", "profile reference", "Two of them were slow."} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("a control character got through")
	}
}
