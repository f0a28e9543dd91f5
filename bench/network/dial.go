package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// firstRetry is after how long a lost SYN is sent again (RFC 6298 section 2);
// each further time takes twice as long.
const (
	firstRetry = int64(time.Second)
	maxSYNs    = 5
)

// listener takes streams, a net.Listener.
type listener struct {
	n      *Network
	addr   *net.TCPAddr
	at     []netip.AddrPort // as which it is registered
	cond   *sync.Cond
	queue  []*conn
	closed bool
}

// Listen takes streams at a port of the host, at both of its addresses.
func (h *Host) Listen(port int) (net.Listener, error) {
	n := h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &listener{n: n, addr: &net.TCPAddr{IP: h.line.Addr.AsSlice(), Port: port}, cond: sync.NewCond(&n.mu)}
	for _, ip := range []netip.Addr{h.inner, h.line.Addr} {
		at := netip.AddrPortFrom(ip, uint16(port))
		if o := n.listeners[at]; o != nil && o != l {
			l.shut()
			return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: l.addr, Err: errPortUsed}
		}
		n.listeners[at] = l
		l.at = append(l.at, at)
	}
	return l, nil
}

// shut needs the network's lock.
func (l *listener) shut() {
	l.closed = true
	for _, at := range l.at {
		delete(l.n.listeners, at)
	}
	for _, c := range l.queue { // nobody will ever read them
		c.n.at(c.n.now()+c.out.delay, (*reset)(c.peer))
		c.abort(net.ErrClosed)
	}
	l.queue = nil
	l.cond.Broadcast()
}

func (l *listener) Accept() (net.Conn, error) {
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.cond.Wait()
	}
	if l.closed {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	return c, nil
}

func (l *listener) Close() error {
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	l.shut()
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

// handshake is the opening of a stream.
type handshake struct {
	n             *Network
	out, back     *route
	local, remote *net.TCPAddr
	to            netip.AddrPort
	step          step
	tries         int
	client        *conn
	server        *conn
	over          bool
	result        chan error
}

type step uint8

const (
	sendSYN step = iota
	synArrives
	synArrived
	replyArrives
	replyArrived
)

// DialContext opens a stream to a name or address of another host. network is
// "tcp" or "tcp4".
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" && network != "tcp4" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	to, err := h.n.resolvePort(address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	d := &handshake{n: h.n, to: to, remote: net.TCPAddrFromAddrPort(to), result: make(chan error, 1)}
	if err := h.begin(d); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: d.remote, Err: err}
	}
	select {
	case err = <-d.result:
	case <-ctx.Done():
		d.cancel()
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Source: d.local, Addr: d.remote, Err: err}
	}
	return d.client, nil
}

func (h *Host) begin(d *handshake) error {
	n := h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return net.ErrClosed
	}
	server := n.owner(d.to.Addr())
	if server == nil {
		return fmt.Errorf("%s: %w", d.to.Addr(), errNoHost)
	}
	// The household's router gives each stream a port of its own.
	n.nextStream++
	d.local = &net.TCPAddr{IP: h.line.Addr.AsSlice(), Port: 10_000 + n.nextStream%50_000}
	d.out, d.back = n.route(h, server), n.route(server, h)
	n.at(n.now(), d)
	return nil
}

// owner finds the host with an address. Of a household that shares one it is
// who listens, else the first.
func (n *Network) owner(ip netip.Addr) *Host {
	if h := n.byInner[ip]; h != nil {
		return h
	}
	for _, h := range n.hosts {
		if h.line.Addr == ip {
			return h
		}
	}
	return nil
}

func (d *handshake) cancel() {
	d.n.mu.Lock()
	defer d.n.mu.Unlock()
	d.over = true
	if d.client != nil {
		d.client.abort(net.ErrClosed)
		if !d.n.closed {
			d.n.at(d.n.now()+d.out.delay, (*reset)(d.server))
		}
	}
}

func (d *handshake) end(err error) {
	d.over = true
	d.result <- err
}

// again sends the SYN once more after a while.
func (d *handshake) again(now int64) {
	if d.tries++; d.tries >= maxSYNs {
		d.end(syscall.ETIMEDOUT)
		return
	}
	d.step = sendSYN
	d.n.at(now+firstRetry<<(d.tries-1), d)
}

func (d *handshake) happen(now int64) {
	if d.over {
		return
	}
	switch d.step {
	case sendSYN:
		d.depart(d.out, synArrives, now)
	case synArrives:
		d.arrive(d.out, synArrived, now)
	case synArrived:
		if d.server == nil {
			if l := d.n.listeners[d.to]; l != nil {
				d.client, d.server = newPair(d.out, d.back, d.local, d.remote)
				l.queue = append(l.queue, d.server)
				l.cond.Signal()
			}
		}
		d.depart(d.back, replyArrives, now)
	case replyArrives:
		d.arrive(d.back, replyArrived, now)
	case replyArrived:
		switch {
		case d.client == nil:
			d.end(syscall.ECONNREFUSED)
		default: // an error if the server was closed in between
			d.end(d.client.failed)
		}
	}
}

// depart sends a packet of the handshake.
func (d *handshake) depart(r *route, then step, now int64) {
	at, what := d.n.send(r, tcpHeader, now)
	if what != onItsWay {
		d.again(now)
		return
	}
	d.step = then
	d.n.at(at, d)
}

// arrive takes one through the downlink.
func (d *handshake) arrive(r *route, then step, now int64) {
	at, ok := d.n.receive(r, tcpHeader, now)
	if !ok {
		d.again(now)
		return
	}
	d.step = then
	d.n.at(at, d)
}
