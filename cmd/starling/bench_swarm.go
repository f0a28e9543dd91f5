package main

import (
	"encoding/json"
	"fmt"
	"time"

	"starling/bench"
	"starling/bench/report"
	"starling/internal/config"
	"starling/internal/telemetry"
)

type swarmCmd struct {
	URL       string        `arg:"" optional:"" default:"http://127.0.0.1:8080/watch/live/demo" help:"The stream. Default: the test broadcast of starling up --demo."`
	Peers     int           `short:"n" default:"10" help:"Viewers. Default 10."`
	Liars     int           `default:"0" help:"Further viewers that alter what they pass on."`
	Duration  time.Duration `default:"30s" help:"How long to measure. Default 30s."`
	Warmup    time.Duration `default:"5s" help:"Pause before it. Default 5s."`
	Uplink    int           `default:"8000000" placeholder:"BIT/S" help:"What each may upload; 0: nothing. Default 8000000."`
	Reference bool          `help:"Draw the uplinks: 20 % none, 30 % 2, 30 % 5, 20 % 20 Mbit/s."`
	Seed      uint64        `default:"1" help:"Of what is drawn. Default 1."`
	Track     []string      `placeholder:"NAME" help:"A track to take; may be repeated. Default: the best video and the first audio."`
	EdgeOnly  bool          `help:"Without a swarm."`
	Admin     string        `placeholder:"URL" help:"The edge's admin listener, to set its count of bytes beside the viewers'. Default for an edge on this machine: http://127.0.0.1:9090; none: do not ask."`
	JSON      bool          `name:"json" help:"Report as JSON."`
	Out       string        `placeholder:"DIR" type:"path" help:"Write a receipt there as JSON, for starling bench report. Default: print only."`
	LogLevel  string        `enum:"debug,info,warn,error" default:"error" placeholder:"LEVEL" help:"How much to log: debug, info, warn or error. Default error."`
}

func (c *swarmCmd) Run(e *env) error {
	local, err := onThisMachine(c.URL)
	if err != nil {
		return usageError{err}
	}
	o := bench.SwarmOptions{
		URL: c.URL, Admin: c.Admin, Peers: c.Peers, Liars: c.Liars, Duration: c.Duration, Warmup: c.Warmup,
		Uplink: c.Uplink, Reference: c.Reference, Seed: c.Seed, Tracks: c.Track, EdgeOnly: c.EdgeOnly,
		InsecureTLS: local, Remote: !local, Log: newLogger(e.stderr, config.Log{Level: c.LogLevel}),
	}
	switch {
	case c.Admin == "none":
		o.Admin = ""
	case c.Admin == "" && local:
		o.Admin = "http://127.0.0.1:9090"
	}
	if o.Uplink == 0 {
		o.Uplink = -1
	}
	measured, err := bench.Swarm(e.ctx, o)
	if err != nil {
		return err
	}
	if c.Out != "" {
		receipt := measured.Receipt()
		receipt.Command, receipt.Version, receipt.Seed, receipt.Warmup = c.command(), fmt.Sprint(telemetry.BuildInfo()), c.Seed, c.Warmup.Seconds()
		path, err := report.WriteJSON(c.Out, &receipt)
		if err != nil {
			return err
		}
		fmt.Fprintln(e.stderr, "receipt:", path)
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(measured)
	}
	return measured.Write(e.stdout)
}

// command repeats the run.
func (c *swarmCmd) command() string {
	s := fmt.Sprintf("starling bench swarm %s -n %d --duration %s --warmup %s --uplink %d --seed %d", c.URL, c.Peers, c.Duration, c.Warmup, c.Uplink, c.Seed)
	if c.Liars > 0 {
		s += fmt.Sprint(" --liars ", c.Liars)
	}
	if c.Reference {
		s += " --reference"
	}
	for _, t := range c.Track {
		s += " --track " + t
	}
	if c.EdgeOnly {
		s += " --edge-only"
	}
	return s
}
