package network

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// maxUnread is what a socket keeps for its reader, bytes: the default of
// operating systems, times four for a machine whose reader has to wait.
const maxUnread = 1 << 20

// packet is a datagram on the way; it is used again after it was read.
type packet struct {
	route *route
	to    int // port
	from  *net.UDPAddr
	data  []byte
	there bool // has passed the downlink
}

var packets = sync.Pool{New: func() any { return &packet{data: make([]byte, 0, 1500)} }}

func (p *packet) free() {
	p.route, p.from, p.there = nil, nil, false
	packets.Put(p)
}

// happen takes the packet through the downlink, then to its socket.
func (p *packet) happen(now int64) {
	n, h := p.route.from.n, p.route.to
	if !p.there {
		at, ok := n.receive(p.route, len(p.data)+udpHeader, now)
		if !ok {
			p.free()
			return
		}
		p.there = true
		if at > now {
			n.at(at, p)
			return
		}
	}
	c := h.ports[p.to]
	switch {
	case c == nil:
		h.stats.Unreachable++
		p.free()
	case !c.deliver(p):
		h.stats.Unread++
		p.free()
	}
}

// udpConn is a UDP socket.
type udpConn struct {
	h      *Host
	local  *net.UDPAddr
	remote *net.UDPAddr // of a connected one

	mu       sync.Mutex
	cond     *sync.Cond
	queue    []*packet
	head     int // of queue
	unread   int
	closed   bool
	deadline deadline
}

// listen opens a socket; port 0 takes a free one.
func (h *Host) listenUDP(port int, remote *net.UDPAddr) (*udpConn, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if h.n.closed {
		return nil, net.ErrClosed
	}
	if port == 0 {
		for h.ports[h.nextPort] != nil {
			h.nextPort = h.following(h.nextPort)
		}
		port, h.nextPort = h.nextPort, h.following(h.nextPort)
	}
	if h.ports[port] != nil {
		return nil, fmt.Errorf("listen on UDP port %d: %w", port, errPortUsed)
	}
	c := &udpConn{h: h, local: &net.UDPAddr{IP: h.inner.AsSlice(), Port: port}, remote: remote}
	c.cond = sync.NewCond(&c.mu)
	h.ports[port] = c
	return c, nil
}

func (h *Host) following(port int) int {
	if port++; port > 65_535 {
		return firstPort
	}
	return port
}

// deliver gives a packet to the reader, unless too much waits.
func (c *udpConn) deliver(p *packet) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.unread+len(p.data) > maxUnread || c.remote != nil && !sameAddr(c.remote, p.from) {
		return false
	}
	if c.head > 0 && c.head == len(c.queue) {
		c.queue, c.head = c.queue[:0], 0
	}
	c.queue = append(c.queue, p)
	c.unread += len(p.data)
	c.cond.Signal()
	return true
}

func sameAddr(a, b *net.UDPAddr) bool { return a.Port == b.Port && a.IP.Equal(b.IP) }

func (c *udpConn) ReadFromUDP(b []byte) (int, *net.UDPAddr, error) {
	c.mu.Lock()
	for c.head == len(c.queue) && !c.closed && !c.deadline.passed() {
		c.cond.Wait()
	}
	switch {
	case c.closed:
		c.mu.Unlock()
		return 0, nil, c.fault("read", net.ErrClosed)
	case c.deadline.passed():
		c.mu.Unlock()
		return 0, nil, c.fault("read", os.ErrDeadlineExceeded)
	}
	p := c.queue[c.head]
	c.queue[c.head] = nil
	c.head++
	c.unread -= len(p.data)
	c.mu.Unlock()
	k, from := copy(b, p.data), p.from
	p.free()
	return k, from, nil
}

func (c *udpConn) WriteToUDP(b []byte, to *net.UDPAddr) (int, error) {
	ip, ok := netip.AddrFromSlice(to.IP)
	if !ok {
		return 0, c.fault("write", errNoHost)
	}
	n := c.h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.h.ports[c.local.Port] != c {
		return 0, c.fault("write", net.ErrClosed)
	}
	h := n.byInner[ip.Unmap()]
	if h == nil { // as into the void of the real one
		c.h.stats.sent(len(b) + udpHeader)
		c.h.stats.Unreachable++
		return len(b), nil
	}
	r := n.route(c.h, h)
	if at, what := n.send(r, len(b)+udpHeader, n.now()); what == onItsWay {
		p := packets.Get().(*packet)
		p.route, p.to, p.from = r, to.Port, c.local
		p.data = append(p.data[:0], b...)
		n.at(at, p)
	}
	return len(b), nil
}

func (c *udpConn) Close() error {
	n := c.h.n
	n.mu.Lock()
	if c.h.ports[c.local.Port] == c {
		delete(c.h.ports, c.local.Port)
	}
	n.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.fault("close", net.ErrClosed)
	}
	c.closed = true
	c.deadline.stop()
	for _, p := range c.queue[c.head:] {
		p.free()
	}
	c.queue, c.head = nil, 0
	c.cond.Broadcast()
	return nil
}

func (c *udpConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline.set(t, c.cond)
	return nil
}

// fault describes an error as package net does.
func (c *udpConn) fault(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: c.local, Err: err}
}
