package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"starling/bench/network"
)

// Ports of a cell's hosts.
const (
	firstPort  = 10_000
	repairPort = 80
)

// downlink of everybody, bit/s.
const downlink = 50_000_000

// cell is one measurement: a parent for each slice, and children each of whom
// takes every slice, one from each parent. So the parents' uplinks are loaded
// as their fan-out allows, and every child's parts are measured.
type cell struct {
	o      Options
	scheme Scheme
	path   Path
	fanOut int

	net       *network.Network
	parents   []*parent
	hosts     []*network.Host
	receivers []*receiver
	links     []*link
	parts     []layout
	first     int // part that is measured
	listener  net.Listener
	serving   sync.WaitGroup
}

// children gives how many a parent of that uplink serves with 2× headroom.
func children(uplink, bitrate int64, slices int) int {
	return int(min(max(uplink/2*int64(slices)/bitrate, 1), maxChildren))
}

// gap is the time between two chunks of a slice while its parent serves all
// children in turn.
func (c *cell) gap() time.Duration {
	pace := cmp.Or(c.scheme.Pace, 1)
	return time.Duration(float64(c.fanOut*c.scheme.Chunk*8) / (pace * float64(c.path.Uplink)) * float64(time.Second))
}

func newCell(o Options, s Scheme, p Path) (*cell, error) {
	c := &cell{o: o, scheme: s, path: p, fanOut: children(p.Uplink, o.Bitrate, s.Slices)}
	c.first = int(warmUp / partDuration)
	for _, size := range partSizes(c.first+int(o.Duration/partDuration), o.Bitrate, o.Seed) {
		c.parts = append(c.parts, cut(size, s.Chunk, s.Slices))
	}
	c.net = network.New(network.Config{Seed: o.Seed, Path: func(_, _ *network.Host) network.Path {
		return network.Path{RTT: p.RTT, Jitter: p.RTT / 20, Loss: p.Loss, Reachable: true}
	}})
	if err := c.connect(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// connect opens the associations and the children's connections to the edge.
func (c *cell) connect() error {
	edge := c.net.Host(network.Line{Name: "edge.lab"})
	var err error
	if c.listener, err = edge.Listen(repairPort); err != nil {
		return err
	}
	c.serving.Go(func() {
		for {
			conn, err := c.listener.Accept()
			if err != nil {
				return
			}
			c.serving.Go(func() {
				serveRepairs(conn, c.parts)
				_ = conn.Close()
			})
		}
	})
	trees := c.scheme.Slices
	if c.scheme.Parity == SliceParity {
		trees++
	}
	for slice := range trees {
		c.hosts = append(c.hosts, c.net.Host(network.Line{Uplink: c.path.Uplink, Downlink: downlink}))
		c.parents = append(c.parents, newParent(c.scheme, slice, c.path.Uplink))
	}
	for i := range c.fanOut {
		host := c.net.Host(network.Line{Uplink: c.path.Uplink, Downlink: downlink})
		conn, err := host.DialContext(context.Background(), "tcp", fmt.Sprintf("edge.lab:%d", repairPort))
		if err != nil {
			return err
		}
		c.receivers = append(c.receivers, newReceiver(c.scheme, c.path.RTT, c.gap(), conn, c.parts))
		for slice, p := range c.parents {
			l, err := newLink(c.hosts[slice], host, firstPort+i*len(c.parents)+slice, c.scheme)
			if err != nil {
				return err
			}
			c.links = append(c.links, l)
			p.add(l)
		}
	}
	return nil
}

func (c *cell) run(ctx context.Context) (Row, error) {
	start := time.Now().Add(c.path.RTT)
	stop := make(chan struct{})
	var g errgroup.Group
	for i, r := range c.receivers {
		r.begin(start)
		for slice := range c.parents {
			l := c.links[i*len(c.parents)+slice]
			c.serving.Go(func() { r.receive(l) })
		}
		c.serving.Go(r.onRepairs)
		g.Go(func() error { return r.repair(stop) })
	}
	for _, p := range c.parents {
		g.Go(func() error { return p.run(start, c.parts, stop) })
	}
	end := time.NewTimer(time.Until(start) + time.Duration(len(c.parts))*partDuration + giveUp)
	defer end.Stop()
	var err error
	select {
	case <-end.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	close(stop)
	err = errors.Join(err, g.Wait())
	row := c.result()
	return row, errors.Join(err, c.close())
}

func (c *cell) close() error {
	var errs []error
	for _, l := range c.links {
		l.close()
	}
	for _, r := range c.receivers {
		errs = append(errs, r.edge.Close())
	}
	if c.listener != nil {
		errs = append(errs, c.listener.Close())
	}
	errs = append(errs, c.net.Close())
	c.serving.Wait()
	return errors.Join(errs...)
}
