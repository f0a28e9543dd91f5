package main

import (
	"encoding/json"
	"fmt"
	"time"

	"starling/bench/profile"
	"starling/bench/report"
	"starling/bench/simulation"
)

// simulateCmd lets the policy play in virtual time.
type simulateCmd struct {
	drawn
	Peers     int           `short:"n" default:"1000" help:"Viewers at a time. Default 1000."`
	Duration  time.Duration `default:"60s" help:"How long to measure, in virtual time. Default 60s."`
	Warmup    time.Duration `default:"15s" help:"Pause before it, from the last of the first viewers. Default 15s."`
	Ramp      time.Duration `placeholder:"TIME" help:"Time in which the first viewers of a cell come. Default 100ms for each of them, at most 20s."`
	Bitrate   int           `default:"2000000" placeholder:"BIT/S" help:"Of the video. Default 2000000."`
	Cell      int           `default:"1000" placeholder:"N" help:"Viewers of a cell at most. Default 1000."`
	Silent    string        `default:"0%" placeholder:"SHARE" help:"The share of departures without a goodbye. Default none."`
	Slump     float64       `placeholder:"FACTOR" help:"Let all uplinks carry that much of what they did for 20 s, from 15 s on. Default: they stay."`
	EdgeOnly  bool          `help:"Without a swarm."`
	SetupEdge float64       `default:"3" placeholder:"RTT" help:"Round trips to open a connection to the edge: 3 with TLS, 2 without, as in bench lab. Default 3."`
	Parallel  int           `placeholder:"N" help:"Cells simulated at once. Default: one for each core."`
	JSON      bool          `name:"json" help:"Print the result as JSON."`
}

// slumpAt and slumpFor are when --slump takes effect.
const (
	slumpAt  = 15 * time.Second
	slumpFor = 20 * time.Second
)

func (c *simulateCmd) Run(e *env) error {
	o, err := c.options()
	if err != nil {
		return usageError{err}
	}
	began, said := time.Now(), time.Now()
	o.Progress = func(done float64) {
		if time.Since(said) < 2*time.Second {
			return
		}
		said = time.Now()
		took := time.Since(began)
		fmt.Fprintf(e.stderr, "%5.0f s  %.1f %%, about %.0f s to go\n", took.Seconds(), 100*done, took.Seconds()*(1-done)/max(done, 1e-6))
	}
	result, err := simulation.Run(e.ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "%.0f s for %.1f million events\n", time.Since(began).Seconds(), float64(result.Events)/1e6)
	receipt := result.Receipt(o)
	receipt.Time = time.Now().UTC()
	if err := c.finish(e, c.command(), &receipt); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(result)
	}
	return report.Text(e.stdout, &receipt)
}

func (c *simulateCmd) options() (simulation.Options, error) {
	o := simulation.Options{Viewers: c.Peers, Duration: c.Duration, Warmup: c.Warmup, Ramp: c.Ramp, Seed: c.Seed, Bitrate: c.Bitrate,
		EdgeOnly: c.EdgeOnly, KnownUplink: c.Known, Parallel: c.Parallel, Network: simulation.Network{SetupEdge: c.SetupEdge}}
	o.Swarm.MaxCell = c.Cell
	var err error
	if o.Profile, err = profile.Named(c.Profile); err != nil {
		return o, err
	}
	if c.Peers < 1 || c.Cell < 1 || c.Warmup < time.Second || c.Ramp < 0 {
		return o, fmt.Errorf("%d viewers in cells of %d within %s after %s: want at least 1, 1, 0s and 1s", c.Peers, c.Cell, c.Ramp, c.Warmup)
	}
	if o.Bad, err = parseShare(c.Bad); err != nil {
		return o, fmt.Errorf("--bad: %w", err)
	}
	if o.Badly, err = simulation.ParseBehaviour(c.BadKind); err != nil {
		return o, fmt.Errorf("--bad-kind: %w", err)
	}
	if o.Silent, err = parseShare(c.Silent); err != nil {
		return o, fmt.Errorf("--silent: %w", err)
	}
	if c.Slump > 0 {
		o.Slump = simulation.Slump{At: slumpAt, For: slumpFor, Factor: c.Slump}
	}
	return o, nil
}

// command repeats the run.
func (c *simulateCmd) command() string {
	s := fmt.Sprintf("starling bench simulate --profile %s -n %d --duration %s --warmup %s --seed %d", c.Profile, c.Peers, c.Duration, c.Warmup, c.Seed)
	return s + c.repeated(flag{c.Ramp > 0, fmt.Sprint("--ramp ", c.Ramp)}, flag{c.Bitrate != 2_000_000, fmt.Sprint("--bitrate ", c.Bitrate)}, flag{c.Cell != 1000, fmt.Sprint("--cell ", c.Cell)}, flag{c.Silent != "0%", "--silent " + c.Silent},
		flag{c.Slump > 0, fmt.Sprint("--slump ", c.Slump)}, flag{c.EdgeOnly, "--edge-only"}, flag{c.SetupEdge != 3, fmt.Sprint("--setup-edge ", c.SetupEdge)})
}
