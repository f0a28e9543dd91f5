// Package network is a model of an internet in one process: hosts behind lines
// of a given rate, and paths with delay, jitter and loss between them. UDP of
// pion and streams for HTTP share the lines. It works in real time and in a
// bubble of testing/synctest, where time is virtual. docs/transport.md says
// what is modelled and what is not.
package network

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"starling/bench/profile"
)

// Path is what lies between two hosts, the same in both directions.
type Path = profile.Path

// Config configures a Network. The zero value of a field is its default.
type Config struct {
	// Seed of everything drawn: which packets are lost, and jitter.
	Seed uint64
	// Path gives what lies between two hosts. It is asked once for a pair, with
	// the host made first as a, and must not call the network. Default:
	// reachable, without delay or loss.
	Path func(a, b *Host) Path
	// Tick is to what the times of events are rounded up, so that those close
	// to each other cost one wake-up. Default 50 µs; negative for none.
	Tick time.Duration
}

// DefaultTick is small beside any path and holds a few packets of a fast line.
const DefaultTick = 50 * time.Microsecond

// Network connects hosts. It has one goroutine, whatever the number of packets.
type Network struct {
	cfg   Config
	start time.Time
	wake  chan struct{}
	quit  chan struct{}
	ended chan struct{}

	// mu guards all below, the lines of the hosts, and the sending side of all
	// streams. Of two locks this one is taken first.
	mu        sync.Mutex
	events    heap
	hosts     []*Host
	byInner   map[netip.Addr]*Host
	names     map[string]*Host
	listeners map[netip.AddrPort]*listener
	conns     map[*conn]struct{} // open ends of streams
	// nextStream numbers streams for their ports.
	nextStream int
	closed     bool
}

// New starts a network. Close ends it.
func New(cfg Config) *Network {
	if cfg.Tick == 0 {
		cfg.Tick = DefaultTick
	}
	cfg.Tick = max(cfg.Tick, 1)
	n := &Network{cfg: cfg, start: time.Now(),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}),
		byInner: map[netip.Addr]*Host{}, names: map[string]*Host{},
		listeners: map[netip.AddrPort]*listener{}, conns: map[*conn]struct{}{}}
	go n.run()
	return n
}

// Close ends all sockets and the network's goroutine.
func (n *Network) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	for c := range n.conns {
		c.abort(net.ErrClosed)
	}
	var udp []*udpConn
	for _, h := range n.hosts {
		for _, u := range h.ports {
			udp = append(udp, u)
		}
	}
	for _, l := range n.listeners {
		l.shut()
	}
	n.mu.Unlock()
	for _, u := range udp {
		_ = u.Close()
	}
	close(n.quit)
	<-n.ended
	return nil
}

// now is the network's time in ns. Callers need not hold mu.
func (n *Network) now() int64 { return int64(time.Since(n.start)) }

// Host adds a host. It panics when the line's name is taken, which is a fault
// of the program.
func (n *Network) Host(line Line) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := len(n.hosts)
	// 10.0.0.1 and on: what a viewer sees of itself behind its household's
	// address. It is unique, so that two viewers of one household differ.
	at := id + 1
	inner := netip.AddrFrom4([4]byte{10, byte(at >> 16), byte(at >> 8), byte(at)})
	if !line.Addr.IsValid() {
		line.Addr = inner
	}
	h := &Host{n: n, id: id, line: line, inner: inner, up: true,
		uplink:   newPipe(line.Uplink, line.QueueMS),
		downlink: newPipe(line.Downlink, line.QueueMS),
		ports:    map[int]*udpConn{}, nextPort: firstPort, routes: map[*Host]*route{}}
	h.transport = &transportNet{h: h}
	n.hosts = append(n.hosts, h)
	n.byInner[inner] = h
	if line.Name != "" {
		if n.names[line.Name] != nil {
			panic(fmt.Sprintf("network: two hosts are named %q", line.Name))
		}
		n.names[line.Name] = h
	}
	return h
}

// route is one direction between two hosts.
type route struct {
	from, to *Host
	delay    int64 // one way, ns
	jitter   int64
	loss     float64
	open     bool
	rng      *rand.Rand
	last     int64 // arrival of the last packet
}

// route finds the way to another host. mu must be held.
func (n *Network) route(from, to *Host) *route {
	if r := from.routes[to]; r != nil {
		return r
	}
	path := Path{Reachable: true}
	if n.cfg.Path != nil && from != to {
		a, b := from, to
		if a.id > b.id {
			a, b = b, a
		}
		path = n.cfg.Path(a, b)
	}
	r := &route{from: from, to: to, delay: int64(path.RTT) / 2, jitter: int64(path.Jitter), loss: path.Loss, open: path.Reachable,
		rng: rand.New(rand.NewPCG(n.cfg.Seed, uint64(from.id)<<32|uint64(to.id)))}
	from.routes[to] = r
	return r
}

// rtt is the round trip without queues, ns.
func (r *route) rtt() int64 { return 2 * r.delay }

// fate is what became of a packet.
type fate uint8

const (
	onItsWay fate = iota
	lost          // on the path
	dropped       // at the uplink's queue
	blocked       // no such path, or a host is cut off
)

// send puts a packet of that many bytes, headers included, on the way. It
// gives the time when the packet reaches the receiver's downlink, or, if it
// does not, when it left the sender. mu must be held.
func (n *Network) send(r *route, size int, now int64) (int64, fate) {
	r.from.stats.sent(size)
	if r.from == r.to {
		return now, onItsWay
	}
	if !r.from.up { // a line that is cut gives no queue either
		r.from.stats.Unreachable++
		return now, blocked
	}
	leaves, ok := r.from.uplink.take(size, now)
	if !ok {
		r.from.stats.DroppedUp++
		return now, dropped
	}
	r.from.stats.waited(leaves - now)
	// Drawn for every packet, so that the fate of the k-th packet between two
	// hosts depends on the seed alone.
	isLost, late := r.rng.Float64() < r.loss, int64(r.rng.Float64()*float64(r.jitter))
	switch {
	case !r.open || !r.to.up:
		r.from.stats.Unreachable++
		return leaves, blocked
	case isLost:
		r.from.stats.Lost++
		return leaves, lost
	}
	// Jitter of real paths is mostly queues, which keep the order.
	r.last = max(r.last, leaves+r.delay+late)
	return r.last, onItsWay
}

// receive takes a packet through the receiver's downlink and gives the time
// when it is there. mu must be held.
func (n *Network) receive(r *route, size int, now int64) (int64, bool) {
	if r.from == r.to {
		r.to.stats.received(size)
		return now, true
	}
	if !r.to.up {
		r.to.stats.Unreachable++
		return 0, false
	}
	at, ok := r.to.downlink.take(size, now)
	if !ok {
		r.to.stats.DroppedDown++
		return 0, false
	}
	r.to.stats.received(size)
	return at, true
}

var (
	errNoHost   = errors.New("no such host in the network")
	errPortUsed = errors.New("address already in use")
)
