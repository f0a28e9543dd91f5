package network

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Sizes of a stream's buffers, bytes.
const (
	// sendBuffer is what Write takes before it waits, as a Linux socket grown
	// to a fast path's need.
	sendBuffer = 256 << 10
	// receiveWindow is what may wait for a reader.
	receiveWindow = 1 << 20
)

// conn is one end of a stream, a net.Conn.
type conn struct {
	n             *Network
	h             *Host
	out           *route // to the other end
	peer          *conn
	local, remote net.Addr
	sender        // guarded by the network's lock
	rx            receiver
}

// newPair makes both ends of a stream. The network's lock must be held.
func newPair(client, server *route, local, remote net.Addr) (*conn, *conn) {
	n := client.from.n
	a := &conn{n: n, h: client.from, out: client, local: local, remote: remote}
	b := &conn{n: n, h: server.from, out: server, local: remote, remote: local}
	a.peer, b.peer = b, a
	for _, c := range []*conn{a, b} {
		c.sender.init(&n.mu)
		c.rx.cond = sync.NewCond(&c.rx.mu)
		n.conns[c] = struct{}{}
	}
	return a, b
}

// receiver is what has come in order and waits to be read.
type receiver struct {
	waiting atomic.Int64 // bytes, read by the other end's sender as its window

	mu       sync.Mutex
	cond     *sync.Cond
	queue    []*segment
	head     int // of queue
	offset   int // in the segment at the head
	eof      bool
	closed   bool // by this end
	err      error
	deadline deadline
}

func (r *receiver) push(s *segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.err != nil {
		s.free()
		return
	}
	if s.fin {
		r.eof = true
	}
	if len(s.data) > 0 {
		if r.head > 0 && r.head == len(r.queue) {
			r.queue, r.head = r.queue[:0], 0
		}
		r.queue = append(r.queue, s)
		r.waiting.Add(int64(len(s.data)))
	} else {
		s.free()
	}
	r.cond.Broadcast()
}

// fail ends reading after what has come is read.
func (r *receiver) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.cond.Broadcast()
}

// close ends reading at once, and says whether it was the first time.
func (r *receiver) close() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.closed = true
	r.deadline.stop()
	for _, s := range r.queue[r.head:] {
		s.free()
	}
	r.queue, r.head = nil, 0
	r.waiting.Store(0)
	r.cond.Broadcast()
	return true
}

func (r *receiver) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

func (r *receiver) read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.closed:
			return 0, net.ErrClosed
		case r.deadline.passed():
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case r.head < len(r.queue):
			return r.take(b), nil
		case r.err != nil:
			return 0, r.err
		case r.eof:
			return 0, io.EOF
		}
		r.cond.Wait()
	}
}

func (r *receiver) take(b []byte) int {
	got := 0
	for got < len(b) && r.head < len(r.queue) {
		s := r.queue[r.head]
		k := copy(b[got:], s.data[r.offset:])
		got += k
		if r.offset += k; r.offset == len(s.data) {
			r.queue[r.head] = nil
			r.head, r.offset = r.head+1, 0
			s.free()
		}
	}
	r.waiting.Add(-int64(got))
	return got
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	before := c.rx.waiting.Load()
	k, err := c.rx.read(b)
	if err != nil {
		if err == io.EOF {
			return k, err
		}
		return k, c.fault("read", err)
	}
	// The other end may wait for room in the window.
	if after := c.rx.waiting.Load(); before >= receiveWindow/2 && after < receiveWindow/2 || after == 0 && before > receiveWindow/4 {
		c.n.mu.Lock()
		if !c.n.closed {
			c.n.at(c.n.now()+c.out.delay, (*windowUpdate)(c.peer))
		}
		c.n.mu.Unlock()
	}
	return k, nil
}

// Write implements net.Conn. It returns when the last byte is in the buffer.
func (c *conn) Write(b []byte) (int, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	written := 0
	// Not a mutex, for those who wait here must do so in virtual time.
	for c.writing && c.writable() == nil {
		c.cond.Wait()
	}
	if err := c.writable(); err != nil {
		return 0, c.fault("write", err)
	}
	c.writing = true
	defer func() {
		c.writing = false
		c.cond.Broadcast()
	}()
	for {
		if err := c.writable(); err != nil {
			return written, c.fault("write", err)
		}
		room := min(sendBuffer-c.buffered, len(b)-written)
		c.append(b[written : written+room])
		written += room
		c.pump(c.n.now())
		if written == len(b) {
			return written, nil
		}
		c.cond.Wait()
	}
}

// Close implements net.Conn: what was written is still sent.
func (c *conn) Close() error {
	if !c.rx.close() {
		return c.fault("close", net.ErrClosed)
	}
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.finish(net.ErrClosed)
	c.txDeadline.stop()
	return nil
}

// CloseWrite ends what the other end can read, and not what this one can.
func (c *conn) CloseWrite() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.finish(io.ErrClosedPipe)
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	if !c.rx.closed {
		c.rx.deadline.set(t, c.rx.cond)
	}
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if !c.finished {
		c.txDeadline.set(t, c.cond)
	}
	return nil
}

// fault describes an error as package net does.
func (c *conn) fault(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
