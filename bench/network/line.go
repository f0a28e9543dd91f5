package network

import (
	"net/netip"
	"time"

	"starling/bench/profile"
)

// Line is a host's connection to the network.
type Line struct {
	// Uplink and Downlink in bit/s; 0 is without limit.
	Uplink, Downlink int64
	// Addr is the public address, which servers see and clients dial; several
	// hosts may share one, as a household does. Default: an inner address.
	Addr netip.Addr
	// Name can be dialled instead of the address, such as "edge.lab".
	Name string
	// QueueMS is how much may wait in front of the uplink, and of the downlink,
	// in ms at its rate; what comes on top is dropped. Default 200 ms. Never
	// less than MinQueue bytes.
	QueueMS int
	// Viewer is whom of an audience the host stands for; nil for a server.
	Viewer *profile.Viewer
}

const (
	// DefaultQueueMS is what home routers without queue management hold: the
	// usual finding is some hundreds of ms.
	DefaultQueueMS = 200
	// MinQueue is room for a first window of 10 packets and some more, which
	// every real queue has, however slow the line.
	MinQueue = 24 << 10
	// ControlUplink is the uplink of a viewer whose profile says that it gives
	// nothing: it must still ask and acknowledge, in bit/s.
	ControlUplink = 512_000
)

// Header sizes on the line, bytes: IPv4 with UDP, and with TCP and its
// timestamps.
const (
	udpHeader = 28
	tcpHeader = 52
)

// ViewerLine is the line of a viewer of an audience.
func ViewerLine(v *profile.Viewer) Line {
	up := v.Uplink
	if up <= 0 {
		up = ControlUplink
	}
	return Line{Uplink: up, Downlink: v.Downlink, Addr: v.Addr(), Viewer: v}
}

// Profiled gives the paths of a profile between hosts made with ViewerLine, and
// between them and servers. Servers among themselves have a datacentre's path.
func Profiled(p profile.Profile, seed uint64) func(a, b *Host) Path {
	return func(a, b *Host) Path {
		if a.line.Viewer == nil && b.line.Viewer == nil {
			return Path{RTT: time.Millisecond, Reachable: true}
		}
		return p.Path(a.line.Viewer, b.line.Viewer, seed)
	}
}

// pipe sends packets one after the other at a rate, behind a drop-tail queue.
type pipe struct {
	rate  int64 // bit/s, 0: without limit
	queue int64 // ns at that rate
	free  int64 // when the last packet taken has left
}

func newPipe(rate int64, queueMS int) pipe {
	if queueMS <= 0 {
		queueMS = DefaultQueueMS
	}
	p := pipe{rate: rate, queue: int64(queueMS) * int64(time.Millisecond)}
	if rate > 0 {
		p.queue = max(p.queue, p.lasts(MinQueue))
	}
	return p
}

// lasts gives how long that many bytes take, ns.
func (p *pipe) lasts(bytes int) int64 {
	if p.rate <= 0 {
		return 0
	}
	return int64(bytes) * 8 * int64(time.Second) / p.rate
}

// take gives when a packet has left, or false when the queue is full.
func (p *pipe) take(bytes int, now int64) (int64, bool) {
	if p.free-now > p.queue {
		return 0, false
	}
	return p.force(bytes, now), true
}

// force is take for what is never dropped.
func (p *pipe) force(bytes int, now int64) int64 {
	p.free = max(p.free, now) + p.lasts(bytes)
	return p.free
}
