package simulation

import (
	"math"

	"starling/internal/peerstate"
)

// flavour is how a transport protocol behaves on the line. Sizes are bytes.
type flavour struct {
	payload, overhead int32 // of a packet
	ackSize           int64 // that an acknowledged packet costs the receiver's uplink
	initial, slow     float64
	shrink, least     float64 // of the window at a loss
	growth            float64 // packets a window, while that is used up
	timeout           int64   // µs, least retransmission time-out
	stream            bool    // everything in order; idle time shrinks the window
}

// sctp is the data channel's, as pion has it: packets of 1,191 bytes in DTLS,
// UDP and IPv4, every second one acknowledged, and as internal/peer sets it: the
// window is never below 32 KiB. Its window should grow by a
// packet a window; TestAssociationIsLikePion shows half of that.
var sctp = flavour{payload: 1163, overhead: 28 + 37 + 28, ackSize: (28 + 37 + 28) / 2, initial: 32 << 10, slow: 512 << 10,
	shrink: 0.5, least: 32 << 10, growth: 0.5, timeout: 1_000_000}

// tcp is the feed's, as Linux has it.
var tcp = flavour{payload: 1460, overhead: 52, ackSize: 26, initial: 10 * 1460, slow: 2048 * 1460, shrink: 0.7, least: 2 * 1460, growth: 1,
	timeout: 200_000, stream: true}

// delayedAck is what a probe allows for when one packet is out, µs.
const delayedAck = 200_000

// outgoing is a frame of which packets are still to be sent.
type outgoing struct {
	m    int32 // message
	left int32 // bytes not yet sent
	size int32
}

// ack is when bytes that were sent count as acknowledged.
type ack struct {
	at    int64
	bytes int32
}

// association is one direction of a connection. What is under way is bounded
// by a window that shrinks with every burst of losses and grows while there is
// more to send than it lets through.
type association struct {
	*flavour
	settledTo int64 // nothing is acknowledged before that time
	buffered  int32 // bytes of chunks that are not acknowledged yet
	from, to  *line
	delay     int64 // µs one way
	jitter    int64
	loss      float64
	arrives   event // of a message
	owner     *link // who sends; nil: the edge

	window, slow, grown float64 // cwnd, ssthresh, partial bytes acked
	flight              int32
	acks                []ack // by time
	chunks, control     []outgoing
	chunkAcks           []ack
	untilLoss           int64 // packets
	cutAt               int64 // when the window shrinks, 0: not
	lastAt              int64 // arrival of the last packet: a path keeps the order
	rtt                 int64 // smoothed, with queues
	orderedAt           int64 // arrival of the last message that was in order
	sentAt              int64
	full, waking, odd   bool

	// tail is the last message of a burst whose last packets were lost: what
	// is sent next shows that.
	tail     int32
	tailGen  uint32
	tailSent int64
	tailAt   int64
}

func (c *cell) newAssociation(f *flavour, from, to *line, delay, jitter int64, loss float64, arrives event) association {
	return association{flavour: f, from: from, to: to, delay: delay, jitter: jitter, loss: loss, arrives: arrives,
		rtt: 2 * delay, window: f.initial, slow: f.slow, untilLoss: c.untilLoss(loss), tail: -1}
}

// untilLoss draws how many packets pass before one is lost.
func (c *cell) untilLoss(loss float64) int64 {
	if loss <= 0 {
		return math.MaxInt64
	}
	return int64(math.Log(1-c.rand.float()) / math.Log(1-loss))
}

// transmit hands a message to the association. Chunks go before control, as
// in pion's queue of unordered before ordered data.
func (c *cell) transmit(a *association, m int32, size int, chunk bool) {
	o := outgoing{m: m, left: int32(size), size: int32(size)}
	if chunk {
		a.buffered += o.size
		a.chunks = append(a.chunks, o)
	} else {
		a.control = append(a.control, o)
	}
	c.pump(a)
}

