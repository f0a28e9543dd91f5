package peerstate

import "slices"

// Times and steps of the measured uplink (docs/uplink.md).
const (
	// UplinkStart is what a line is taken for before anything is known, in bit/s.
	// The tracker plans half of it, which the slowest line of the reference
	// network carries. Less would cost the first half minute a tenth of the
	// offload where uplinks are scarce.
	UplinkStart = 3_000_000
	// uplinkLeap is what little that was carried without any delay is evidence for.
	uplinkLeap = 3_000_000
	// uplinkFloor keeps an estimate from which growth can begin again.
	uplinkFloor = 250_000
	// uplinkWindowMS is how long evidence is collected: a few parts.
	uplinkWindowMS = 1000
	// uplinkPingMS is how often a neighbour's round trip is taken while chunks
	// are sent to it: some fall behind a burst, where its queue shows.
	uplinkPingMS = 400
	// uplinkAnswerMS is how long an answer is awaited before another is asked for.
	uplinkAnswerMS = 3000
	// uplinkCalmMS is the longest delay by queueing that lets the estimate grow,
	// uplinkFastMS the longest with which it grows in leaps: a chunk alone takes
	// 65 ms on a line of 2 Mbit/s, and 26 ms on one of 5.
	uplinkCalmMS = 50
	uplinkFastMS = 30
	// uplinkQueueMS of delay, in two windows in a row, make it fall, and uplinkFullMS
	// at once: then a home router's queue is full.
	uplinkQueueMS = 100
	uplinkFullMS  = 200
	// uplinkLeastMS is by how much even the shortest round trip of such a window
	// is longer, where uplinkSeveral neighbours or more are sent something: a queue
	// stands, while neighbours whose machines are busy answer late now and then.
	// Fewer give too few round trips to tell that from a queue that comes and goes.
	uplinkLeastMS = 40
	uplinkSeveral = 3
	// uplinkLocalMS is the round trip below which a neighbour is on the same
	// LAN: what goes there does not pass the line.
	uplinkLocalMS = 3
	// uplinkDriftMS is how long a least round trip stands before it is taken for
	// a ms more: routes change, and a queue does not stand for minutes.
	uplinkDriftMS = 5000
	// uplinkSettleMS after a fall nothing is judged: the queue drains, and the
	// tracker moves children.
	uplinkSettleMS = 3000
	// uplinkHoldMS after a fall the estimate does not grow.
	uplinkHoldMS = 10_000
	// uplinkCeilingMS is how long it stays below what it fell from.
	uplinkCeilingMS = 20_000
	// uplinkStepMS is what a step beyond that takes to bring children, and these to
	// show a queue.
	uplinkStepMS = 4000
	// uplinkIdleMS without anything to send brings an estimate that fell below
	// the start a quarter nearer to it: else a line that was busy once would
	// stay a leaf for ever.
	uplinkIdleMS = 20_000
)

// Uplink estimates from the traffic itself what this viewer's line carries
// upwards, in bit/s: no byte is sent to find out. It starts low, grows while a
// good part of it is carried without queueing, and falls when its neighbours
// see queues. It is not for concurrent use; times are ms.
type Uplink struct {
	limit, start int64
	rate         int64
	measured     bool // by evidence, not merely assumed
	links        map[string]*uplinkLink

	windowAt int64
	behind   bool // the own download was late in this window
	held     bool // the program was held up in it
	heldAt   int64
	queued   int // windows in a row with a queue

	settleUntil, holdUntil int64
	ceiling, ceilingUntil  int64
	idleSince              int64
}

// uplinkLink is what one neighbour's channel shows.
type uplinkLink struct {
	base, baseAt int64 // least round trip; 0: unknown
	rtt, low     int64 // longest and shortest of this window; 0: none yet
	pingAt       int64
	awaited      bool  // that ping's answer
	unpinged     int64 // bytes sent since then

	sent     int64 // bytes given to the channel in this window
	first    int64 // what it held when the window began
	buffered int64 // what it holds
	least    int64 // least that it held in this window
}

// NewUplink begins an estimate. limit is the most that may be used, by
// configuration; 0 gives 0 for ever. start is what is known of the line from
// before; 0: nothing, which means UplinkStart.
func NewUplink(limit, start, now int64) *Uplink {
	if start <= 0 {
		start = UplinkStart
	}
	u := &Uplink{limit: max(limit, 0), links: map[string]*uplinkLink{}, windowAt: now, idleSince: now}
	u.start = min(UplinkStart, u.limit)
	u.rate = min(max(start, uplinkFloor), u.limit)
	return u
}

