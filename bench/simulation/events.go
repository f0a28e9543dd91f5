package simulation

// kind is what an event is.
type kind uint8

const (
	evJoin        kind = iota + 1 // viewer v comes
	evLeave                       // and goes
	evCatalog                     // v has the catalog
	evStart                       // v knows where to start
	evTick                        // of v's loop
	evFrame                       // message m arrives
	evWake                        // l's association may send again
	evOffer                       // l's offer has reached the tracker; then v
	evLinkUp                      // the connection of l works
	evLinkFailed                  // it does not
	evLinkClosed                  // the other side has closed l
	evToTracker                   // message m of v has reached the tracker
	evFlush                       // the tracker sends assignments
	evFromTracker                 // message m has reached v
	evSweep                       // of the tracker
	evPublish                     // the edge has part m of all tracks
	evFeedUp                      // v's feed is open
	evFeedAsk                     // v's message m has reached the edge by the feed
	evFetched                     // v's request m is answered
	evSecond                      // of the measurement
	evSlump                       // the uplinks change
	evSlow                        // l sends message m at last
)

// event is something that happens to viewer v or link l at a time in µs.
type event struct {
	at  int64
	seq uint32 // events of one time happen in the order in which they were made
	gen uint32 // of message m, see pool
	l   *link
	a   *association // of evWake
	v   int32
	m   int32
	do  kind
}

// timeline is a heap of events with four children a node: fewer levels, and
// the children share cache lines.
// Ticks are half of all events, and all of one period: each comes after those
// that were made before it, so they need no heap.
type timeline struct {
	h     []event
	ticks ring
	seq   uint32
	now   int64
}

// ring is a queue of ticks.
type ring struct {
	all     []tick // as many as a power of two
	head, n int
}

// tick is an evTick of viewer v.
type tick struct {
	at  int64
	seq uint32
	v   int32
}

func (r *ring) add(x tick) {
	if r.n == len(r.all) {
		all := make([]tick, max(2*len(r.all), 16))
		for i := range r.n {
			all[i] = r.all[(r.head+i)&(len(r.all)-1)]
		}
		r.all, r.head = all, 0
	}
	r.all[(r.head+r.n)&(len(r.all)-1)] = x
	r.n++
}

func (r *ring) take() tick {
	x := r.all[r.head]
	r.head = (r.head + 1) & (len(r.all) - 1)
	r.n--
	return x
}

// tick makes v's next tick, a period from now.
func (t *timeline) tick(v int32) {
	t.seq++
	t.ticks.add(tick{t.now + tickEvery, t.seq, v})
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

func (t *timeline) add(e event) {
	t.seq++
	e.seq = t.seq
	e.at = max(e.at, t.now)
	t.h = append(t.h, e)
	i := len(t.h) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(&t.h[up]) {
			break
		}
		t.h[i] = t.h[up]
		i = up
	}
	t.h[i] = e
}

// next takes the earliest event off and moves the clock to it.
func (t *timeline) next() (event, bool) {
	n := len(t.h) - 1
	if t.ticks.n > 0 {
		if x := &t.ticks.all[t.ticks.head]; n < 0 || x.at < t.h[0].at || x.at == t.h[0].at && x.seq < t.h[0].seq {
			x := t.ticks.take()
			t.now = x.at
			return event{at: x.at, seq: x.seq, do: evTick, v: x.v}, true
		}
	}
	if n < 0 {
		return event{}, false
	}
	first, last := t.h[0], t.h[n]
	t.h[n] = event{}
	t.h = t.h[:n]
	i := 0
	for n > 0 {
		best := 4*i + 1
		if best >= n {
			break
		}
		for c := best + 1; c < min(4*i+5, n); c++ {
			if t.h[c].before(&t.h[best]) {
				best = c
			}
		}
		if !t.h[best].before(&last) {
			break
		}
		t.h[i] = t.h[best]
		i = best
	}
	if n > 0 {
		t.h[i] = last
	}
	t.now = first.at
	return first, true
}

// rng is a small fast generator (SplitMix64): what is drawn for each packet.
type rng struct{ s uint64 }

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *rng) next() uint64 {
	r.s += 0x9e3779b97f4a7c15
	return mix(r.s)
}

// float is even in [0, 1).
func (r *rng) float() float64 { return float64(r.next()>>11) / (1 << 53) }

// upTo is even in [0, n).
func (r *rng) upTo(n int64) int64 {
	if n <= 0 {
		return 0
	}
	return int64(r.next()>>1) % n
}
