// Package bench measures running servers with headless peers.
package bench

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// SwarmOptions configures Swarm. The zero value of a field is its default.
type SwarmOptions struct {
	// URL of the stream: http(s)://HOST/watch/APP/NAME.
	URL string
	// Admin is the base URL of the edge's admin listener, such as
	// http://127.0.0.1:9090, whose count of the bytes that left the edge is
	// then reported beside the viewers' own.
	Admin string
	// EdgeBytes, when set, is asked instead of Admin: the media bytes that
	// have left the edge since it started. For a stack in the same process.
	EdgeBytes func() (uint64, error)
	// Peers is the number of honest viewers; default 10.
	Peers int
	// Liars is the number of viewers that alter what they pass on.
	Liars int
	// Duration of the measurement, after Warmup; default 30 s.
	Duration time.Duration
	// Warmup is from the last viewer's start to the measurement; default 5 s.
	Warmup time.Duration
	// Ramp is the time over which the viewers come; default 100 ms each.
	Ramp time.Duration
	// Uplink of every viewer in bit/s; 0 means the peer's default and a
	// negative value none. Ignored with Reference.
	Uplink int
	// Reference draws uplinks as the reference network has them: 20 % none,
	// 30 % 2, 30 % 5 and 20 % 20 Mbit/s.
	Reference bool
	// Seed of what is drawn; default 1.
	Seed uint64
	// Tracks to play; default the best video and the first audio.
	Tracks []string
	// EdgeOnly measures the edge without a swarm.
	EdgeOnly bool
	// InsecureTLS accepts any certificate.
	InsecureTLS bool
	// Remote is for an edge on another machine: peers then connect over all
	// interfaces, with a socket for each connection, and not over loopback with
	// one for each peer.
	Remote bool
	// Log defaults to one that says only errors.
	Log *slog.Logger
}

func (o SwarmOptions) withDefaults() (SwarmOptions, error) {
	if o.URL == "" {
		return o, fmt.Errorf("swarm benchmark: no stream address; want http(s)://HOST/watch/APP/NAME")
	}
	if o.Peers == 0 {
		o.Peers = 10
	}
	if o.Peers < 0 || o.Liars < 0 || o.Peers+o.Liars > 1000 {
		return o, fmt.Errorf("swarm benchmark: %d viewers and %d liars: want 1 to 1000 in one process", o.Peers, o.Liars)
	}
	if o.Duration <= 0 {
		o.Duration = 30 * time.Second
	}
	if o.Warmup <= 0 {
		o.Warmup = 5 * time.Second
	}
	if o.Ramp <= 0 {
		o.Ramp = time.Duration(o.Peers+o.Liars) * 100 * time.Millisecond
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// uplinks draws the uplink of each viewer. Liars get plenty, so that they are
// chosen as parents and do harm if they can.
func (o *SwarmOptions) uplinks() []int {
	out := make([]int, 0, o.Peers+o.Liars)
	rng := rand.New(rand.NewPCG(o.Seed, 0))
	for range o.Peers {
		if !o.Reference {
			out = append(out, o.Uplink)
			continue
		}
		switch d := rng.IntN(10); {
		case d < 2:
			out = append(out, -1)
		case d < 5:
			out = append(out, 2_000_000)
		case d < 8:
			out = append(out, 5_000_000)
		default:
			out = append(out, 20_000_000)
		}
	}
	for range o.Liars {
		out = append(out, 20_000_000)
	}
	return out
}
