package report

import "slices"

// Goal is a budget of the design: what a figure of the swarm must reach.
type Goal struct {
	Name   string
	Figure Figure
	// At says which quantile is judged, or Value for a single figure.
	At    At
	AtMin bool // true: at least Value; false: at most
	Value float64
	// Kinds to which it applies; none means all. Profiles likewise.
	Kinds    []Kind
	Profiles []string
	// MinViewers and MaxViewers bound the runs to which it applies; 0 is no bound.
	MinViewers, MaxViewers int
	// SubSecond applies to runs with parts below 250 ms alone, or not at all.
	SubSecond, NotSubSecond bool
}

// At is what of a figure is judged.
type At string

// What can be judged.
const (
	Value At = "value"
	P50   At = "p50"
	P95   At = "p95"
	Max   At = "max"
)

// subSecondPartMS tells the sub-second profile (200 ms parts) from the default (333 ms).
const subSecondPartMS = 250

var (
	browserKinds = []Kind{Browsers}
	liveKinds    = []Kind{Live, Virtual}
	swarmKinds   = []Kind{Live, Virtual, Simulation, Browsers}
)

// Goals is the one table of budgets.
func Goals() []Goal {
	return []Goal{
		{Name: "glass to glass, p50", Figure: Latency, At: P50, Value: 1200, Kinds: browserKinds, MaxViewers: 6, NotSubSecond: true},
		{Name: "glass to glass, p95, to 6 viewers", Figure: Latency, At: P95, Value: 1500, Kinds: browserKinds, MaxViewers: 6, NotSubSecond: true},
		{Name: "glass to glass, p95, 12 viewers", Figure: Latency, At: P95, Value: 2000, Kinds: browserKinds, MinViewers: 7, MaxViewers: 12, NotSubSecond: true},
		{Name: "glass to glass, p95, sub-second", Figure: Latency, At: P95, Value: 1000, Kinds: browserKinds, SubSecond: true},
		{Name: "offload, sub-second", Figure: Offload, At: Value, AtMin: true, Value: 0.75, Kinds: browserKinds, MinViewers: 6, SubSecond: true},
		{Name: "offload, 6 browsers", Figure: Offload, At: Value, AtMin: true, Value: 0.80, Kinds: browserKinds, MinViewers: 6, MaxViewers: 11, NotSubSecond: true},
		{Name: "offload, 12 browsers", Figure: Offload, At: Value, AtMin: true, Value: 0.90, Kinds: browserKinds, MinViewers: 12, NotSubSecond: true},
		{Name: "offload, 100 peers, reference network", Figure: Offload, At: Value, AtMin: true, Value: 0.90, Kinds: liveKinds, Profiles: []string{"reference"}, MinViewers: 100},
		{Name: "offload, simulated, reference network", Figure: Offload, At: Value, AtMin: true, Value: 0.96, Kinds: []Kind{Simulation}, Profiles: []string{"reference"}, MinViewers: 1000},
		{Name: "offload ÷ bound", Figure: BoundShare, At: Value, AtMin: true, Value: 0.93, Kinds: swarmKinds},
		{Name: "edge copies of a part and cell", Figure: EdgeCopies, At: Value, Value: 2, Kinds: swarmKinds, MinViewers: 2},
		{Name: "latency added by the swarm, p95", Figure: LatencyTax, At: Value, Value: 100},
		{Name: "start-up added by the swarm, p50", Figure: StartupTaxP50, At: Value, Value: 0},
		{Name: "start-up added by the swarm, p95", Figure: StartupTaxP95, At: Value, Value: 50},
		{Name: "join to first verified peer byte, p50", Figure: FirstPeerByte, At: P50, Value: 700},
		{Name: "parent lost to slice flowing, p95", Figure: ParentGap, At: P95, Value: 150},
		{Name: "stalls, browsers", Figure: Stalls, At: Value, Value: 0, Kinds: browserKinds},
		{Name: "duplicate bytes", Figure: Duplicates, At: Value, Value: 0.02, Kinds: swarmKinds},
		{Name: "control bytes", Figure: Control, At: Value, Value: 0.01, Kinds: swarmKinds},
		{Name: "altered bytes to the decoder", Figure: BadBytes, At: Value, Value: 0},
		{Name: "main thread of a viewer", Figure: MainThread, At: Value, Value: 0.02},
		{Name: "connections left of neighbours that went", Figure: ConnectionsLeft, At: Value, Value: 0},
		{Name: "client core, gzipped", Figure: CoreSize, At: Value, Value: 40},
	}
}

// Verdict is one goal and what was measured.
type Verdict struct {
	Name   string  `json:"name"`
	Result string  `json:"result"` // whose figure
	Figure Figure  `json:"figure"`
	At     At      `json:"at"`
	AtMin  bool    `json:"atLeast,omitempty"`
	Goal   float64 `json:"goal"`
	Value  float64 `json:"value"`
	Met    bool    `json:"met"`
}

// Judge fills in the added latency and start-up of each Swarm result, and
// r.Verdicts. A goal whose figure was not measured gives no verdict.
func Judge(r *Receipt) {
	r.Verdicts = nil
	edge := slices.IndexFunc(r.Results, func(x Result) bool { return x.Role == EdgeOnly })
	for i := range r.Results {
		res := &r.Results[i]
		if res.Role != Swarm {
			continue
		}
		if edge >= 0 {
			res.taxes(&r.Results[edge])
		}
		for _, g := range Goals() {
			value, ok := g.read(res)
			if !ok || !g.applies(r) {
				continue
			}
			r.Verdicts = append(r.Verdicts, Verdict{
				Name: g.Name, Result: res.Name, Figure: g.Figure, At: g.At, AtMin: g.AtMin,
				Goal: g.Value, Value: value, Met: g.met(value),
			})
		}
	}
}

// taxes sets what the swarm adds over the edge alone.
func (r *Result) taxes(edge *Result) {
	for _, f := range []Figure{Latency, Lateness} {
		mine, ok := r.Quantiles[f]
		theirs, ok2 := edge.Quantiles[f]
		if ok && ok2 {
			r.Set(LatencyTax, mine.P95-theirs.P95)
			break
		}
	}
	mine, ok := r.Quantiles[Startup]
	theirs, ok2 := edge.Quantiles[Startup]
	if ok && ok2 {
		r.Set(StartupTaxP50, mine.P50-theirs.P50)
		r.Set(StartupTaxP95, mine.P95-theirs.P95)
	}
}

func (g *Goal) applies(r *Receipt) bool {
	sub := r.PartMS > 0 && r.PartMS < subSecondPartMS
	return (len(g.Kinds) == 0 || slices.Contains(g.Kinds, r.Kind)) &&
		(len(g.Profiles) == 0 || slices.Contains(g.Profiles, r.Profile)) &&
		r.Viewers >= g.MinViewers && (g.MaxViewers == 0 || r.Viewers <= g.MaxViewers) &&
		(!g.SubSecond || sub) && (!g.NotSubSecond || !sub)
}

func (g *Goal) read(r *Result) (float64, bool) {
	if g.At == Value {
		v, ok := r.Figures[g.Figure]
		return v, ok
	}
	q, ok := r.Quantiles[g.Figure]
	switch g.At {
	case P50:
		return q.P50, ok
	case P95:
		return q.P95, ok
	}
	return q.Max, ok
}

func (g *Goal) met(v float64) bool {
	if g.AtMin {
		return v >= g.Value
	}
	return v <= g.Value
}
