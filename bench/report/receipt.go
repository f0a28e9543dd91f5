// Package report keeps what benchmarks measured: a receipt of each run as
// JSON, and readable reports from one or several receipts, as one HTML file
// with plots and as text. Apart from reading and writing files it is pure.
//
// A figure that was not measured is missing, which is not the same as 0: maps
// hold only what was measured, and reports show a dash for the rest.
package report

import (
	"math"
	"slices"
	"time"
)

// Schema is the version of the receipt's JSON. It rises when a reader of the
// version before would misunderstand; new fields and figures do not raise it.
const Schema = 1

// Kind is which benchmark a receipt is from.
type Kind string

// The kinds of benchmark. Readers show others by their name.
const (
	Live       Kind = "live"       // headless peers, or browsers and peers, in real time
	Virtual    Kind = "virtual"    // headless peers over a network model in virtual time
	Simulation Kind = "simulation" // the policy alone in virtual time
	Transport  Kind = "transport"  // one association over a modelled path
	Browsers   Kind = "browsers"   // real browsers, next to other players
	Cost       Kind = "cost"       // what the client costs a browser
)

// Role is what a result stands for in its run.
type Role string

// The roles. The others are compared with Swarm; the latency that the swarm
// adds is Swarm's less EdgeOnly's.
const (
	Swarm    Role = "swarm"
	EdgeOnly Role = "edge-only" // our player or peer without a swarm
	Other    Role = "other"     // somebody else's
)

// Receipt is what one run measured. The caller fills all fields but Schema and
// Verdicts, which Encode and WriteJSON fill.
type Receipt struct {
	Schema  int       `json:"schema"`
	Kind    Kind      `json:"kind"`
	Title   string    `json:"title"`
	Time    time.Time `json:"time"`
	Version string    `json:"version,omitempty"` // of Starling
	Machine Machine   `json:"machine"`
	// Command repeats the run.
	Command string `json:"command"`
	// Profile is the name of the network and audience, as bench/profile has it.
	Profile string `json:"profile,omitempty"`
	Seed    uint64 `json:"seed,omitempty"`
	Viewers int    `json:"viewers,omitempty"`
	// Seconds measured, after Warmup seconds; of virtual time where time is virtual.
	Seconds float64 `json:"seconds,omitempty"`
	Warmup  float64 `json:"warmupSeconds,omitempty"`
	// PartMS is the duration of parts in milliseconds. Below 250 the goals of the
	// sub-second profile apply.
	PartMS float64 `json:"partMs,omitempty"`
	// Settings are further things to know, shown as given: "bitrate": "2 Mbit/s".
	Settings map[string]string `json:"settings,omitempty"`
	// Notes are sentences for the reader: what to doubt, what went wrong.
	Notes []string `json:"notes,omitempty"`

	// Results has one entry for each alternative measured in this run.
	Results []Result `json:"results"`
	// Curves and Grids belong to the run as a whole.
	Curves []Curve `json:"curves,omitempty"`
	Grids  []Grid  `json:"grids,omitempty"`

	// Verdicts compares the results with the goals; computed, see Judge.
	Verdicts []Verdict `json:"verdicts,omitempty"`
}

// Machine is where it ran.
type Machine struct {
	Name  string `json:"name,omitempty"`
	OS    string `json:"os,omitempty"` // such as "linux/amd64"
	CPU   string `json:"cpu,omitempty"`
	Cores int    `json:"cores,omitempty"`
	Go    string `json:"go,omitempty"`
	// Software is what else took part: "Chromium": "156.0".
	Software map[string]string `json:"software,omitempty"`
}

// Result is what one alternative did.
type Result struct {
	Name  string `json:"name"` // "swarm", "hls.js 1.7.4", "p2p-media-loader, tuned"
	Role  Role   `json:"role"`
	About string `json:"about,omitempty"` // how it was set up
	// Figures are single numbers in the unit of their Definition.
	Figures map[Figure]float64 `json:"figures,omitempty"`
	// Quantiles are figures of which there are many samples.
	Quantiles map[Figure]Quantiles `json:"quantiles,omitempty"`
	// CDFs give the share of samples at or below X, for some of the Quantiles.
	CDFs map[Figure][]Point `json:"cdfs,omitempty"`
	// Series are figures over time.
	Series []Series `json:"series,omitempty"`
	// PerViewer is one row for each viewer, or for each one of interest.
	PerViewer []Viewer `json:"perViewer,omitempty"`
}

// Quantiles of a set of samples, by nearest rank.
type Quantiles struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Series is a figure over time, one value each Every seconds from Start
// seconds after the run began. Series of the same Name in different results
// are drawn into one plot. A missing value is null in JSON, see Number.
type Series struct {
	Name   string   `json:"name"`
	Unit   Unit     `json:"unit"`
	Start  float64  `json:"start,omitempty"`
	Every  float64  `json:"every"`
	Values []Number `json:"values"`
}