// settleAcks takes what is acknowledged by now out of the flight.
func (a *association) settleAcks(now int64) {
	if now < a.settledTo && !a.stream {
		return
	}
	if a.cutAt != 0 && now >= a.cutAt {
		a.slow = max(a.window*a.shrink, a.least)
		a.window, a.grown, a.cutAt = a.slow, 0, 0
	}
	n := 0
	for n < len(a.acks) && a.acks[n].at <= now {
		bytes := float64(a.acks[n].bytes)
		a.flight -= a.acks[n].bytes
		n++
		// Only a window that is used up grows, not in recovery, and once for two
		// packets, as these are acknowledged together.
		a.odd = !a.odd
		grows := a.full && a.cutAt == 0 && a.odd
		if a.window <= a.slow {
			if grows {
				a.window += min(2*bytes, a.window)
			}
			continue
		}
		if a.grown += bytes * a.growth; grows && a.grown >= a.window {
			a.grown -= a.window
			a.window += float64(a.payload)
		}
	}
	a.acks = append(a.acks[:0], a.acks[n:]...)
	n = 0
	for n < len(a.chunkAcks) && a.chunkAcks[n].at <= now {
		a.buffered -= a.chunkAcks[n].bytes
		n++
	}
	a.chunkAcks = append(a.chunkAcks[:0], a.chunkAcks[n:]...)
	a.settledTo = math.MaxInt64
	if len(a.acks) > 0 {
		a.settledTo = a.acks[0].at
	}
	if len(a.chunkAcks) > 0 {
		a.settledTo = min(a.settledTo, a.chunkAcks[0].at)
	}
	if a.cutAt != 0 {
		a.settledTo = min(a.settledTo, a.cutAt)
	}
	if a.stream && a.flight == 0 && now-a.sentAt > a.timeout+2*a.delay {
		a.window = max(a.window/2, a.initial) // RFC 2861
	}
}

// insertAck keeps acks by time: a lost packet's comes after later ones.
func insertAck(acks []ack, x ack) []ack {
	acks = append(acks, x)
	for i := len(acks) - 1; i > 0 && acks[i-1].at > x.at; i-- {
		acks[i-1], acks[i] = acks[i], acks[i-1]
	}
	return acks
}

// waiting is how many packets wait, up to 3.
func (a *association) waiting() int {
	bytes := int32(0)
	for _, q := range [2][]outgoing{a.chunks, a.control} {
		for i := range q {
			if bytes += q[i].left; bytes > 2*a.payload {
				return 3
			}
		}
	}
	return int((bytes + a.payload - 1) / a.payload)
}

// pump sends packets as far as the window lets it.
func (c *cell) pump(a *association) {
	now := c.t.now
	a.settleAcks(now)
	for {
		q := &a.chunks
		if len(*q) == 0 {
			if q = &a.control; len(*q) == 0 {
				a.full = false
				return
			}
		}
		o := &(*q)[0]
		payload := min(o.left, a.payload)
		if a.full = a.flight > 0 && float64(a.flight+payload) > a.window; a.full {
			if !a.waking {
				a.waking = true
				at := a.acks[0].at
				if a.cutAt > now {
					at = min(at, a.cutAt)
				}
				c.t.add(event{at: at, do: evWake, a: a})
			}
			return
		}
		o.left -= payload
		arrival := c.sendPacket(a, o, payload)
		a.flight += payload
		// The acknowledgement waits in the receiver's uplink.
		back := a.delay + max(a.to.upFree-now, 0)
		a.rtt += (arrival + back - now - a.rtt) / 8
		a.acks = insertAck(a.acks, ack{arrival + back, payload})
		a.settledTo = 0
		msg := &c.pool.all[o.m]
		msg.at = max(msg.at, arrival)
		if o.left > 0 {
			continue
		}
		at := msg.at
		if a.stream || q == &a.control { // nothing overtakes what was sent before
			at = max(at, a.orderedAt)
			a.orderedAt = at
		}
		if q == &a.chunks {
			a.chunkAcks = insertAck(a.chunkAcks, ack{at + back, o.size})
		}
		e := a.arrives
		e.at, e.m, e.gen = at, o.m, msg.gen
		c.t.add(e)
		*q = append((*q)[:0], (*q)[1:]...)
	}
}

