// Package simulation lets swarms of up to hundreds of thousands of viewers
// watch a stream in virtual time. Overlay (internal/swarm) and viewers
// (internal/peerstate) are the code that runs in production; the shell around
// them and the network are models, see docs/simulation.md. Cells are
// independent of each other, so each is simulated by itself. The same options
// give the same result to the last bit.
package simulation

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"starling/bench/profile"
	"starling/internal/peerstate"
	"starling/internal/swarm"
)

// Behaviour is how a bad viewer treats what it passes on.
type Behaviour uint8

// The behaviours, as internal/peer has them.
const (
	Honest       Behaviour = iota
	Alter                  // changes a byte of every chunk that it passes on
	Withhold               // takes children and answers no request, and sends nothing
	WithholdSome           // leaves out three chunks in ten
	Lie                    // announces every part with its header, sends nothing it is asked for
	Slow                   // sends everything slowDelay late
)

// slowDelay is internal/peer's, µs.
const slowDelay = 800_000

var behaviours = []string{"honest", "alter", "withhold", "withhold-some", "lie", "slow"}

// ParseBehaviour gives the behaviour of a name.
func ParseBehaviour(name string) (Behaviour, error) {
	if i := slices.Index(behaviours, name); i >= 0 {
		return Behaviour(i), nil
	}
	return Honest, fmt.Errorf("behaviour %q: want one of %s", name, strings.Join(behaviours, ", "))
}

// Slump lowers all uplinks for a while: the network's, not what viewers
// believe to have.
type Slump struct {
	At, For time.Duration // from the end of the warm-up
	Factor  float64       // of the line, such as 0.5; 0: no slump
}

// Options configures Run. The zero value of a field is its default.
type Options struct {
	// Profile of the network and audience; default the reference network.
	Profile profile.Profile
	// Viewers who are there at a time; default 1,000.
	Viewers int
	// Duration measured; default 60 s.
	Duration time.Duration
	// Warmup from the last first arrival to the measurement; default 15 s.
	Warmup time.Duration
	// Ramp is the time over which the first viewers come when the profile says
	// nothing of it; default 100 ms for each viewer of a cell, at most 20 s.
	Ramp time.Duration
	// Seed of all that is drawn; default 1.
	Seed uint64
	// Bitrate of the video in bit/s; default 2,000,000. Audio of AudioBitrate,
	// default 128,000, comes on top.
	Bitrate, AudioBitrate int
	// Keyframe is how much larger a segment's first part is than the others;
	// default 3, as ladders encode a moving picture with a bounded peak.
	Keyframe float64
	// Headroom is the share of its line's uplink that a viewer may use if that is
	// known; default 0.8.
	Headroom float64
	// Part is the duration of a part, default 333 ms; a segment has SegmentParts,
	// default 6.
	Part         time.Duration
	SegmentParts int
	// Bad is the share of the viewers that do not behave as Badly says.
	Bad   float64
	Badly Behaviour
	// KnownUplink lets viewers offer Headroom of their line at once; else they
	// know nothing of it and measure (docs/uplink.md).
	KnownUplink bool
	// Silent is the share of departures without a goodbye.
	Silent float64
	// Slump of the uplinks.
	Slump Slump
	// HoldBack is how far behind the live edge playback starts; default 1.7 s, which
	// is about 2 s of latency.
	HoldBack time.Duration
	// EdgeOnly plays without a swarm.
	EdgeOnly bool
	// Rules of repair; zero fields are the defaults of docs/repair.md.
	Rules peerstate.Rules
	// Swarm bounds the overlay; MaxCell is the size of the cells.
	Swarm swarm.Config
	// Network holds the numbers of the network model.
	Network Network
	// Parallel is how many cells are simulated at once; default the number of
	// cores.
	Parallel int
	// Progress, when set, is called with the share that is done, from 0 to 1.
	Progress func(done float64)
}

func (o Options) withDefaults() (Options, error) {
	if o.Profile.Name == "" && len(o.Profile.Uplinks) == 0 {
		o.Profile = profile.All()[0]
	}
	set(&o.Viewers, 1000)
	set(&o.Duration, 60*time.Second)
	set(&o.Warmup, 15*time.Second)
	set(&o.Seed, 1)
	set(&o.Bitrate, 2_000_000)
	set(&o.AudioBitrate, 128_000)
	set(&o.Keyframe, 3)
	set(&o.Headroom, 0.8)
	set(&o.Part, time.Second/3)
	set(&o.SegmentParts, 6)
	set(&o.HoldBack, 1700*time.Millisecond)
	set(&o.Parallel, runtime.GOMAXPROCS(0))
	o.Swarm = swarm.New(o.Swarm).Config()
	if o.Bad > 0 && o.Badly == Honest {
		o.Badly = Alter
	}
	o.Network = o.Network.withDefaults()
	switch {
	case o.Viewers < 0 || o.Viewers > 10_000_000:
		return o, fmt.Errorf("simulation: %d viewers: want 1 to 10,000,000", o.Viewers)
	case o.Bad < 0 || o.Bad >= 1 || o.Silent < 0 || o.Silent > 1:
		return o, fmt.Errorf("simulation: shares of bad viewers and of silent departures are from 0 to 1")
	case o.Part < 50*time.Millisecond || o.Duration < time.Second:
		return o, fmt.Errorf("simulation: parts of %s for %s: want at least 50ms and 1s", o.Part, o.Duration)
	case o.Slump.Factor < 0:
		return o, fmt.Errorf("simulation: a slump to %v of the uplink", o.Slump.Factor)
	}
	return o, nil
}

func set[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// ramp is how long the first viewers of a cell take to come.
func (o *Options) ramp(n int) time.Duration {
	a := o.Profile.Arrival
	if a.Crowd > 0 || a.Within > 0 {
		return a.CrowdWithin + a.Within
	}
	if o.Ramp > 0 {
		return o.Ramp
	}
	return min(time.Duration(n)*100*time.Millisecond, 20*time.Second)
}

// Network holds what the network model assumes beyond the profile. The zero
// value of a field is its default.
type Network struct {
	// SetupEdge is how many round trips a new connection to the edge or the
	// tracker takes: TCP, TLS and the upgrade to WebSocket; default 3.
	SetupEdge float64
	// SetupPeer is how many a peer connection takes once both descriptions are
	// there: ICE 2 and DTLS 2 (without the cookie), while SCTP's INIT goes with the
	// descriptions; default 4.
	SetupPeer float64
	// Queue is how long a packet may wait for the uplink before it is dropped;
	// default 200 ms, as bench/network has it.
	Queue time.Duration
	// Packaging is from the end of a part's media to the edge having all of
	// it; default 10 ms.
	Packaging time.Duration
}

func (n Network) withDefaults() Network {
	set(&n.SetupEdge, 3)
	set(&n.SetupPeer, 4)
	set(&n.Queue, 200*time.Millisecond)
	set(&n.Packaging, 10*time.Millisecond)
	return n
}
