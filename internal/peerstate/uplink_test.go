package peerstate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// line is an upload line in virtual time: a queue that drains at its rate, and
// a viewer that pushes a slice to each of as many children as the tracker plans
// from what it is told.
type line struct {
	rate     int64 // bit/s that it carries
	rtt      int64
	children int
	bucket   *Bucket
	u        *Uplink
	waiting  []string         // a chunk for each, behind the bucket
	buffers  map[string]int64 // bytes in the channels' send buffers
	queue    int64            // bytes in the router
	pongs    []pong
	told     int64
	worst    int64 // longest queue in ms since the last look
	// Until when this viewer's program, and each neighbour's, does not run.
	held   int64
	awayAt map[string]int64
	ticked int64
}

type pong struct {
	peer    string
	at, rtt int64
}

const (
	simSlice = 500_000 // bit/s
	simPart  = 333     // ms
	simChunk = 5_200   // bytes: four make a slice of a part
	// simRouter bytes fit in the router; what is beyond waits in the send buffers,
	// since the associations' windows are full.
	simRouter = 100_000
	simLate   = 100 // ms without a tick: the program was held up
)

func newLine(rate, limit int64) *line {
	l := &line{rate: rate, rtt: 40, u: NewUplink(limit, 0, 0), buffers: map[string]int64{}, awayAt: map[string]int64{}}
	l.bucket = NewBucket(int(l.u.Pace()), 0)
	return l
}

// run plays from one time to another, in steps of 5 ms. demand bounds how many
// children want the slice.
func (l *line) run(from, to int64, demand int) {
	for now := from; now < to; now += 5 {
		if now%2000 == 0 { // a beacon
			l.told = l.u.Rate()
			was := l.children
			l.children = min(int(l.told/2/simSlice), demand)
			for c := was; c < l.children; c++ {
				l.u.RoundTrip(fmt.Sprint("c", c), l.rtt, now) // at the connection's opening
			}
		}
		l.queue = max(0, l.queue-l.rate*5/8000)
		if now < l.held {
			continue // not even what waits leaves: the association is the program's, too
		}
		if now%simPart < 5 {
			for range 4 {
				for c := range l.children {
					l.waiting = append(l.waiting, fmt.Sprint("c", c))
				}
			}
		}
		for len(l.waiting) > 0 && l.bucket.Take(simChunk, now) {
			peer := l.waiting[0]
			l.waiting = l.waiting[1:]
			if l.buffers[peer] < LowWater {
				l.buffers[peer] += simChunk
				l.u.Sent(peer, simChunk)
			}
		}
		l.drain()
		for c := range l.children { // a tick
			if peer := fmt.Sprint("c", c); now%25 == 0 && l.u.WantsPing(peer, now) {
				rtt := l.rtt + (l.queue+l.buffers[peer])*8000/l.rate
				rtt = max(rtt, l.awayAt[peer]-now)
				l.pongs = append(l.pongs, pong{peer, now + rtt, rtt})
			}
		}
		if len(l.waiting) > 1024 {
			l.waiting = l.waiting[len(l.waiting)-1024:]
		}
		l.worst = max(l.worst, l.queue*8000/l.rate)
		l.pongs = slices.DeleteFunc(l.pongs, func(p pong) bool {
			if p.at > now {
				return false
			}
			l.u.RoundTrip(p.peer, p.rtt+now-p.at, now) // as the program sees it
			return true
		})
		if now-l.ticked > simLate {
			l.u.HeldUp(now)
		}
		l.ticked = now
		if l.u.Tick(now) {
			l.bucket.SetRate(l.u.Pace(), now)
		}
	}
}

// drain moves chunks from the send buffers to the router, one a neighbour in
// turn.
func (l *line) drain() {
	for moved := true; moved; {
		moved = false
		for _, p := range slices.Sorted(maps.Keys(l.buffers)) {
			if l.buffers[p] > 0 && l.queue+simChunk <= simRouter {
				l.buffers[p] -= simChunk
				l.queue += simChunk
				moved = true
			}
		}
	}
	for p, n := range l.buffers {
		l.u.Buffered(p, n)
	}
}

// Lines of the reference network, and a slower one: the estimate stays below
// twice what the line carries or near it, so that what the tracker plans, half of it,
// fits, and above what leaves the line useless.
func TestUplinkFindsTheLine(t *testing.T) {
	for _, c := range []struct{ rate, limit, low, high int64 }{
		{1_000_000, 8_000_000, 500_000, 2_500_000},
		{2_000_000, 20_000_000, 1_000_000, 4_500_000},
		{5_000_000, 20_000_000, 3_500_000, 11_000_000},
		{20_000_000, 20_000_000, 15_000_000, 20_000_000},
		{20_000_000, 8_000_000, 8_000_000, 8_000_000},
	} {
		t.Run(fmt.Sprint(c.rate, " of ", c.limit), func(t *testing.T) {
			l := newLine(c.rate, c.limit)
			l.run(0, 20_000, 40)
			t.Logf("after 20 s: %d, longest queue %d ms", l.u.Rate(), l.worst)
			if l.u.Rate() < c.low {
				t.Errorf("after 20 s the estimate is %d", l.u.Rate())
			}
			over := 0
			for at := int64(20_000); at < 180_000; at += 2_000 {
				l.worst = 0
				l.run(at, at+2_000, 40)
				if l.u.Rate() < c.low || l.u.Rate() > c.high {
					t.Errorf("at %d ms the estimate is %d, want %d to %d", at, l.u.Rate(), c.low, c.high)
				}
				if l.worst > 500 {
					over++
				}
			}
			if over > 8 {
				t.Errorf("in %d of 80 spans of 2 s the queue was longer than half a second", over)
			}
			t.Logf("at the end: %d", l.u.Rate())
		})
	}
}

