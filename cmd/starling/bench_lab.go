package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"time"

	"starling/bench/audience"
	"starling/bench/profile"
	"starling/bench/report"
	"starling/cmd/starling/lab"
	"starling/internal/config"
	"starling/internal/peer"
)

// labCmd measures an audience over a model of the internet.
type labCmd struct {
	drawn
	Peers       int           `short:"n" default:"10" help:"Viewers at a time. Default 10."`
	Duration    time.Duration `default:"60s" help:"How long to measure. Default 60s."`
	Warmup      time.Duration `default:"10s" help:"Pause before it, from the last of the first viewers. Default 10s."`
	RealTime    bool          `help:"Run on the machine's clock. Default: virtual time, which a busy machine does not disturb."`
	Latency     time.Duration `placeholder:"TIME" help:"How far behind live the viewers are to be. Default 2s, in the profile lan 1.2s."`
	Bitrate     int           `default:"2000000" placeholder:"BIT/S" help:"Of the best video track. Default 2000000."`
	Mixed       bool          `help:"Spread the viewers over a ladder of three rungs, and compare with all of them on one."`
	LoseParents int           `placeholder:"N" help:"Let N viewers that others depend on vanish without a word. Default none beyond the profile's churn."`
	SwarmOnly   bool          `help:"Leave out the same audience without a swarm."`
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
	if errors.Is(err, context.Canceled) && len(receipt.Results) > 0 {
		receipt.Notes = append(receipt.Notes, "interrupted: what there was until then")
		err = nil
	}
	if len(receipt.Results) == 0 {
		return err
	}
	return errors.Join(err, c.finish(e, c.command(), &receipt), report.Text(e.stdout, &receipt))
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

// command repeats the run.
func (c *labCmd) command() string {
	s := fmt.Sprintf("starling bench lab --profile %s -n %d --duration %s --warmup %s --seed %d", c.Profile, c.Peers, c.Duration, c.Warmup, c.Seed)
	return s + c.repeated(flag{c.RealTime, "--real-time"}, flag{c.Latency > 0, fmt.Sprint("--latency ", c.Latency)}, flag{c.Bitrate != 2_000_000, fmt.Sprint("--bitrate ", c.Bitrate)},
		flag{c.Mixed, "--mixed"}, flag{c.LoseParents > 0, fmt.Sprint("--lose-parents ", c.LoseParents)}, flag{c.SwarmOnly, "--swarm-only"})
}
