// Package lab lets an audience of headless viewers watch a broadcast over a
// model of the internet. Everything but the network, the encoder and the clock
// is the real thing: the packager and its signatures, the edge, the tracker,
// ICE, DTLS and SCTP, and the viewers' policy. docs/lab.md says what is modelled
// and what is not.
package lab

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"starling/bench"
	"starling/bench/audience"
	"starling/bench/profile"
	"starling/bench/report"
	"starling/bench/virtual"
	"starling/internal/peer"
)

// Config configures Run. The zero value of a field is its default.
type Config struct {
	// Profile draws the network and the audience.
	Profile profile.Profile
	// N viewers at a time; default 10.
	N int
	// Duration of the measurement; default 60 s. Warmup before it, from the last
	// of the first viewers; default 10 s.
	Duration, Warmup time.Duration
	Seed             uint64
	// RealTime runs on the machine's clock instead of a virtual one.
	RealTime bool
	// Latency is how far behind live viewers are to be; default 2 s, in the
	// profile lan 1.2 s.
	Latency time.Duration
	// Bitrate of the best video track; default 2 Mbit/s.
	Bitrate int
	// Mixed spreads the viewers over a ladder of three rungs, and adds the same
	// audience on one rung to the comparison.
	Mixed bool
	// Bad is the share of the viewers that behave as Behaviour says.
	Bad       float64
	Behaviour peer.Behaviour
	// LoseParents is how many parents vanish during the measurement.
	LoseParents int
	// Known tells viewers what their line carries, of which they use four
	// fifths; by default they find it out by themselves.
	Known bool
	// SwarmOnly leaves the comparison out.
	SwarmOnly bool
	// Progress, when set, is called for every second of each run.
	Progress func(run string, p audience.Progress)
	Log      *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.N == 0 {
		c.N = 10
	}
	if c.Duration <= 0 {
		c.Duration = time.Minute
	}
	if c.Warmup <= 0 {
		c.Warmup = 10 * time.Second
	}
	if c.Seed == 0 {
		c.Seed = 1
	}
	if c.Latency <= 0 {
		c.Latency = 2 * time.Second
		if c.Profile.Name == "lan" {
			c.Latency = 1200 * time.Millisecond
		}
	}
	if c.Bitrate == 0 {
		c.Bitrate = 2_000_000
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// startLag is what a viewer is further behind than its hold-back: it starts in
// the middle of a part, and when the first parts have come.
const startLag = 300 * time.Millisecond

// alternative is one way in which the audience watches.
type alternative struct {
	name     string
	role     report.Role
	about    string
	edgeOnly bool
	mixed    bool
	swarm    bool // adversaries and losses as configured
}

func (c *Config) alternatives() []alternative {
	out := []alternative{{name: "swarm", role: report.Swarm, mixed: c.Mixed, swarm: true}}
	if c.SwarmOnly {
		return out
	}
	if c.Mixed {
		out[0].about = "viewers spread over three rungs"
		out = append(out, alternative{name: "one rung", role: report.Other, swarm: true, about: "the same audience, all on the best rung"})
	}
	return append(out, alternative{name: "edge only", role: report.EdgeOnly, edgeOnly: true, mixed: c.Mixed,
		about: "the same audience, each fed by the edge alone, without tracker and peers"})
}

// Run measures the audience with a swarm and without. When ctx ends early the
// receipt has what there was until then, and the error says so.
func Run(ctx context.Context, cfg Config) (report.Receipt, error) {
	cfg = cfg.withDefaults()
	r := report.Receipt{Kind: report.Virtual, Title: fmt.Sprintf("Swarm of %d viewers, %s", cfg.N, cfg.Profile.Name), Time: time.Now().UTC(), Machine: report.ThisMachine(),
		Profile: cfg.Profile.Name, Seed: cfg.Seed, Viewers: cfg.N, Seconds: cfg.Duration.Seconds(), Warmup: cfg.Warmup.Seconds(),
		PartMS: float64(framesOfPart) * 1000 / frameRate, Settings: cfg.settings(), Notes: []string{cfg.Profile.About}}
	if cfg.RealTime {
		r.Kind = report.Live
	}
	for _, a := range cfg.alternatives() {
		res, err := cfg.measure(ctx, a)
		if len(res.Figures) > 0 {
			r.Results = append(r.Results, res)
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return r, nil
}

func (c *Config) settings() map[string]string {
	s := map[string]string{"latency": fmt.Sprintf("%.1f s", c.Latency.Seconds()), "bitrate": fmt.Sprintf("%.1f Mbit/s and %d kbit/s of audio", float64(c.Bitrate)/1e6, audioBitrate/1000)}
	if c.Mixed {
		s["rungs"] = "3, viewers spread evenly"
	}
	if c.Bad > 0 {
		s["bad viewers"] = fmt.Sprintf("%.0f %%", 100*c.Bad)
	}
	if c.LoseParents > 0 {
		s["parents lost"] = fmt.Sprint(c.LoseParents)
	}
	s["uplinks"] = "measured by viewers"
	if c.Known {
		s["uplinks"] = "known to viewers, four fifths used"
	}
	return s
}

// measure runs one alternative.
func (c *Config) measure(ctx context.Context, a alternative) (res report.Result, err error) {
	began, cpu := time.Now(), bench.CPUSeconds()
	if c.RealTime {
		res, err = c.play(ctx, a)
	} else if e := virtual.Run(ctx, func(ctx context.Context) error {
		var e error
		res, e = c.play(ctx, a)
		return e
	}); e != nil {
		err = e
	}
	if len(res.Figures) == 0 {
		return res, err
	}
	res.Name, res.Role, res.About = a.name, a.role, a.about
	took := time.Since(began)
	cpu = bench.CPUSeconds() - cpu
	if c.RealTime { // viewers, network, edge and tracker share one process
		res.Set(report.CPU, cpu/took.Seconds()/float64(c.N))
		var ms runtime.MemStats
		runtime.ReadMemStats(&ms)
		res.Set(report.Memory, float64(ms.Sys-ms.HeapReleased)/1e6/float64(c.N))
	}
	res.Set("wallSeconds", took.Seconds())
	res.Set("cpuSeconds", cpu)
	return res, err
}

// play builds a world, lets the audience watch in it, and takes it down.
func (c *Config) play(ctx context.Context, a alternative) (report.Result, error) {
	rungs := Rungs(1, c.Bitrate)
	if c.Mixed {
		rungs = Rungs(3, c.Bitrate)
	}
	w, err := newWorld(ctx, c.Profile, rungs, c.Seed, c.Log)
	if err != nil {
		return report.Result{}, err
	}
	o := audience.Options{World: w, URL: w.url(), Profile: c.Profile, Seed: c.Seed, N: c.N, Warmup: c.Warmup, Duration: c.Duration, HoldBack: max(c.Latency-startLag, 1),
		EdgeOnly: a.edgeOnly, Audio: audioTrack, Bitrate: map[string]int{audioTrack: audioBitrate}, Known: c.Known, Log: c.Log}
	for _, r := range rungs {
		o.Bitrate[r.Name] = r.Bitrate
		if a.mixed || len(o.Rungs) == 0 {
			o.Rungs = append(o.Rungs, r.Name)
		}
	}
	if a.swarm {
		o.Bad, o.Behaviour, o.LoseParents = c.Bad, c.Behaviour, c.LoseParents
	}
	if c.Progress != nil {
		o.Progress = func(p audience.Progress) { c.Progress(a.name, p) }
	}
	res, err := audience.Run(ctx, o)
	if e := w.close(); err == nil {
		err = e
	}
	return res, err
}