// A line that becomes slower is given less at once, and more when it has
// recovered.
func TestUplinkFollowsTheLine(t *testing.T) {
	l := newLine(20_000_000, 20_000_000)
	l.run(0, 30_000, 40)
	was := l.u.Rate()
	l.rate = 3_000_000
	l.run(30_000, 45_000, 40)
	if low := l.u.Rate(); low > 5_000_000 {
		t.Fatalf("from %d the estimate went to %d when the line carried 3 Mbit/s", was, low)
	}
	l.rate = 20_000_000
	l.run(45_000, 150_000, 40)
	if l.u.Rate() < 10_000_000 {
		t.Errorf("the line recovered, the estimate is %d", l.u.Rate())
	}
}

// While this machine and those of the neighbours are busy, round trips grow by
// hundreds of ms and no queue is anywhere. Twenty seconds after that the viewer
// carries its children as before.
func TestUplinkOutlivesABusyMachine(t *testing.T) {
	for _, c := range []struct {
		name       string
		demand     int
		own, other bool
	}{{"this machine", 7, true, false}, {"the neighbours'", 7, false, true}, {"all", 7, true, true}, {"this machine, of two children", 2, true, false}} {
		t.Run(c.name, func(t *testing.T) {
			l := newLine(20_000_000, 8_000_000)
			l.run(0, 15_000, c.demand)
			before, carried := l.u.Rate(), l.children
			if carried != c.demand {
				t.Fatalf("%d children before, of an estimate of %d", carried, before)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			var next [8]int64 // when each machine is held up again, this one the last
			for now := int64(15_000); now < 35_000; now += 5 {
				for i := range next {
					if now < next[i] || i < 7 && !c.other || i == 7 && !c.own {
						continue
					}
					until := now + 200 + rng.Int64N(300)
					next[i] = until + 100 + rng.Int64N(800)
					if i == 7 {
						l.held = until
					} else {
						l.awayAt[fmt.Sprint("c", i)] = until
					}
				}
				l.run(now, now+5, c.demand)
			}
			if c.own && l.u.Rate() < before {
				t.Errorf("before %d, after the noise %d", before, l.u.Rate())
			}
			l.run(35_000, 55_000, c.demand)
			if l.children != carried || l.u.Rate() < before*3/4 {
				t.Errorf("20 s later %d children of %d, an estimate of %d of %d", l.children, carried, l.u.Rate(), before)
			}
		})
	}
}

// Without demand there is no evidence, so nothing grows.
func TestUplinkNeedsEvidence(t *testing.T) {
	l := newLine(20_000_000, 20_000_000)
	l.run(0, 60_000, 0)
	if l.u.Rate() != UplinkStart || l.u.Measured() {
		t.Fatalf("%d without a child, measured %v", l.u.Rate(), l.u.Measured())
	}
	l.run(60_000, 120_000, 2)
	if l.u.Rate() > 5_000_000 {
		t.Errorf("%d with two children of half a megabit a second", l.u.Rate())
	}
}

// A single neighbour on a bad path does not make the uplink small.
func TestUplinkIgnoresOneBadPath(t *testing.T) {
	u := NewUplink(8_000_000, 0, 0)
	for now := int64(0); now < 30_000; now += 100 {
		for _, p := range []string{"a", "b", "bad"} {
			u.Sent(p, 12_000)
			held, rtt := int64(0), int64(40)
			if p == "bad" {
				held, rtt = 200_000, 900
			}
			u.Buffered(p, held)
			if now > 0 && u.WantsPing(p, now) {
				u.RoundTrip(p, rtt, now)
			} else if now == 0 {
				u.RoundTrip(p, 40, now)
			}
		}
		u.Tick(now)
	}
	if u.Rate() != 8_000_000 {
		t.Errorf("estimate %d", u.Rate())
	}
}

// While the own download is late, half the queueing is too much already.
func TestUplinkYieldsToTheDownload(t *testing.T) {
	run := func(behind bool) int64 {
		u := NewUplink(8_000_000, 0, 0)
		for now := int64(0); now < 6_000; now += 100 {
			u.Sent("a", 12_000)
			u.Buffered("a", 0)
			rtt := int64(40)
			if now > 1_000 {
				rtt = 110
			}
			if u.WantsPing("a", now) || now == 0 {
				u.RoundTrip("a", rtt, now)
			}
			if behind {
				u.Behind()
			}
			u.Tick(now)
		}
		return u.Rate()
	}
	if with, without := run(true), run(false); with >= UplinkStart || without < UplinkStart {
		t.Errorf("behind %d, in time %d", with, without)
	}
}

func TestUplinkStaysInItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(0, 100_000_000).Draw(t, "limit")
		u := NewUplink(limit, rapid.Int64Range(0, 200_000_000).Draw(t, "start"), 0)
		now := int64(0)
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			now += rapid.Int64Range(0, 3_000).Draw(t, "pause")
			p := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "peer")
			u.Sent(p, rapid.Int64Range(0, 1_000_000).Draw(t, "sent"))
			u.Buffered(p, rapid.Int64Range(0, 500_000).Draw(t, "held"))
			u.RoundTrip(p, rapid.Int64Range(0, 5_000).Draw(t, "rtt"), now)
			if rapid.Bool().Draw(t, "late") {
				u.Behind()
			}
			u.Tick(now)
			if u.Rate() < min(uplinkFloor, limit) || u.Rate() > limit || u.Pace() > limit || u.Pace() < u.Rate() {
				t.Fatalf("rate %d, pace %d of %d", u.Rate(), u.Pace(), limit)
			}
		}
	})
}
