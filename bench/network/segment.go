package network

import (
	"os"
	"sync"
	"syscall"
	"time"
)

// The congestion window of a stream, in segments.
const (
	segmentSize = 1460
	// initialWindow is that of RFC 6928.
	initialWindow = 10
	maxWindow     = 2048
	// shrink is by what a loss multiplies the window: CUBIC's (RFC 9438).
	shrink = 0.7
	// minTimeout is the least retransmission timeout of Linux.
	minTimeout = int64(200 * time.Millisecond)
	// giveUp is after how many tries in vain a segment ends its stream.
	giveUp = 8
	// ackSize is half an acknowledgement, as one is sent for two segments.
	ackSize = tcpHeader / 2
)

// segment is a piece of a stream on its way from one end to the other.
type segment struct {
	c     *conn // the sender
	seq   uint64
	data  []byte
	fin   bool
	stage stage
	tries int
}

type stage uint8

const (
	arriving stage = iota // at the receiver's downlink
	arrived
	missing // and its sender knows now
)

var segments = sync.Pool{New: func() any { return &segment{data: make([]byte, 0, segmentSize)} }}

func (s *segment) free() {
	*s = segment{data: s.data[:0]}
	segments.Put(s)
}

// sender is the sending half of an end.
type sender struct {
	cond       *sync.Cond
	unsent     []*segment
	next       uint64 // number of the next segment to send
	flight     int    // segments sent and not acknowledged
	buffered   int    // bytes written and not acknowledged
	window     float64
	threshold  float64 // of slow start
	recovery   uint64  // losses before it have shrunk the window
	full       bool    // the window kept something back
	lastSent   int64
	writing    bool
	finished   bool
	finErr     error // of writing after the end
	failed     error
	txDeadline deadline

	// expected and ahead are of the receiving half: what comes out of order
	// waits here.
	expected uint64
	ahead    map[uint64]*segment
}

func (s *sender) init(mu *sync.Mutex) {
	s.cond = sync.NewCond(mu)
	s.window, s.threshold = initialWindow, maxWindow
}

