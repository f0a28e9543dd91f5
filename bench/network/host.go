package network

import (
	"net/netip"
	"time"

	"github.com/pion/transport/v4"
)

// Host is a machine in the network.
type Host struct {
	n         *Network
	id        int
	line      Line
	inner     netip.Addr
	transport *transportNet

	// Guarded by the network's lock.
	up               bool
	uplink, downlink pipe
	ports            map[int]*udpConn
	nextPort         int
	routes           map[*Host]*route
	stats            Stats
}

// firstPort of those given to sockets that ask for none.
const firstPort = 40_000

// Stats counts what a host sent and received since it was made. Bytes include
// the headers of IP, UDP and TCP.
type Stats struct {
	SentPackets, ReceivedPackets uint64
	SentBytes, ReceivedBytes     uint64
	// Lost are packets that this host sent and the path lost.
	Lost uint64
	// DroppedUp and DroppedDown found the queue of the uplink or the downlink
	// full.
	DroppedUp, DroppedDown uint64
	// Unreachable are packets to or from a host that cannot be reached or is
	// cut off, and to a port that nobody has.
	Unreachable uint64
	// Unread are packets that came faster than their receiver read.
	Unread uint64
	// QueueDelay is the sum over all packets sent of the time in the uplink's
	// queue and on the line; MaxQueueDelay is the longest.
	QueueDelay, MaxQueueDelay time.Duration
}

func (s *Stats) sent(bytes int) {
	s.SentPackets++
	s.SentBytes += uint64(bytes)
}

func (s *Stats) received(bytes int) {
	s.ReceivedPackets++
	s.ReceivedBytes += uint64(bytes)
}

func (s *Stats) waited(ns int64) {
	s.QueueDelay += time.Duration(ns)
	s.MaxQueueDelay = max(s.MaxQueueDelay, time.Duration(ns))
}

// Line gives what the host was made with.
func (h *Host) Line() Line { return h.line }

// Inner is the address that the host sees of itself: candidates of pion have it.
func (h *Host) Inner() netip.Addr { return h.inner }

// Addr is the public address.
func (h *Host) Addr() netip.Addr { return h.line.Addr }

// Net is the host's UDP for pion (SettingEngine.SetNet).
func (h *Host) Net() transport.Net { return h.transport }

// Stats gives the counts so far.
func (h *Host) Stats() Stats {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	return h.stats
}

// SetUp cuts the host off or connects it again. While it is cut off all its
// packets are lost and nobody is told: a plug pulled, a phone in a tunnel.
func (h *Host) SetUp(up bool) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.up = up
}

// owns says whether an address is one of the host's own or any.
func (h *Host) owns(a netip.Addr) bool {
	return !a.IsValid() || a.IsUnspecified() || a == h.inner || a == h.line.Addr
}