// Rate is the estimate: what the tracker is told.
func (u *Uplink) Rate() int64 { return u.rate }

// Pace is the rate of the token bucket: a quarter above the estimate, so that
// bursts show whether the line carries more, and never above the limit.
func (u *Uplink) Pace() int64 { return min(u.rate+u.rate/4, u.limit) }

// UplinkNews reports whether an estimate differs enough from what the tracker was
// told for it to change anything there (docs/tracker.md rule 5).
func UplinkNews(told, rate int64) bool {
	d := rate - told
	return max(d, -d)*10 > told*3
}

// Measured reports whether the estimate rests on evidence: only then is it
// worth remembering.
func (u *Uplink) Measured() bool { return u.measured }

func (u *Uplink) link(peer string) *uplinkLink {
	l := u.links[peer]
	if l == nil {
		l = &uplinkLink{}
		u.links[peer] = l
	}
	return l
}

// Sent notes that so many bytes of chunks were given to a neighbour's channel.
func (u *Uplink) Sent(peer string, bytes int64) {
	l := u.link(peer)
	l.sent += bytes
	l.unpinged += bytes
	l.buffered += bytes
}

// Buffered notes how much a neighbour's channel holds, a few times a window.
func (u *Uplink) Buffered(peer string, bytes int64) {
	l := u.link(peer)
	l.buffered, l.least = bytes, min(l.least, bytes)
}

// WantsPing reports whether the round trip to a neighbour is to be taken now:
// behind chunks, where a queue would show.
func (u *Uplink) WantsPing(peer string, now int64) bool {
	l := u.links[peer]
	pause := int64(uplinkPingMS)
	if l != nil && l.awaited {
		pause = uplinkAnswerMS
	}
	if l == nil || l.unpinged == 0 || now-l.pingAt < pause {
		return false
	}
	l.pingAt, l.unpinged, l.awaited = now, 0, true
	return true
}

// RoundTrip notes the time from PING to PONG.
func (u *Uplink) RoundTrip(peer string, rtt, now int64) {
	l := u.link(peer)
	l.awaited = false
	if now-rtt < u.heldAt {
		return // it took part of that time for want of us
	}
	rtt = max(rtt, 1)
	for l.base != 0 && now-l.baseAt >= uplinkDriftMS {
		l.base, l.baseAt = l.base+1, l.baseAt+uplinkDriftMS
	}
	if l.base == 0 || rtt <= l.base {
		l.base, l.baseAt = rtt, now
	}
	if l.rtt == 0 || rtt < l.low {
		l.low = rtt
	}
	l.rtt = max(l.rtt, rtt)
}

// Gone forgets a neighbour.
func (u *Uplink) Gone(peer string) { delete(u.links, peer) }

// Behind notes that this viewer's own download was late: then the upload must
// not be what holds it back.
func (u *Uplink) Behind() { u.behind = true }

// HeldUp notes that this program did not run for a moment until now: its machine
// is busy. Round trips of that time measure the machine and not the line, and an
// answer that is not there yet may have waited for us.
func (u *Uplink) HeldUp(now int64) {
	u.held, u.heldAt = true, now
	for _, l := range u.links {
		l.rtt, l.awaited = 0, false
	}
}

// Tick ends the window when its time has come, and reports whether the
// estimate changed.
func (u *Uplink) Tick(now int64) bool {
	span := now - u.windowAt
	if span < uplinkWindowMS {
		return false
	}
	u.windowAt = now
	old := u.rate
	if span < 5*uplinkWindowMS { // else the program was suspended: what it saw means nothing
		u.judge(span, now)
	}
	u.behind, u.held = false, false
	for _, l := range u.links {
		l.sent, l.rtt, l.first, l.least = 0, 0, l.buffered, l.buffered
	}
	return u.rate != old
}

// evidence is what a window showed.
type evidence struct {
	carried  int64 // bit/s
	delay    int64 // ms by queueing, of the better half of the neighbours
	least    int64 // the same when it was shortest
	standing bool  // that delay is of bytes that never left the send buffers
	known    bool  // at least half of the neighbours have shown their round trip
	active   int   // neighbours that were sent something
}

