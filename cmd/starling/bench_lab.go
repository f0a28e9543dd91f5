package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"starling/bench/audience"
	"starling/bench/profile"
	"starling/bench/report"
	"starling/cmd/starling/lab"
	"starling/internal/config"
	"starling/internal/peer"
	"starling/internal/telemetry"
)

// labCmd measures an audience over a model of the internet.
type labCmd struct {
	Profile     string        `default:"reference" placeholder:"NAME" help:"The network and audience; starling bench profiles lists them. Default reference."`
	Peers       int           `short:"n" default:"10" help:"Viewers at a time. Default 10."`
	Duration    time.Duration `default:"60s" help:"How long to measure. Default 60s."`
	Warmup      time.Duration `default:"10s" help:"Pause before it, from the last of the first viewers. Default 10s."`
	Seed        uint64        `default:"1" help:"Of all that is drawn: lines, paths, losses, who comes and goes. Default 1."`
	RealTime    bool          `help:"Run on the machine's clock. Default: virtual time, which a busy machine does not disturb."`
	Latency     time.Duration `placeholder:"TIME" help:"How far behind live the viewers are to be. Default 2s, in the profile lan 1.2s."`
	Bitrate     int           `default:"2000000" placeholder:"BIT/S" help:"Of the best video track. Default 2000000."`
	Mixed       bool          `help:"Spread the viewers over a ladder of three rungs, and compare with all of them on one."`
	Bad         string        `default:"0%" placeholder:"SHARE" help:"The share of the viewers that misbehave, such as 10% or 0.1. Default none."`
	BadKind     string        `default:"alter" placeholder:"KIND" help:"How: ${badKinds}. Default alter."`
	LoseParents int           `placeholder:"N" help:"Let N viewers that others depend on vanish without a word. Default none beyond the profile's churn."`
	Known       bool          `help:"Viewers know what their line carries upwards, and use four fifths of it. Default: they find it out by themselves."`
	SwarmOnly   bool          `help:"Leave out the same audience without a swarm."`
	Out         string        `placeholder:"DIR" type:"path" help:"Write the receipt there as JSON, for starling bench report. Default: print only."`
	CPUProfile  string        `name:"cpu-profile" placeholder:"FILE" type:"path" help:"Write a CPU profile of this program there."`
	LogLevel    string        `enum:"debug,info,warn,error" default:"error" placeholder:"LEVEL" help:"How much to log: debug, info, warn or error. Default error."`
}

func (c *labCmd) Run(e *env) error {
	cfg, err := c.config(e)
	if err != nil {
		return usageError{err}
	}
	if c.CPUProfile != "" {
		f, err := os.Create(c.CPUProfile)
		if err != nil {
			return usageError{err}
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	progress := startProgress(e.stderr)
	cfg.Progress = progress.note
	receipt, err := lab.Run(e.ctx, cfg)
	progress.end()
	receipt.Command, receipt.Version = c.command(), fmt.Sprint(telemetry.BuildInfo())
	if errors.Is(err, context.Canceled) && len(receipt.Results) > 0 {
		receipt.Notes = append(receipt.Notes, "interrupted: what there was until then")
		err = nil
	}
	if len(receipt.Results) == 0 {
		return err
	}
	if c.Out != "" {
		path, e2 := report.WriteJSON(c.Out, &receipt)
		if e2 != nil {
			return errors.Join(err, e2)
		}
		fmt.Fprintln(e.stderr, "receipt:", path)
	}
	return errors.Join(err, report.Text(e.stdout, &receipt))
}

func (c *labCmd) config(e *env) (lab.Config, error) {
	cfg := lab.Config{N: c.Peers, Duration: c.Duration, Warmup: c.Warmup, Seed: c.Seed, RealTime: c.RealTime, Latency: c.Latency, Bitrate: c.Bitrate, Mixed: c.Mixed,
		LoseParents: c.LoseParents, Known: c.Known, SwarmOnly: c.SwarmOnly, Log: newLogger(e.stderr, config.Log{Level: c.LogLevel})}
	var err error
	if cfg.Profile, err = profile.Named(c.Profile); err != nil {
		return cfg, err
	}
	if c.Peers < 1 || c.Peers > 2000 {
		return cfg, fmt.Errorf("--peers %d: want 1 to 2000", c.Peers)
	}
	if c.Bitrate < 100_000 || c.Bitrate > 20_000_000 {
		return cfg, fmt.Errorf("--bitrate %d: want 100000 to 20000000", c.Bitrate)
	}
	if c.Latency < 0 || c.Latency > 15*time.Second {
		return cfg, fmt.Errorf("--latency %s: want at most 15s", c.Latency)
	}
	if c.Duration < 2*time.Second || c.Warmup < time.Second {
		return cfg, fmt.Errorf("--duration %s after --warmup %s: want at least 2s after 1s", c.Duration, c.Warmup)
	}
	if cfg.Bad, err = parseShare(c.Bad); err != nil {
		return cfg, fmt.Errorf("--bad: %w", err)
	}
	if cfg.Behaviour, err = audience.Misbehaviour(c.BadKind); err != nil {
		return cfg, fmt.Errorf("--bad-kind: %w", err)
	}
	if cfg.Bad == 0 {
		cfg.Behaviour = peer.Honest
	}
	return cfg, nil
}

// parseShare reads "10%" or "0.1".
func parseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 0.9) {
		return 0, fmt.Errorf("%q: want a share such as 10%% or 0.1, at most 90%%", s)
	}
	return f, nil
}

// command repeats the run.
func (c *labCmd) command() string {
	s := fmt.Sprintf("starling bench lab --profile %s -n %d --duration %s --warmup %s --seed %d", c.Profile, c.Peers, c.Duration, c.Warmup, c.Seed)
	for _, f := range []struct {
		set  bool
		text string
	}{
		{c.RealTime, "--real-time"}, {c.Latency > 0, fmt.Sprint("--latency ", c.Latency)}, {c.Bitrate != 2_000_000, fmt.Sprint("--bitrate ", c.Bitrate)}, {c.Mixed, "--mixed"},
		{c.Bad != "0%", fmt.Sprintf("--bad %s --bad-kind %s", c.Bad, c.BadKind)}, {c.LoseParents > 0, fmt.Sprint("--lose-parents ", c.LoseParents)},
		{c.Known, "--known"}, {c.SwarmOnly, "--swarm-only"},
	} {
		if f.set {
			s += " " + f.text
		}
	}
	return s
}