// Viewer is one viewer's row.
type Viewer struct {
	Name string `json:"name"`
	// Labels are its properties: "role": "root", "region": "eu".
	Labels  map[string]string  `json:"labels,omitempty"`
	Figures map[Figure]float64 `json:"figures,omitempty"`
}

// Point is a point of a line.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
	// Label is shown at the point.
	Label string `json:"label,omitempty"`
}

// Axis names what an axis shows.
type Axis struct {
	Title string `json:"title"`
	Unit  Unit   `json:"unit,omitempty"`
	// Log draws it logarithmically; values must then be above 0.
	Log bool `json:"log,omitempty"`
}

// Curve is a plot of lines over X, such as offload against latency.
type Curve struct {
	Title string `json:"title"`
	About string `json:"about,omitempty"`
	X     Axis   `json:"x"`
	Y     Axis   `json:"y"`
	Lines []Line `json:"lines"`
}

// Line is one line of a Curve.
type Line struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
}

// Grid is a table shaded by value, such as lateness by loss and uplink.
// Values[r][c] is for Rows[r] and Columns[c].
type Grid struct {
	Title       string     `json:"title"`
	About       string     `json:"about,omitempty"`
	Unit        Unit       `json:"unit,omitempty"`
	RowTitle    string     `json:"rowTitle"`
	Rows        []string   `json:"rows"`
	ColumnTitle string     `json:"columnTitle"`
	Columns     []string   `json:"columns"`
	Values      [][]Number `json:"values"`
	// HigherIsBetter turns the shading round.
	HigherIsBetter bool `json:"higherIsBetter,omitempty"`
	// BestOfRow marks the best value of each row, where columns are alternatives.
	BestOfRow bool `json:"bestOfRow,omitempty"`
}

// Number is a float64 that may be missing, which is NaN in Go and null in JSON.
type Number float64

// Missing is the Number that was not measured.
func Missing() Number { return Number(math.NaN()) }

// Missing says whether n was not measured. Infinity counts as missing: it comes
// from a division by nothing.
func (n Number) Missing() bool { return math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) }

// Set notes a figure. NaN and infinity, from a division by nothing, leave it
// missing.
func (r *Result) Set(f Figure, v float64) {
	if Number(v).Missing() {
		return
	}
	if r.Figures == nil {
		r.Figures = map[Figure]float64{}
	}
	r.Figures[f] = v
}

// SetSamples notes the quantiles and the CDF of samples, which it does not
// change. Without samples the figure stays missing.
func (r *Result) SetSamples(f Figure, samples []float64) {
	sorted := slices.DeleteFunc(slices.Clone(samples), func(v float64) bool { return Number(v).Missing() })
	if len(sorted) == 0 {
		return
	}
	slices.Sort(sorted)
	if r.Quantiles == nil {
		r.Quantiles = map[Figure]Quantiles{}
	}
	if r.CDFs == nil {
		r.CDFs = map[Figure][]Point{}
	}
	r.Quantiles[f] = quantiles(sorted)
	r.CDFs[f] = cdf(sorted)
}

// SetQuantiles notes quantiles computed elsewhere; N = 0 leaves them missing.
func (r *Result) SetQuantiles(f Figure, q Quantiles) {
	if q.N == 0 {
		return
	}
	if r.Quantiles == nil {
		r.Quantiles = map[Figure]Quantiles{}
	}
	r.Quantiles[f] = q
}

// QuantilesOf computes the quantiles of samples, which it does not change.
func QuantilesOf(samples []float64) Quantiles {
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	return quantiles(sorted)
}

func quantiles(sorted []float64) Quantiles {
	n := len(sorted)
	if n == 0 {
		return Quantiles{}
	}
	// Nearest rank: the smallest sample that has at least the share q at or below it.
	at := func(q float64) float64 { return sorted[max(int(math.Ceil(q*float64(n)))-1, 0)] }
	return Quantiles{N: n, P50: at(0.50), P95: at(0.95), P99: at(0.99), Max: sorted[n-1]}
}

// cdfPoints is enough for a smooth plot and keeps receipts small; the tail,
// which goals are about, gets as many points as the rest.
const cdfPoints = 50

func cdf(sorted []float64) []Point {
	var out []Point
	add := func(share float64) {
		i := max(int(math.Ceil(share*float64(len(sorted))))-1, 0)
		p := Point{X: sorted[i], Y: float64(i+1) / float64(len(sorted))}
		if len(out) == 0 || out[len(out)-1] != p {
			out = append(out, p)
		}
	}
	add(0)
	for i := 1; i < cdfPoints; i++ {
		add(0.9 * float64(i) / cdfPoints)
	}
	for i := range cdfPoints + 1 {
		add(0.9 + 0.1*float64(i)/cdfPoints)
	}
	return out
}