// collect sums a window up. Neighbours on the LAN count only when there are no
// others.
func (u *Uplink) collect(span, now int64) evidence {
	local := true
	for _, l := range u.links {
		if l.isActive() && l.base >= uplinkLocalMS {
			local = false
		}
	}
	var e evidence
	var delays, leasts, buffers []int64
	seen := 0
	for _, l := range u.links {
		if !l.isActive() || !local && l.base != 0 && l.base < uplinkLocalMS {
			continue
		}
		e.active++
		drained := max(l.sent-(l.buffered-l.first), 0)
		e.carried += drained * 8000 / span
		if l.rtt > 0 {
			seen++
		}
		wait := l.wait(drained, span)
		delay, least := l.delay(now)
		delays, leasts, buffers = append(delays, max(delay, wait)), append(leasts, max(least, wait)), append(buffers, wait)
	}
	// The uplink is what all share: a queue that only the worse half sees is
	// on their own side.
	e.delay, e.least = lowerMedian(delays), lowerMedian(leasts)
	e.standing = lowerMedian(buffers) >= uplinkQueueMS
	e.known = 2*seen >= e.active
	return e
}

// delay is by how much the longest and the shortest round trip were longer than
// they need be. An answer that does not come is as good as one that comes late.
func (l *uplinkLink) delay(now int64) (longest, shortest int64) {
	switch {
	case l.rtt > 0:
		return l.rtt - l.base, l.low - l.base
	case l.awaited && l.base != 0:
		d := max(now-l.pingAt-l.base, 0)
		return d, d
	}
	return 0, 0
}

func (l *uplinkLink) isActive() bool { return l.sent > 0 || l.buffered > 0 }

// wait is how long what stood in the send buffer through the whole window
// takes to leave it.
func (l *uplinkLink) wait(drained, span int64) int64 {
	least := min(l.least, l.first)
	switch {
	case least <= 0:
		return 0
	case drained == 0:
		return span
	}
	return least * span / drained
}

func lowerMedian(v []int64) int64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[(len(v)-1)/2]
}

// judge draws the conclusion of a window.
func (u *Uplink) judge(span, now int64) {
	e := u.collect(span, now)
	if e.active == 0 {
		u.queued = 0
		u.rest(now)
		return
	}
	u.idleSince = now
	limit := int64(uplinkQueueMS)
	if u.behind {
		limit /= 2
	}
	switch {
	case u.held && !e.known:
	case now < u.settleUntil:
		u.queued = 0
	case e.delay >= limit && (e.active < uplinkSeveral || e.least >= uplinkLeastMS):
		if u.queued++; u.queued >= 2 || e.delay >= uplinkFullMS {
			u.fall(e, now)
		}
	default:
		u.queued = 0
		if e.delay < uplinkCalmMS && e.known && !u.behind && now >= u.holdUntil {
			u.grow(e, now)
		}
	}
}

// supported is the most that what a window carried is evidence for. The tracker
// plans half of it, so a viewer can get half as many children again; one with a
// child or two, whose number is cut down to whole ones, one more. With some delay
// the line may be near its end: it gets more only where the edge would feed.
func supported(e evidence) int64 {
	if e.delay >= uplinkFastMS {
		return 2 * e.carried
	}
	return max(3*e.carried, min(5*e.carried, uplinkLeap))
}

// grow raises the estimate by half in a window. Where it fell from before it
// goes on by an eighth at a time, and waits for the children that this brings.
func (u *Uplink) grow(e evidence, now int64) {
	next := u.rate + u.rate/2
	if known := u.ceiling - u.ceiling/5; u.ceiling > 0 && next > known {
		next = known
		if now >= u.ceilingUntil && u.rate >= known {
			next, u.ceilingUntil = u.rate+u.rate/8, now+uplinkStepMS
		}
	}
	next = min(next, supported(e), u.limit)
	if supported(e) >= u.rate {
		u.measured = true
	}
	if next > u.rate {
		u.rate = next
	}
}

// fall lowers the estimate to seven tenths. When send buffers never emptied,
// what was carried is what the line carries; in any case it carries that.
func (u *Uplink) fall(e evidence, now int64) {
	next := max(u.rate*7/10, e.carried*9/10)
	if e.standing {
		next = max(e.carried, u.rate/4)
	}
	if next >= u.rate {
		return // what queues is a backlog, which drains
	}
	u.ceiling, u.ceilingUntil = u.rate, now+uplinkCeilingMS
	u.rate = min(max(next, uplinkFloor), u.limit)
	u.measured, u.queued = true, 0
	u.settleUntil, u.holdUntil = now+uplinkSettleMS, now+uplinkHoldMS
}

// rest lets an estimate below the start rise when there is nothing to measure.
func (u *Uplink) rest(now int64) {
	if u.rate >= u.start || now-u.idleSince < uplinkIdleMS {
		return
	}
	u.idleSince = now
	u.rate = min(u.rate+u.rate/4, u.start)
}
