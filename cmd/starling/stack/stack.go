// Package stack puts a node together: it makes the roles that a command asks
// for, connects them, starts them in order and stops them in reverse.
package stack

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"starling/edge"
	"starling/internal/admin"
	"starling/internal/config"
	"starling/internal/httpserver"
	"starling/internal/media"
	"starling/internal/relay"
	"starling/internal/store"
	"starling/internal/telemetry"
	"starling/origin"
	"starling/tracker"
)

// Role is what a node does.
type Role string

// The roles. Up is all the others in one process.
const (
	Up      Role = "up"
	Origin  Role = "origin"
	Edge    Role = "edge"
	Tracker Role = "tracker"
)

// stopGrace bounds the stop of one part of a node. The longest is the edge,
// which lets parts in flight arrive.
const stopGrace = 10 * time.Second

// Options say what to put together.
type Options struct {
	Config *config.Config
	Role   Role
	Demo   bool  // publish the test broadcast; only with Up
	Assets fs.FS // the browser client; nil: no pages
	Build  telemetry.Build
	Log    *slog.Logger
}

// Stack is a node. Make one with New and Run it once.
type Stack struct {
	opt  Options
	cfg  *config.Config
	log  *slog.Logger
	name string
	reg  *prometheus.Registry

	// A node that has an origin and an edge keeps two stores, with the relay
	// between them: so one process works exactly as three do.
	published *store.Directory // written by the origin
	served    *store.Directory // written by the relay client

	origin  *origin.Server
	relay   *relay.Server
	client  *relay.Client
	tracker *tracker.Tracker
	edge    *edge.Server
	stun    *tracker.STUN
	admin   *admin.Server

	trackerHTTP *httpserver.Server

	ready     chan struct{}
	mu        sync.Mutex
	addresses Addresses
}

// New checks the options and prepares the node; it opens nothing yet.
func New(opt Options) (*Stack, error) {
	if opt.Demo && opt.Role != Up {
		return nil, fmt.Errorf("the test broadcast needs an origin and an edge in one process: use starling up --demo")
	}
	if (opt.Role == Edge || opt.Role == Tracker) && len(opt.Config.Relay.Upstreams) == 0 {
		return nil, fmt.Errorf("relay.upstreams is empty: name the origin to get streams from, for example --set relay.upstreams=127.0.0.1:4443")
	}
	name := nodeName(opt.Config, opt.Role)
	return &Stack{
		opt: opt, cfg: opt.Config, log: opt.Log, name: name,
		reg:       telemetry.NewRegistry(opt.Build, string(opt.Role)),
		published: &store.Directory{}, served: &store.Directory{},
		ready: make(chan struct{}),
	}, nil
}

// Run starts the node and returns after it has stopped: nil when ctx ended it.
func (s *Stack) Run(ctx context.Context) error {
	seq := &sequence{components: s.components(), grace: stopGrace, log: s.log}
	err := seq.run(ctx, func() { close(s.ready) })
	return explain(err, s.listeners())
}

// Ready is closed when every part of the node is ready.
func (s *Stack) Ready() <-chan struct{} { return s.ready }

// Addresses tells where the node's parts that are up listen.
func (s *Stack) Addresses() Addresses {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addresses
}

// Live waits until the stream can be watched.
func (s *Stack) Live(ctx context.Context, id media.StreamID) error {
	if s.opt.Role == Up {
		// The edge takes media only when somebody watches, so what is there
		// is asked of the origin.
		if err := waitStream(ctx, s.published, id, hasMedia); err != nil {
			return err
		}
	}
	return waitStream(ctx, s.served, id, func(*store.Stream) bool { return true })
}

// components lists the parts of this node's role in the order of their start.
func (s *Stack) components() []component {
	var (
		origin      = component{"origin", s.buildOrigin, func() { s.note(&s.addresses.RTMP, s.origin.Addr()) }}
		relayServer = component{"relay server", s.buildRelayServer, func() { s.note(&s.addresses.Relay, s.relay.Addr()) }}
		relayClient = component{"relay client", s.buildRelayClient, nil}
		stun        = component{"STUN", s.buildSTUN, func() { s.note(&s.addresses.STUN, s.stun.Addr()) }}
		arranger    = component{"tracker", s.buildTracker, nil}
		trackerHTTP = component{"tracker listener", s.buildTrackerListener, func() { s.note(&s.addresses.Tracker, s.trackerHTTP.Addr()) }}
		viewers     = component{"edge", s.buildEdge, func() {
			s.note(&s.addresses.HTTP, s.edge.Addr())
			s.note(&s.addresses.HTTPS, s.edge.TLSAddr())
		}}
	)
	var parts []component
	switch s.opt.Role {
	case Up:
		parts = []component{origin, relayServer, relayClient, stun, viewers, arranger}
	case Origin:
		parts = []component{origin, relayServer}
	case Edge:
		parts = []component{relayClient, viewers}
		if s.cfg.Relay.Forward {
			parts = append(parts, relayServer)
		}
	case Tracker:
		parts = []component{relayClient, stun, trackerHTTP, arranger}
	}
	if s.cfg.STUN.Listen == config.Off {
		parts = slices.DeleteFunc(parts, func(c component) bool { return c.name == stun.name })
	}
	if s.cfg.Admin.Listen != config.Off {
		parts = append(parts, component{"admin", s.buildAdmin, func() { s.note(&s.addresses.Admin, s.admin.Addr()) }})
	}
	if s.opt.Demo {
		parts = append(parts, component{"demo", s.buildDemo, nil})
	}
	return parts
}

// note keeps the address of a part that listens.
func (s *Stack) note(at *string, a net.Addr) {
	if a == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*at = a.String()
}

// listeners pairs the configured addresses with their keys, for explain.
func (s *Stack) listeners() []listener {
	c := s.cfg
	var out []listener
	for _, l := range []listener{
		{"origin.rtmp_listen", c.Origin.RTMPListen}, {"relay.listen", c.Relay.Listen},
		{"edge.listen", c.Edge.Listen}, {"edge.tls_listen", c.Edge.TLSListen},
		{"tracker.listen", c.Tracker.Listen}, {"stun.listen", c.STUN.Listen}, {"admin.listen", c.Admin.Listen},
	} {
		if addr := c.Addr(l.addr); addr != "" {
			out = append(out, listener{l.key, addr})
		}
	}
	return out
}

func hasMedia(st *store.Stream) bool {
	info := st.Info()
	for i := range info.Tracks {
		t, ok := st.Track(info.Tracks[i].Name)
		if !ok {
			return false
		}
		if _, ok := t.Snapshot().Last(); !ok {
			return false
		}
	}
	return len(info.Tracks) > 0
}

// poll is how often waitStream looks again; media has no event for it.
const poll = 50 * time.Millisecond

func waitStream(ctx context.Context, dir *store.Directory, id media.StreamID, good func(*store.Stream) bool) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if st, ok := dir.Get(id); ok && !st.Info().Ended && good(st) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
