// Package audience plays one audience of headless viewers, with their lines,
// arrivals and departures as bench/profile draws them, and measures how each
// of them and all together did. It knows neither the edge nor the network:
// both are behind World. Time is package time's, so that it runs in real time
// and in a bubble of testing/synctest alike.
package audience

import (
	"fmt"
	"log/slog"
	"time"

	"starling/bench/profile"
	"starling/internal/media"
	"starling/internal/peer"
)

// World is where the viewers watch.
type World interface {
	// Enter gives a viewer its place in the network.
	Enter(v *profile.Viewer) (Line, error)
	// EdgeBytes counts the media payload that has left the edge.
	EdgeBytes() uint64
	// Banned counts the viewers that the tracker has banned.
	Banned() int
	// Genuine reports whether data is what was published as that part.
	Genuine(track string, id media.PartID, data []byte) bool
}

// Line is a viewer's place in the network.
type Line interface {
	// Host is what the viewer's peer connects through.
	Host() *peer.Host
	// Cut makes the line swallow everything both ways from now on: the viewer
	// is gone without a word.
	Cut()
	// Close gives the place back after the viewer's peer has ended.
	Close()
}

// Options configures Run. The zero value of a field is its default.
type Options struct {
	World World
	// URL of the stream as viewers reach the edge.
	URL string
	// Profile and Seed draw the viewers; N is how many there are at a time.
	Profile profile.Profile
	Seed    uint64
	N       int
	// Warmup passes between the last of the first viewers and the measurement;
	// default 10 s.
	Warmup time.Duration
	// Duration of the measurement; default 60 s.
	Duration time.Duration
	// HoldBack is peer.Config.HoldBack of every viewer.
	HoldBack time.Duration
	// EdgeOnly lets everybody play from the edge alone.
	EdgeOnly bool
	// Rungs lists video tracks over which viewers are spread evenly; all play
	// the first one when there is only one.
	Rungs []string
	// Audio is the audio track.
	Audio string
	// Bitrate of each track in bit/s, for the bound.
	Bitrate map[string]int
	// Headroom is the share of its uplink that a viewer uses with Known; default
	// 0.8.
	Headroom float64
	// Known tells every viewer what its line carries, of which it uses
	// Headroom; by default those that may upload find it out by themselves.
	Known bool
	// Bad is the share of the viewers that misbehave as Behaviour says.
	Bad       float64
	Behaviour peer.Behaviour
	// LoseParents is how many viewers that others depend on vanish without a
	// word during the measurement, at even distances, each replaced at once.
	LoseParents int
	// Progress, when set, is called every second of the run.
	Progress func(Progress)
	Log      *slog.Logger
}

// Progress is how a run stands.
type Progress struct {
	At, Of  time.Duration // since the start, and in all
	Viewers int
	// Offload over the last five seconds, by the edge's count.
	Offload float64
	Stalls  uint64 // so far
	// Measuring says that the warm-up is over.
	Measuring bool
}

func (o Options) withDefaults() (Options, error) {
	if o.N < 1 || o.N > 2000 {
		return o, fmt.Errorf("%d viewers: want 1 to 2000 in one process", o.N)
	}
	if len(o.Rungs) == 0 {
		return o, fmt.Errorf("no video track to play")
	}
	if o.Bad < 0 || o.Bad > 0.9 {
		return o, fmt.Errorf("%.0f %% of the viewers misbehave: want 0 to 90 %%", 100*o.Bad)
	}
	if o.Bad > 0 && o.Behaviour == peer.Honest {
		return o, fmt.Errorf("how the bad viewers behave is missing")
	}
	if o.Warmup <= 0 {
		o.Warmup = 10 * time.Second
	}
	if o.Duration <= 0 {
		o.Duration = time.Minute
	}
	if o.Headroom <= 0 {
		o.Headroom = 0.8
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// plan is the course of a run, in offsets from its start.
type plan struct {
	viewers  []profile.Viewer
	from, to time.Duration // of the measurement
}

func (o *Options) plan() plan {
	first := o.Profile.Audience(o.N, 0, o.Seed)
	from := (first[o.N-1].Join + o.Warmup).Truncate(time.Second) + time.Second
	to := from + o.Duration
	return plan{viewers: o.Profile.Audience(o.N, to, o.Seed), from: from, to: to}
}

// measuredLimit is the most that a viewer uploads that knows nothing of its
// line, bit/s: more than any line of a profile carries, so that the line and
// not the setting bounds it.
const measuredLimit = 200_000_000

// uplink sets what a viewer may upload and what it knows of its line.
func (o *Options) uplink(cfg *peer.Config, v *profile.Viewer) {
	switch {
	case !v.MayUpload:
		cfg.Uplink = -1
	case o.Known:
		cfg.Uplink = int(float64(v.Uplink) * o.Headroom)
		cfg.UplinkStart = cfg.Uplink
	default:
		cfg.Uplink = measuredLimit
	}
}
