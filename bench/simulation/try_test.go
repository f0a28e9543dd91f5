package simulation

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"
	"time"

	"starling/bench/profile"
)

func TestTry(t *testing.T) {
	name := os.Getenv("SIM_PROFILE")
	if name == "" {
		name = "reference"
	}
	p, err := profile.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(os.Getenv("SIM_N"))
	if n == 0 {
		n = 100
	}
	began := time.Now()
	o := Options{Profile: p, Viewers: n, Duration: 30 * time.Second, Warmup: 10*time.Second, Seed: func() uint64 { s, _ := strconv.Atoi(os.Getenv("SIM_SEED")); return uint64(s) }(), Network: Network{SetupEdge: 2}, KnownUplink: os.Getenv("SIM_KNOWN") != "", EdgeOnly: os.Getenv("SIM_EDGE") != ""}
	if s := os.Getenv("SIM_RULES"); s != "" {
		json.Unmarshal([]byte(s), &o.Rules)
	}
	if s := os.Getenv("SIM_SILENT"); s != "" {
		o.Silent, _ = strconv.ParseFloat(s, 64)
		o.Profile.Churn = 0.3
	}
	if os.Getenv("SIM_CALM") != "" {
		_ = 0
	}
	if s := os.Getenv("SIM_SLUMP"); s != "" {
		f, _ := strconv.ParseFloat(s, 64)
		o.Slump = Slump{At: 10 * time.Second, For: 20 * time.Second, Factor: f}
		o.Duration = 60 * time.Second
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	series := r.Series
	if os.Getenv("SIM_SERIES") == "" {
		r.Series = nil
	}
	_ = series
	b, _ := json.Marshal(r)
	t.Logf("%s\n%v, %.2f M events", b, time.Since(began), float64(r.Events)/1e6)
}
