package peerstate

import (
	"container/heap"
	"fmt"

	"starling/internal/media"
)

// A swarm of many viewers in virtual time: the policy of each, its upload
// queue and token bucket, a line with a queue of its own below it, and an edge
// that pushes and answers at once. Only the shells are left out.

const (
	worldPartMS  = 333
	worldChunks  = 8
	worldChunk   = 10_400 // bytes: 2 Mbit/s
	worldSlices  = 4
	worldBitrate = worldChunks * worldChunk * 8 * 1000 / worldPartMS
	worldOneWay  = 25  // ms between viewers
	worldHTTP    = 60  // ms of a request to the edge
	worldBuffer  = 900 // ms from a part's end to its deadline
)

type event struct {
	at, seq int64
	do      func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any     { o := *e; x := o[len(o)-1]; *e = o[:len(o)-1]; return x }

type world struct {
	now     int64
	seq     int64
	events  events
	viewers []*worldViewer
	byID    map[string]*worldViewer
	share   int64      // percent of their capacity that lines have now
	cpu     *worldLine // when set, every chunk passes it first
	parts   int        // published
	from    int64      // statistics begin
}

// worldLine is a queue that is served at a rate.
type worldLine struct {
	bytesPerMS float64
	freeAt     float64
}

// pass gives the time when size bytes have left.
func (l *worldLine) pass(now, size, share int64) int64 {
	l.freeAt = max(l.freeAt, float64(now)) + float64(size)*100/(l.bytesPerMS*float64(share))
	return int64(l.freeAt)
}

type worldViewer struct {
	w        *world
	id       string
	v        *Viewer
	bucket   *Bucket
	up       worldLine
	queues   map[string]*ChildQueue
	buffered map[string]int
	ids      []string                // of the queues
	headers  map[string]map[Key]bool // sent
	early    map[Key][]func()
	feed     map[int]media.PartID // slices pushed by the edge, and from where
	gone     bool
	mute     func(Action) bool // actions that are not carried out: an adversary
	delay    int64             // ms by which it sends late
	lie      bool              // announces every part, and answers no request
	old      bool              // of the version before SUBSCRIBE's flags, WANT and lasting CANCELs
	// received since the statistics began, bytes
	peer, edge, wasted int
	late, complete     int // parts
	completeAt         map[media.PartID]int64
	lost               []string
}

func (w *world) after(ms int64, do func()) {
	w.seq++
	heap.Push(&w.events, event{w.now + ms, w.seq, do})
}

// worldID numbers parts in segments of six.
func worldID(n int) media.PartID { return media.PartID{MSN: 100 + uint64(n/6), Index: uint64(n % 6)} }

func (w *world) edgeTime(id media.PartID) int64 {
	return int64(int(id.MSN-100)*6+int(id.Index)) * worldPartMS
}

// newWorld makes n viewers in trees of a fan-out: viewer i is interior in the
// tree of slice i mod K and a leaf in the others.
func newWorld(n, fanOut, uplink int) *world {
	w := &world{byID: map[string]*worldViewer{}, share: 100}
	for i := range n {
		x := &worldViewer{w: w, id: fmt.Sprintf("v%03d", i), v: New(Rules{}, uplink), bucket: NewBucket(uplink, 0), up: worldLine{bytesPerMS: float64(uplink) / 8000},
			queues: map[string]*ChildQueue{}, buffered: map[string]int{}, headers: map[string]map[Key]bool{}, early: map[Key][]func(){},
			feed: map[int]media.PartID{}, completeAt: map[media.PartID]int64{}}
		x.v.Seed(uint32(i)*2_654_435_761 + 1)
		w.viewers, w.byID[x.id] = append(w.viewers, x), x
	}
	sources := make([][]SliceSource, n)
	for i := range sources {
		sources[i] = make([]SliceSource, worldSlices)
	}
	for s := range worldSlices {
		var order []int
		for _, interior := range []bool{true, false} {
			for i := range n {
				if (i%worldSlices == s) == interior {
					order = append(order, i)
				}
			}
		}
		for j, i := range order {
			src := SliceSource{Edge, Edge}
			if j > 0 {
				parent := (j - 1) / fanOut
				src.Parent = w.viewers[order[parent]].id
				if parent > 0 {
					src.Backup = w.viewers[order[parent-1]].id
				}
			}
			sources[i][s] = src
		}
	}
	for i, x := range w.viewers {
		for s := range sources[i] {
			for _, id := range []string{sources[i][s].Parent, sources[i][s].Backup} {
				if id != Edge {
					w.byID[id].do(w.byID[id].v.NeighbourUp(x.id, 0))
					x.do(x.v.NeighbourUp(id, 0))
					x.v.RoundTrip(id, 2*worldOneWay)
				}
			}
		}
	}
	for i, x := range w.viewers {
		x.do(x.v.SetTracks([]Track{{Number: 1, Slices: worldSlices, Bitrate: worldBitrate, PartMS: worldPartMS, From: worldID(0)}}, 0))
		x.do(x.v.Assign(1, sources[i], 0))
		w.after(int64(i%25), x.tick)
	}
	w.after(200, func() { w.publish(0) })
	return w
}

func (w *world) run(until int64) {
	for len(w.events) > 0 && w.events[0].at <= until {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = until
}

// measure forgets the counters.
func (w *world) measure() {
	w.from = w.now
	for _, x := range w.viewers {
		x.peer, x.edge, x.wasted, x.late, x.complete = 0, 0, 0, 0, 0
	}
}

func (w *world) publish(n int) {
	w.parts++
	id := worldID(n)
	for _, x := range w.viewers {
		for s, from := range x.feed {
			if !before(id, from) {
				x.pushByEdge(id, s)
			}
		}
	}
	w.after(worldPartMS, func() { w.publish(n + 1) })
}

func (x *worldViewer) deadline(id media.PartID) int64 { return x.w.edgeTime(id) + 200 + worldBuffer }

func (x *worldViewer) pushByEdge(id media.PartID, s int) {
	first, end := media.SliceChunks(worldChunks, worldSlices, s)
	k := Key{1, id}
	x.w.after(worldOneWay, func() { x.header(k, Edge) })
	for i := first; i < end; i++ {
		x.arrive(k, i, Edge, x.w.through(worldChunk/6)+worldOneWay)
	}
}

// through gives the delay of the machine that all share, if there is one: a
// chunk of the edge costs a sixth of one between viewers.
func (w *world) through(size int64) int64 {
	if w.cpu == nil {
		return 0
	}
	return w.cpu.pass(w.now, size, w.share) - w.now
}

func (x *worldViewer) arrive(k Key, chunk int, from string, delay int64) {
	x.w.after(delay, func() {
		if !x.gone {
			x.v.Heard(from, x.w.now)
			x.take(k, chunk, from)
		}
	})
}

func (x *worldViewer) take(k Key, chunk int, from string) {
	if x.v.Held(k) == nil {
		if !x.v.Knows(k) || x.v.track(1).part(k.ID) != nil {
			x.do(x.v.Exists(k, x.deadline(k.ID), x.w.now))
			x.do(x.v.Early(k, from, x.w.now))
			x.early[k] = append(x.early[k], func() { x.take(k, chunk, from) })
			return
		}
		x.wasted += worldChunk
		return
	}
	verdict, as := x.v.Chunk(k, chunk, from, true, x.w.now)
	switch {
	case verdict != Useful:
		x.wasted += worldChunk
	case from == Edge:
		x.edge += worldChunk
	default:
		x.peer += worldChunk
	}
	x.do(as)
}

func (x *worldViewer) header(k Key, from string) {
	if x.gone {
		return
	}
	x.do(x.v.Header(k, worldChunks, from, x.deadline(k.ID), x.w.now))
	held := x.early[k]
	delete(x.early, k)
	for _, f := range held {
		f()
	}
}

func (x *worldViewer) tick() {
	if x.gone {
		return
	}
	x.do(x.v.Tick(x.w.now))
	for _, id := range x.ids {
		x.queues[id].Expire(x.w.now)
	}
	x.pump()
	x.w.after(25, x.tick)
}

func (x *worldViewer) pump() {
	for sent := true; sent; {
		sent = false
		for _, id := range x.ids {
			x.queues[id].SetMark(MarkOf(x.v.Committed(id)))
			c, ok := x.queues[id].Next(x.bucket, x.buffered[id], x.w.now)
			if !ok {
				continue
			}
			sent = true
			x.buffered[id] += c.Size
			delay := x.w.through(int64(c.Size))
			delay = max(delay, x.up.pass(x.w.now, int64(c.Size), x.lineShare())-x.w.now)
			x.w.after(delay, func() { x.buffered[id] -= c.Size; x.pump() })
			x.w.byID[id].arrive(c.Key, c.Chunk, x.id, delay+x.delay+worldOneWay)
		}
	}
}

func (x *worldViewer) lineShare() int64 {
	if x.w.cpu != nil {
		return 100
	}
	return x.w.share
}

// tell runs f at another viewer after a one-way delay.
func (x *worldViewer) tell(id string, f func(o *worldViewer)) {
	o := x.w.byID[id]
	x.w.after(worldOneWay, func() {
		if !o.gone && !x.gone {
			o.v.Heard(x.id, x.w.now)
			f(o)
		}
	})
}

func (x *worldViewer) queue(id string) *ChildQueue {
	if x.queues[id] == nil {
		x.queues[id] = &ChildQueue{}
		x.ids = append(x.ids, id)
	}
	return x.queues[id]
}
