package tracker

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"starling/internal/media"
	"starling/internal/store"
	"starling/internal/swarm"
)

// Config configures a Tracker. The zero value of a field is its default.
type Config struct {
	// Swarm bounds the overlay.
	Swarm swarm.Config
	// STUN are the addresses that viewers are given, such as
	// "stun:stun.example.org:3478". Empty: the host by which the viewer reached
	// the tracker, with STUNPort.
	STUN []string
	// STUNPort is the UDP port of this node's STUN server; 0: it has none, and
	// viewers get only what STUN lists.
	STUNPort int
	// Networks tells the tracker where viewers are; nil: it knows only who shares
	// a line.
	Networks *Networks
	// TrustedProxies may say by X-Forwarded-For whom they speak for.
	TrustedProxies []netip.Prefix
	// EdgeOnly tells every viewer to play from the edge; beacons still count.
	EdgeOnly bool
	// MaxViewers bounds open connections: default 60,000, which is about 2 GiB.
	MaxViewers int
	// Beacon is the interval of beacons: default 2 s. A viewer is gone after
	// three without a message.
	Beacon time.Duration
	// Coalesce is how long changes are collected before assignments go out:
	// default 20 ms, so that a crowd that comes at once is told once.
	Coalesce time.Duration
	// MessageRate bounds a viewer's messages a second: default 100.
	MessageRate int
	// WriteTimeout bounds one write to a viewer: default 10 s.
	WriteTimeout time.Duration
	// DrainTimeout bounds the farewell at the end of Run: default 6 s.
	DrainTimeout time.Duration
}

// silentBeacons is after how many intervals without a message a viewer is gone
// (docs/tracker.md rule 3).
const silentBeacons = 3

func (c Config) withDefaults() (Config, error) {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.Beacon, 2*time.Second)
	set(&c.Coalesce, 20*time.Millisecond)
	set(&c.WriteTimeout, 10*time.Second)
	set(&c.DrainTimeout, 6*time.Second)
	if c.MaxViewers <= 0 {
		c.MaxViewers = 60_000
	}
	if c.MessageRate <= 0 {
		c.MessageRate = 100
	}
	if c.Beacon < 100*time.Millisecond {
		return c, fmt.Errorf("tracker: a beacon every %s is too often, use 100ms or more", c.Beacon)
	}
	if c.STUNPort < 0 || c.STUNPort > 65535 {
		return c, fmt.Errorf("tracker: STUN port %d, use 1 to 65535, or 0 for none", c.STUNPort)
	}
	for _, u := range c.STUN {
		if !strings.HasPrefix(u, "stun:") && !strings.HasPrefix(u, "stuns:") {
			return c, fmt.Errorf("tracker: STUN address %q, write it as stun:HOST:PORT", u)
		}
	}
	return c, nil
}

// Catalogs is where the tracker learns of streams. Get gives the present
// catalog, which is immutable.
type Catalogs interface {
	Get(media.StreamID) (*media.StreamInfo, bool)
}

// Changer may be implemented by Catalogs: the channel is closed at the next
// change that may concern the stream. Without it, catalogs are looked at every
// half second.
type Changer interface {
	Changed(media.StreamID) <-chan struct{}
}

// Directory shows the tracker the streams of a store, with their changes.
func Directory(dir *store.Directory) Catalogs { return directory{dir} }

type directory struct{ dir *store.Directory }

// Get implements Catalogs.
func (d directory) Get(id media.StreamID) (*media.StreamInfo, bool) {
	s, ok := d.dir.Get(id)
	if !ok {
		return nil, false
	}
	return s.Info(), true
}

// Changed implements Changer.
func (d directory) Changed(id media.StreamID) <-chan struct{} {
	changed := d.dir.Changed()
	if s, ok := d.dir.Get(id); ok {
		return s.Changed()
	}
	return changed
}
