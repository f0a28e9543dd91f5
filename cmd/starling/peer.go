package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"starling/internal/config"
	"starling/internal/peer"
)

type peerCmd struct {
	URL      string        `arg:"" help:"The stream: http(s)://EDGE/watch/APP/NAME."`
	Uplink   int           `default:"8000000" placeholder:"BIT/S" help:"What it may upload; 0: nothing. Default 8000000."`
	Track    []string      `placeholder:"NAME" help:"A track to take; may be repeated. Default: the best video and the first audio."`
	EdgeOnly bool          `help:"Take everything from the edge."`
	Insecure bool          `help:"Accept any certificate. Always so for an edge on this machine."`
	Every    time.Duration `default:"5s" help:"How often to say how it goes; 0: only at the end. Default 5s."`
	JSON     bool          `name:"json" help:"Say it as JSON, one object a line."`
	LogLevel string        `enum:"debug,info,warn,error" default:"warn" placeholder:"LEVEL" help:"How much to log: debug, info, warn or error. Default warn."`
}

func (c *peerCmd) Run(e *env) (err error) {
	local, err := onThisMachine(c.URL)
	if err != nil {
		return usageError{err}
	}
	host, err := peer.NewHost(peer.HostConfig{InsecureTLS: c.Insecure || local, Loopback: local})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	uplink := c.Uplink
	if uplink == 0 {
		uplink = -1 // in peer.Config zero is the default and a negative value none
	}
	p, err := peer.New(peer.Config{
		URL: c.URL, Tracks: c.Track, Uplink: uplink, EdgeOnly: c.EdgeOnly, Host: host,
		Log: newLogger(e.stderr, config.Log{Level: c.LogLevel}),
	})
	if err != nil {
		return usageError{err}
	}
	g, ctx := errgroup.WithContext(e.ctx)
	ctx, cancel := context.WithCancel(ctx)
	g.Go(func() error {
		defer cancel()
		return p.Run(ctx)
	})
	g.Go(func() error { return c.report(ctx, e.stdout, p) })
	err = g.Wait()
	return errors.Join(err, c.say(e.stdout, p.Stats()))
}

// report says how it goes at every interval.
func (c *peerCmd) report(ctx context.Context, w io.Writer, p *peer.Peer) error {
	if c.Every <= 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := c.say(w, p.Stats()); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *peerCmd) say(w io.Writer, s peer.Stats) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(s)
	}
	_, err := fmt.Fprintf(w, "from peers %.1f %%  latency %d ms  stalls %d  received %s  sent %s  neighbours %d\n",
		100*s.Offload(), s.LatencyMS, s.Stalls, bytesText(s.PeerBytes+s.FeedBytes+s.HTTPBytes), bytesText(s.SentBytes), s.Neighbours)
	return err
}

// bytesText writes a byte count for people, 1 MB = 1,000,000 bytes.
func bytesText(n uint64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.0f kB", float64(n)/1e3)
}

// onThisMachine reports whether a stream is served on loopback: then peers
// may be there, too, and certificates are self-made.
func onThisMachine(stream string) (bool, error) {
	u, err := url.Parse(stream)
	if err != nil || u.Host == "" {
		return false, fmt.Errorf("stream address %q: want http(s)://EDGE/watch/APP/NAME", stream)
	}
	if u.Hostname() == config.Localhost {
		return true, nil
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback(), nil
}
