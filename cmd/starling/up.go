package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"golang.org/x/sync/errgroup"

	"starling/cmd/starling/stack"
	"starling/internal/config"
	"starling/internal/media"
	"starling/internal/telemetry"
	client "starling/peerjs-client"
)

type upCmd struct {
	settings
	Demo bool `help:"Publish a moving test picture with a clock and a tone as live/demo."`
}

func (c *upCmd) Run(e *env) error {
	return runNode(e, &c.settings, stack.Up, c.Demo)
}

type originCmd struct{ settings }

func (c *originCmd) Run(e *env) error { return runNode(e, &c.settings, stack.Origin, false) }

type edgeCmd struct{ settings }

func (c *edgeCmd) Run(e *env) error { return runNode(e, &c.settings, stack.Edge, false) }

type trackerCmd struct{ settings }

func (c *trackerCmd) Run(e *env) error { return runNode(e, &c.settings, stack.Tracker, false) }

// runNode runs a role until a signal, and says where it is once it is there.
func runNode(e *env, flags *settings, role stack.Role, demo bool) error {
	base := config.Default()
	if demo {
		// A first run shows its addresses; what follows only matters if it fails.
		base.Log.Level = "warn"
	}
	cfg, log, err := flags.load(e, base)
	if err != nil {
		return err
	}
	assets, err := client.Assets()
	if err != nil {
		// Streams work without it; only the pages are missing.
		log.Warn("no player and dashboard pages", "err", err)
	}
	s, err := stack.New(stack.Options{Config: cfg, Role: role, Demo: demo, Assets: assets, Build: telemetry.BuildInfo(), Log: log})
	if err != nil {
		return usageError{err}
	}
	g, ctx := errgroup.WithContext(e.ctx)
	// The announcement ends with the node, whichever way that comes about.
	ctx, cancel := context.WithCancel(ctx)
	g.Go(func() error {
		defer cancel()
		return s.Run(ctx)
	})
	g.Go(func() error {
		if err := announce(ctx, e.stdout, s, cfg, role, demo); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	})
	return g.Wait()
}

// announce prints the node's addresses as soon as they work.
func announce(ctx context.Context, w io.Writer, s *stack.Stack, cfg *config.Config, role stack.Role, demo bool) error {
	select {
	case <-s.Ready():
	case <-ctx.Done():
		return ctx.Err()
	}
	if demo {
		fmt.Fprintln(w, "Starling is up; the test broadcast is starting …")
		if err := s.Live(ctx, media.StreamID(cfg.Demo.Stream)); err != nil {
			return err
		}
	}
	stream := ""
	if demo {
		stream = cfg.Demo.Stream
	}
	_, err := io.WriteString(w, welcome(s.Addresses(), cfg.Bind, role, stream))
	return err
}

// welcome is the block of addresses. stream is what is on air, or "".
func welcome(a stack.Addresses, bind string, role stack.Role, stream string) string {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s "+format+"\n", append([]any{what}, args...)...)
	}
	if stream != "" {
		fmt.Fprintf(&b, "\nStarling is live.\n\n")
	} else {
		fmt.Fprintf(&b, "\nStarling is ready (%s).\n\n", role)
	}
	front := "http://" + stack.Browsable(a.HTTP)
	if a.HTTP == "" {
		front = "https://" + stack.Browsable(a.HTTPS)
	}
	served := a.HTTP != "" || a.HTTPS != ""
	switch {
	case served && stream != "":
		line("Player", "%s/watch/%s", front, stream)
	case served:
		line("Player", "%s/", front)
	}
	if a.Admin != "" {
		line("Dashboard", "http://%s/dashboard", stack.Browsable(a.Admin))
	}
	switch {
	case served && stream != "":
		line("HLS", "%s/%s/index.m3u8", front, stream)
	case served:
		line("HLS", "%s/APP/NAME/index.m3u8", front)
	}
	if a.HTTP != "" && a.HTTPS != "" {
		line("HTTPS", "https://%s/  (own certificate: browsers warn)", stack.Browsable(a.HTTPS))
	}
	if a.RTMP != "" {
		line("Publish", "rtmp://%s/live/NAME", stack.Dialable(a.RTMP))
	}
	if a.Relay != "" && role != stack.Up {
		line("Relay", "%s (UDP)", a.Relay)
	}
	if a.Tracker != "" {
		line("Tracker", "ws://%s/tracker", stack.Browsable(a.Tracker))
	}
	b.WriteString("\n")
	if stream != "" {
		b.WriteString("Open the player in several tabs: they share the stream among themselves.\n")
	}
	if bind != config.Localhost {
		for _, ip := range publicAddresses() {
			fmt.Fprintf(&b, "From other machines, use %s in place of localhost and 127.0.0.1 (not for the dashboard, which stays local).\n", ip)
		}
	} else if served {
		b.WriteString("Only this machine can connect; --public opens it to others.\n")
	}
	b.WriteString("Ctrl-C stops.\n\n")
	return b.String()
}

// publicAddresses lists this machine's addresses that others may use.
func publicAddresses() []net.IP {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []net.IP
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			out = append(out, n.IP)
		}
	}
	return out
}
