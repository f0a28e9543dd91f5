package simulation

import (
	"math"

	"starling/bench/profile"
	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

// Times of the viewer's loop, as internal/peer has them.
const (
	tickEvery = 25_000 // µs
	// linksEvery is how many ticks lie between two looks at the links: their
	// limits are seconds.
	linksEvery = 4
	// restTicks is after how many ticks the policy is asked although every part
	// that is known is complete.
	restTicks = 8
)

// viewer is one simulated viewer: internal/peer's shell around the policy,
// without its goroutine.
type viewer struct {
	c      *cell
	i      int32
	id     string
	who    *profile.Viewer
	bad    Behaviour
	state  *peerstate.Viewer
	bucket *peerstate.Bucket
	uplink int // the most that may be used, bit/s
	// measured is the estimate, told what the tracker knows of it, and lateParts
	// what it was told of the own download.
	measured  *peerstate.Uplink
	told      int64
	lateParts uint64

	start   int64 // µs
	delay   int64 // µs to the edge, one way
	jitter  int64
	loss    float64
	line    line
	running bool // its loop runs
	gone    bool
	goneAt  int64

	tracks   []vtrack
	play     playback
	links    []*link
	peers    []int32 // of links, in the same order
	turns    peerstate.Turns
	queued   int // chunks that wait for the bucket or a channel
	feed     feed
	haves    []have
	haveAt   int64           // the first of them comes, µs
	dueHaves []have          // scratch
	whole    []peerstate.Key // complete since the last tick
	fetches  []fetching
	// What waits for the loop to run: connections that are open already, frames
	// that came by them, and the latest assignment.
	greets   []*link
	held     []event
	assigned word

	revision uint64
	joined   bool
	beaconAt int64

	todo  []peerstate.Action
	doing bool
	ticks int
	open  int // parts known and not complete
	stats counters

	// lost has, by track and slice, when the parent left it, µs; 0: it flows.
	lost   [3][peerwire.MaxSlices]int64
	lostOf [3][peerwire.MaxSlices]int32
	// Why the edge sends it what: see copies.go.
	ways    [3][peerwire.MaxSlices]way
	sources [3][peerwire.MaxSlices]string // the neighbour that was last asked to push
	why     cause
	there   int32 // the newest part when it came
}

// vtrack is a track that a viewer plays.
type vtrack struct {
	strack
	from  int32 // playback starts here
	base  int32 // number of the first of parts
	parts []*part
	// newest part known; from-1 before the first.
	newest int32
	cur    int32 // the part consumed last
	any    bool  // something was consumed

	progressAt  int64                     // ms, when newest became known
	usual       [peerwire.MaxSlices]int64 // µs from a part's media to its slice, last time
	refreshing  bool
	refreshedAt int64
	missingAt   int64
	retryAt     int64
}

// part is what a viewer knows of one part.
type part struct {
	n        int32
	seenAt   int64
	header   bool
	complete bool
	early    []early
	// firstAny is when the first chunk came, and first when that of each slice
	// did, µs.
	firstAny int64
	first    [peerwire.MaxSlices]int64
}

// early is a chunk that came before the header.
type early struct {
	from  int32
	chunk int32
	bad   bool
	at    int64
}

// edgeIndex stands for the edge among viewers.
const edgeIndex = -1

func (v *viewer) now() int64 { return (v.c.t.now - v.start) / 1000 }

func (v *viewer) track(number uint8) *vtrack {
	if number == 0 || int(number) > len(v.tracks) {
		return nil
	}
	return &v.tracks[number-1]
}

// part finds a part; nil when it is unknown or over.
func (t *vtrack) part(n int32) *part {
	if i := n - t.base; i >= 0 && int(i) < len(t.parts) {
		return t.parts[i]
	}
	return nil
}

func (v *viewer) key(t *vtrack, n int32) peerstate.Key {
	return peerstate.Key{Track: t.number, ID: v.c.stream.id(n)}
}

func (v *viewer) partOf(k peerstate.Key) (*vtrack, *part) {
	t := v.track(k.Track)
	if t == nil {
		return nil, nil
	}
	return t, t.part(v.c.stream.number(k.ID))
}

// name of a viewer by its index, as the policy knows it.
func (c *cell) name(i int32) string {
	if i == edgeIndex {
		return peerstate.Edge
	}
	return c.viewers[i].id
}

// tick is what internal/peer does every 25 ms.
func (v *viewer) tick() {
	now := v.now()
	v.ticks++
	if v.open > 0 || v.ticks%restTicks == 0 {
		v.do(v.state.Tick(now))
	}
	v.advance(now)
	v.watch(now)
	if len(v.whole) > 0 {
		v.announce()
	}
	if v.ticks%linksEvery == 0 {
		v.tendLinks(now)
		v.tendFeed(now)
		v.tendUplink(now)
	}
	if v.queued > 0 {
		v.upload()
	}
	v.beacon(now)
	if !v.gone {
		v.c.t.tick(v.i)
	}
}

// do carries the policy's actions out, in order. Actions that come up
// meanwhile are carried out after them.
func (v *viewer) do(as []peerstate.Action) {
	if len(as) == 0 {
		return
	}
	v.todo = append(v.todo, as...)
	if v.doing {
		return
	}
	v.doing = true
	for i := 0; i < len(v.todo); i++ {
		v.act(&v.todo[i])
	}
	v.todo, v.doing = v.todo[:0], false
}

func (v *viewer) act(p *peerstate.Action) {
	a := *p // what it brings about may move the list
	switch a.Kind {
	case peerstate.ForwardHeader:
		v.sendHeader(&a)
	case peerstate.Forward:
		v.queueChunks(&a)
	case peerstate.Subscribe:
		v.notes(&a)
		if a.Peer == peerstate.Edge {
			v.feedSubscribe(&a)
			return
		}
		v.stats.Switches++
		v.sendTo(&a, peerwire.TypeSubscribe)
	case peerstate.WantHeader:
		v.sendTo(&a, peerwire.TypeWant)
	case peerstate.Unsubscribe:
		if a.Peer == peerstate.Edge {
			v.feedUnsubscribe(&a)
			return
		}
		v.sendTo(&a, peerwire.TypeUnsubscribe)
	case peerstate.Request:
		v.stats.Requests++
		a.DeadlineMS = min(max(a.DeadlineMS, 0), peerwire.MaxDeadlineMS)
		v.sendTo(&a, peerwire.TypeRequest)
	case peerstate.Cancel:
		v.sendTo(&a, peerwire.TypeCancel)
	case peerstate.Fetch, peerstate.FetchAll:
		v.stats.Fetches++
		v.fetch(&a)
	case peerstate.Refuse:
		v.sendTo(&a, peerwire.TypeRefuse)
	case peerstate.ReportBad:
		v.reportBad(&a)
	case peerstate.ReportLost:
		v.tellLost(a.Peer, a.Lost)
	case peerstate.Deliver:
		v.deliver(a.Key)
	case peerstate.Announce:
		v.whole = append(v.whole, a.Key)
	case peerstate.Ping:
		if l := v.linkBy(a.Peer); l != nil {
			v.ping(l, v.now())
		}
	case peerstate.GiveUp:
		v.stats.Skipped++
		v.forget(a.Key)
	case peerstate.Drop:
		v.forget(a.Key)
	}
}

// forget drops a part.
func (v *viewer) forget(k peerstate.Key) {
	t, p := v.partOf(k)
	if p == nil {
		return
	}
	if !p.complete {
		v.open--
	}
	t.parts[p.n-t.base] = nil
	v.c.freePart(p)
	n := 0
	for n < len(t.parts) && t.parts[n] == nil {
		n++
	}
	t.parts = append(t.parts[:0], t.parts[n:]...)
	t.base += int32(n)
}

// newPart and freePart keep parts from being allocated again and again.
func (c *cell) newPart(n int32) *part {
	if k := len(c.spareParts); k > 0 {
		p := c.spareParts[k-1]
		c.spareParts = c.spareParts[:k-1]
		*p = part{n: n, early: p.early[:0]}
		return p
	}
	return &part{n: n}
}

func (c *cell) freePart(p *part) { c.spareParts = append(c.spareParts, p) }

// newViewer makes the viewer of a place in the audience.
func (c *cell) newViewer(i int32, who *profile.Viewer) *viewer {
	o := c.o
	path := o.Profile.Path(nil, who, c.seed)
	v := &viewer{c: c, i: i, who: who, id: viewerID(c.seed, i), start: who.Join.Microseconds(),
		haveAt: math.MaxInt64, why: causeSlow, delay: path.RTT.Microseconds() / 2, jitter: path.Jitter.Microseconds(), loss: path.Loss}
	switch {
	case who.MayUpload && o.KnownUplink:
		v.uplink = int(float64(who.Uplink) * o.Headroom)
	case who.MayUpload:
		v.uplink = unknownUplink
	}
	// Who gives nothing still sends control frames.
	up, down := max(who.Uplink, idleUplink), who.Downlink
	if down <= 0 {
		down = math.MaxInt32
	}
	v.line = line{up: float64(up) / 8e6, down: float64(down) / 8e6, queue: o.Network.Queue.Microseconds()}
	r := rng{c.seed ^ 0xbad<<32 ^ uint64(i)}
	if r.float() < o.Bad {
		v.bad = o.Badly
		// As the live lab has it: much to give, so that it is chosen as parent.
		v.uplink, v.line.up = badUplink, badUplink/8e6
	}
	return v
}

const (
	idleUplink = 512_000 // as bench/network has it
	badUplink  = 20_000_000
	// unknownUplink is the limit of one that measures its line: none.
	unknownUplink = 200_000_000
)

const hexDigits = "0123456789abcdef"

// viewerID is as long as the tracker's. Its end is the index, its begin decides
// ties, so that these do not follow the order of joining.
func viewerID(seed uint64, i int32) string {
	z := mix(seed + uint64(i)*0x9e3779b97f4a7c15)
	var b [16]byte
	for k := range 8 {
		b[k] = hexDigits[z>>(4*k)&15]
		b[15-k] = hexDigits[uint32(i)>>(4*k)&15]
	}
	return string(b[:])
}

// indexOf reads the index off an id.
func indexOf(id string) int32 {
	if len(id) != 16 {
		return edgeIndex
	}
	n := uint32(0)
	for k := 8; k < 16; k++ {
		d := id[k] - '0'
		if d > 9 {
			d = id[k] - 'a' + 10
		}
		n = n<<4 | uint32(d)
	}
	return int32(n)
}
