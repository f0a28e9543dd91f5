package stack

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"golang.org/x/sync/errgroup"

	"starling/cmd/starling/demo"
	"starling/edge"
	"starling/internal/admin"
	"starling/internal/config"
	"starling/internal/httpserver"
	"starling/internal/relay"
	"starling/tracker"
)

// buildRelayServer offers the origin's streams; on an edge on its own, those
// that come from upstream.
func (s *Stack) buildRelayServer() (runner, error) {
	name, dir := s.relayName(Origin), s.published
	cfg := relay.ServerConfig{Addr: s.cfg.Addr(s.cfg.Relay.Listen), Node: name}
	if s.opt.Role == Edge {
		cfg.Node, cfg.Upstream, dir = s.name, s.client, s.served
	}
	id, err := relayIdentity(s.cfg, cfg.Node)
	if err != nil {
		return nil, err
	}
	cfg.TLS = id.ServerTLS()
	r, err := relay.NewServer(cfg, dir, s.log, s.reg)
	s.relay = r
	return r, err
}

func (s *Stack) buildRelayClient() (runner, error) {
	cfg := relay.ClientConfig{Upstreams: s.cfg.Relay.Upstreams, Node: s.relayName(Edge)}
	if s.opt.Role == Up {
		cfg.Upstreams = []string{Dialable(s.Addresses().Relay)}
	}
	id, err := relayIdentity(s.cfg, cfg.Node)
	if err != nil {
		return nil, err
	}
	cfg.TLS = id.ClientTLS()
	s.client, err = relay.NewClient(cfg, s.served, s.log, s.reg)
	return s.client, err
}

// relayName is the node's name on the relay. With origin and edge in one
// process it is two nodes there.
func (s *Stack) relayName(side Role) string {
	if s.opt.Role == Up {
		return s.name + "-" + string(side)
	}
	return s.name
}

func (s *Stack) buildSTUN() (runner, error) {
	s.stun = tracker.NewSTUN(tracker.STUNConfig{Addr: s.cfg.Addr(s.cfg.STUN.Listen)}, s.log.With("role", "stun"), s.reg)
	return s.stun, nil
}

// makeTracker makes the tracker for a front door; it answers once it runs.
func (s *Stack) makeTracker() (http.Handler, error) {
	cfg := tracker.Config{STUN: s.cfg.STUN.Announce}
	if _, port, err := net.SplitHostPort(s.Addresses().STUN); err == nil {
		if cfg.STUNPort, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("port of STUN: %w", err)
		}
	}
	var err error
	if cfg.TrustedProxies, err = s.cfg.Tracker.Proxies(); err != nil {
		return nil, fmt.Errorf("tracker.trusted_proxies: %w", err)
	}
	if file := s.cfg.Tracker.NetworksFile; file != "" {
		if cfg.Networks, err = tracker.LoadNetworks(file); err != nil {
			return nil, fmt.Errorf("tracker.networks_file: %w", err)
		}
	}
	if s.tracker, err = tracker.New(cfg, tracker.Directory(s.served), s.log.With("role", "tracker"), s.reg); err != nil {
		return nil, err
	}
	return s.tracker.Handler(), nil
}

// buildTracker comes after its front door, so that at the end viewers get its
// farewell through it.
func (s *Stack) buildTracker() (runner, error) { return s.tracker, nil }

// buildTrackerListener is the tracker's own front door, when there is no edge
// in this process to share.
func (s *Stack) buildTrackerListener() (runner, error) {
	addrs, err := config.Addrs(s.cfg.Bind, s.cfg.Tracker.Listen)
	if err != nil {
		return nil, fmt.Errorf("tracker.listen: %w", err)
	}
	handler, err := s.makeTracker()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	limit := &httpserver.AddressLimit{Max: s.cfg.Tracker.SocketsPerAddress}
	mux.Handle("/tracker", limit.Handler(handler))
	s.trackerHTTP = &httpserver.Server{Addrs: addrs, Handler: mux, Log: s.log}
	return s.trackerHTTP, nil
}

func (s *Stack) buildEdge() (runner, error) {
	cfg := edge.Config{
		Addr: listenOrOff(s.cfg, s.cfg.Edge.Listen), TLSAddr: listenOrOff(s.cfg, s.cfg.Edge.TLSListen),
		Assets: s.opt.Assets, TrackerURL: s.cfg.Edge.TrackerURL, SocketsPerAddress: s.cfg.Edge.SocketsPerAddress,
	}
	if cfg.SocketsPerAddress == 0 {
		cfg.SocketsPerAddress = -1 // none; the edge's own zero is its default
	}
	if s.opt.Role == Up {
		var err error
		if cfg.Tracker, err = s.makeTracker(); err != nil {
			return nil, err
		}
	}
	if s.cfg.Edge.TLSListen != config.Off {
		var err error
		if cfg.TLS, err = publicTLS(s.cfg); err != nil {
			return nil, err
		}
	}
	e, err := edge.New(cfg, s.served, s.client, s.log.With("role", "edge"), s.reg)
	if err != nil {
		return nil, err
	}
	s.edge = e
	return &withLoopbacks{e, s, cfg}, nil
}

func listenOrOff(c *config.Config, listen string) string {
	if listen == config.Off {
		return edge.Off
	}
	return c.Addr(listen)
}

// withLoopbacks serves the edge on further addresses of its listeners, too:
// for localhost that is [::1], which browsers try first.
type withLoopbacks struct {
	*edge.Server
	s   *Stack
	cfg edge.Config
}

func (w *withLoopbacks) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.Server.Run(ctx) })
	for _, l := range []struct {
		listen string
		tls    *tls.Config
	}{{w.s.cfg.Edge.Listen, nil}, {w.s.cfg.Edge.TLSListen, w.cfg.TLS}} {
		addrs, err := config.Addrs(w.s.cfg.Bind, l.listen)
		if err != nil || len(addrs) < 2 {
			continue
		}
		more := &httpserver.Server{Addrs: addrs[1:], Optional: true, Handler: w.Server.Handler(), TLS: l.tls, ConnContext: edge.ConnContext, Log: w.s.log}
		g.Go(func() error { return more.Run(ctx) })
	}
	return g.Wait()
}

func (s *Stack) buildAdmin() (runner, error) {
	addrs, err := s.cfg.AdminAddrs()
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w", err)
	}
	cfg := admin.Config{
		Addrs: addrs, Hosts: s.cfg.Admin.Hosts,
		Node: s.name, Role: string(s.opt.Role), Build: s.opt.Build, Ready: s.ready,
		Addresses: func() map[string]string { return s.Addresses().Map() },
		Assets:    s.opt.Assets, Registry: s.reg,
	}
	// A nil pointer in an interface is not a nil interface.
	var t admin.Tracker
	if s.tracker != nil {
		t = s.tracker
	}
	var e admin.Edge
	if s.edge != nil {
		e = s.edge
	}
	dir := s.served
	if s.opt.Role == Origin {
		dir = s.published
	}
	s.admin, err = admin.New(cfg, dir, t, e, s.log.With("role", "admin"))
	return s.admin, err
}

func (s *Stack) buildDemo() (runner, error) {
	d := s.cfg.Demo
	return demo.New(demo.Config{
		FFmpeg: s.cfg.Origin.FFmpeg, URL: "rtmp://" + Dialable(s.Addresses().RTMP) + "/" + d.Stream,
		Size: d.Size, FrameRate: d.FrameRate, Bitrate: d.Bitrate, KeyFrames: s.cfg.Origin.SegmentDuration,
	}, s.log), nil
}