// sendPacket puts a packet on the line and gives the time when it, or what
// replaces it, arrives.
func (c *cell) sendPacket(a *association, o *outgoing, payload int32) int64 {
	now := c.t.now
	a.sentAt = now
	departs, ok := a.from.depart(now, int64(payload+a.overhead))
	a.to.depart(now, a.ackSize)
	if a.tail >= 0 {
		c.findTail(a, departs)
	}
	if a.untilLoss--; ok && a.untilLoss >= 0 {
		a.lastAt = max(a.lastAt, departs+a.delay+c.rand.upTo(a.jitter))
		return a.lastAt
	}
	if a.untilLoss < 0 {
		a.untilLoss = c.untilLoss(a.loss)
	}
	c.stats.lost++
	rtt := a.rtt
	after := a.waiting()
	resent := departs + 2*a.delay + 2000
	switch {
	case a.stream || after >= 3: // later packets show the loss
		if a.cutAt == 0 {
			a.cutAt = resent
		}
	case after > 0: // a probe two round trips after the last acknowledgement
		resent += 2 * rtt
		a.tail, a.tailGen, a.tailSent, a.tailAt = o.m, c.pool.all[o.m].gen, departs, resent
	default:
		resent += 2*rtt + delayedAck
		a.tail, a.tailGen, a.tailSent, a.tailAt = o.m, c.pool.all[o.m].gen, departs, resent
	}
	a.from.depart(now, int64(payload+a.overhead)) // the line carries it twice
	if c.rand.float() < a.loss {
		resent += a.timeout
	}
	return resent + a.delay + c.rand.upTo(a.jitter)
}

// findTail is called when a packet is sent after a burst whose end was lost:
// its acknowledgement shows the loss, if that is sooner than the probe.
func (c *cell) findTail(a *association, departs int64) {
	rtt := 2 * a.delay
	msg := &c.pool.all[a.tail]
	if msg.gen != a.tailGen || departs+rtt >= a.tailAt {
		a.tail = -1
		return
	}
	if departs < a.tailSent+rtt/4 {
		return // within the reordering window
	}
	if at := departs + rtt + a.delay; at < msg.at {
		msg.at = at
		// The event at the old time finds the message gone.
		e := a.arrives
		e.at, e.m, e.gen = at, a.tail, a.tailGen
		c.t.add(e)
	}
	a.tail = -1
}

// drop gives up what has not been sent.
func (c *cell) drop(a *association) {
	for _, q := range [2][]outgoing{a.chunks, a.control} {
		for i := range q {
			c.pool.take(q[i].m, c.pool.all[q[i].m].gen)
		}
	}
	a.chunks, a.control, a.tail = nil, nil, -1
}

// leastQueue bytes may wait for any uplink: every real queue holds a first
// window.
const leastQueue = 24 << 10

// line is a viewer's connection to its provider.
type line struct {
	up, down         float64 // bytes a µs
	upFree, downFree int64
	queue            int64 // µs that a packet may wait
}

// depart queues bytes on the uplink and gives the time when the last of them
// has left; false when the queue is full.
func (l *line) depart(now, bytes int64) (int64, bool) {
	l.upFree = max(l.upFree, now)
	took := int64(float64(bytes) / l.up)
	if l.upFree-now > max(l.queue, int64(leastQueue/l.up)) {
		return l.upFree, false
	}
	l.upFree += took
	return l.upFree, true
}

// arrive takes bytes off the downlink that came up to now and gives the time
// when the last of them is there.
func (l *line) arrive(now int64, bytes int) int64 {
	took := int64(float64(bytes) / l.down)
	l.downFree = max(l.downFree, now-took) + took
	return max(l.downFree, now)
}

// frame is one message between two viewers, or on a viewer's feed.
type frame struct {
	key      peerstate.Key
	n        int32 // its part's number
	first    int32
	count    int32
	deadline int32
	size     int32 // as encoded
	sent     int64 // of a ping, ms of its sender; of a fetch, µs
	slices   uint16
	kind     uint8
	flags    uint8 // of a subscription
	bad      bool  // altered
	whole    bool  // of a fetch: the whole part
	landed   bool  // it has passed the downlink
}

// message is a frame under way.
type message struct {
	frame
	at   int64 // when the last packet so far arrives
	gen  uint32
	text any // of the tracker
}

// pool keeps messages so that none is allocated for each frame.
type pool struct {
	all  []message
	free []int32
}

func (p *pool) put(f frame) (int32, uint32) {
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free = p.free[:n-1]
		m := &p.all[i]
		m.frame, m.at = f, 0
		return i, m.gen
	}
	p.all = append(p.all, message{frame: f})
	return int32(len(p.all) - 1), 0
}

// take gives a message up: later events of it find another generation.
func (p *pool) take(i int32, gen uint32) (message, bool) {
	m := &p.all[i]
	if m.gen != gen {
		return message{}, false
	}
	out := *m
	m.gen++
	m.text = nil
	p.free = append(p.free, i)
	return out, true
}