func (s *sender) writable() error {
	switch {
	case s.finished:
		return s.finErr
	case s.failed != nil:
		return s.failed
	case s.txDeadline.passed():
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (c *conn) append(b []byte) {
	c.buffered += len(b)
	for len(b) > 0 {
		var s *segment
		if k := len(c.unsent); k > 0 && len(c.unsent[k-1].data) < segmentSize {
			s = c.unsent[k-1]
		} else {
			s = segments.Get().(*segment)
			s.c = c
			c.unsent = append(c.unsent, s)
		}
		k := min(len(b), segmentSize-len(s.data))
		s.data = append(s.data, b[:k]...)
		b = b[k:]
	}
}

// finish sends the end of the stream after what was written.
func (c *conn) finish(why error) {
	if c.finished {
		c.finErr = why
		return
	}
	c.finished, c.finErr = true, why
	c.cond.Broadcast()
	if c.failed != nil {
		return
	}
	s := segments.Get().(*segment)
	s.c, s.fin = c, true
	c.unsent = append(c.unsent, s)
	c.pump(c.n.now())
}

// pump sends what the windows allow.
func (c *conn) pump(now int64) {
	if c.failed != nil {
		return
	}
	// Idle time takes the right to a burst away (RFC 2861), as in Linux.
	if timeout := minTimeout + c.out.rtt(); c.flight == 0 && c.window > initialWindow {
		for idle := now - c.lastSent; idle > timeout && c.window > initialWindow; idle -= timeout {
			c.threshold = max(c.threshold, c.window*3/4)
			c.window = max(c.window/2, initialWindow)
		}
	}
	sent := 0
	for _, s := range c.unsent {
		if c.full = float64(c.flight) >= c.window; c.full {
			break
		}
		if c.peer.rx.waiting.Load()+int64(c.flight*segmentSize) >= receiveWindow {
			break
		}
		c.unsent[sent] = nil
		sent++
		s.seq = c.next
		c.next++
		c.flight++
		c.transmit(s, now)
	}
	if c.unsent = c.unsent[sent:]; len(c.unsent) == 0 {
		c.unsent = nil
	}
}

func (c *conn) transmit(s *segment, now int64) {
	c.lastSent = now
	at, what := c.n.send(c.out, len(s.data)+tcpHeader, now)
	if what == onItsWay {
		s.stage = arriving
		c.n.at(at, s)
		return
	}
	if what == dropped { // what waits before it must get through first
		at = max(c.h.uplink.free, now)
	}
	c.miss(s, at)
}

// miss lets the sender notice a loss one round trip after the packet would
// have left; after two losses of the same segment, by timeout.
func (c *conn) miss(s *segment, left int64) {
	wait := c.out.rtt()
	if s.tries > 1 {
		wait = (minTimeout + wait) << min(s.tries-2, 6)
	}
	s.stage = missing
	c.n.at(left+wait, s)
}

func (s *segment) happen(now int64) {
	c := s.c
	if c.failed != nil {
		s.free()
		return
	}
	switch s.stage {
	case arriving:
		at, ok := c.n.receive(c.out, len(s.data)+tcpHeader, now)
		if !ok {
			c.miss(s, max(c.out.to.downlink.free, now)-c.out.delay)
			return
		}
		s.stage = arrived
		if at > now {
			c.n.at(at, s)
			return
		}
		c.arrive(s, now)
	case arrived:
		c.arrive(s, now)
	case missing:
		if s.tries++; s.tries >= giveUp {
			c.abort(syscall.ETIMEDOUT)
			s.free()
			return
		}
		if s.seq >= c.recovery { // once for a window
			c.window = max(c.window*shrink, 2)
			c.threshold, c.recovery = c.window, c.next
		}
		c.transmit(s, now)
	}
}

// arrive gives a segment to the other end, in order, and acknowledges it.
func (c *conn) arrive(s *segment, now int64) {
	to := c.peer
	if to.failed != nil || len(s.data) > 0 && to.rx.isClosed() {
		c.n.at(now+c.out.delay, (*reset)(c))
		s.free()
		return
	}
	// Acknowledgements share the line; being cumulative they bear a loss.
	back := now + c.out.delay
	if c.out.from != c.out.to {
		back = to.h.uplink.force(ackSize, now) + c.out.delay
	}
	c.n.at(back, &ack{c: c, bytes: len(s.data), fin: s.fin})
	if s.seq != to.expected {
		if to.ahead == nil {
			to.ahead = map[uint64]*segment{}
		}
		to.ahead[s.seq] = s
		return
	}
	for s != nil {
		to.expected++
		to.rx.push(s)
		s = to.ahead[to.expected]
		delete(to.ahead, to.expected)
	}
}

// ack tells the sender that a segment is there.
type ack struct {
	c     *conn
	bytes int
	fin   bool
}

func (a *ack) happen(now int64) {
	c := a.c
	if c.failed != nil {
		return
	}
	c.flight--
	c.buffered -= a.bytes
	if c.full { // a window that was not used says nothing about the path
		if c.window < c.threshold {
			c.window++
		} else {
			c.window += 1 / c.window
		}
		c.window = min(c.window, maxWindow)
	}
	if a.fin && c.rx.isClosed() {
		delete(c.n.conns, c)
	}
	c.pump(now)
	c.cond.Broadcast()
}

// windowUpdate tells a sender that its receiver has read.
type windowUpdate conn

func (w *windowUpdate) happen(now int64) { (*conn)(w).pump(now) }

// reset tells an end that the other one is no more.
type reset conn

func (r *reset) happen(int64) { (*conn)(r).abort(syscall.ECONNRESET) }

// abort ends a stream without a word to the other end.
func (c *conn) abort(err error) {
	if c.failed != nil {
		return
	}
	c.failed = err
	for _, s := range c.unsent {
		s.free()
	}
	c.unsent = nil
	for _, s := range c.ahead {
		s.free()
	}
	c.ahead = nil
	delete(c.n.conns, c)
	c.txDeadline.stop()
	c.cond.Broadcast()
	c.rx.fail(err)
}
