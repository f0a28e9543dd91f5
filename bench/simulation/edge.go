package simulation

import (
	"math"
	"math/bits"
	"slices"

	"starling/internal/media"
	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

// feedIdle ms without a subscription the feed is closed.
const feedIdle = 10_000

// feed is a viewer's connection over which the edge pushes slices: TCP, so
// frames come in order.
type feed struct {
	want    [3]feedWant // by track
	running bool
	up      bool
	begun   bool // was open before
	idleAt  int64
	session uint32 // frames of an earlier connection are void

	// The edge's side.
	subs [3]feedSub
	out  *association
}

// feedWant is what is wanted of a track: slices, each from a part on, and with
// an end, which is not 0, only what is before it.
type feedWant struct {
	slices      peerwire.SliceMask
	from, until [peerwire.MaxSlices]int32
}

// feedSub is what the edge pushes of one track.
type feedSub struct {
	slices  peerwire.SliceMask
	until   [peerwire.MaxSlices]int32 // where a slice ends; 0: it does not
	at      int32                     // the newest part pushed
	headers []int32                   // sent
}

// wanted gives the slices that are pushed of a part.
func (u *feedSub) wanted(n int32) peerwire.SliceMask {
	m := u.slices
	for s, end := range u.until {
		if end != 0 && end <= n {
			m &^= 1 << s
		}
	}
	return m
}

// end notes where slices end and gives those that had ended by part from and go
// on now.
func (u *feedSub) end(mask peerwire.SliceMask, from, until int32) (more peerwire.SliceMask) {
	for s, old := range u.until {
		if !mask.Has(s) {
			continue
		}
		if u.slices.Has(s) && old != 0 && old <= from {
			more = more.With(s)
		}
		u.until[s] = until
	}
	return more
}

func (v *viewer) feedSubscribe(a *peerstate.Action) {
	w := &v.feed.want[a.Key.Track]
	from, until := v.c.stream.number(a.Key.ID), v.c.stream.end(a.Until)
	for s := range peerwire.MaxSlices {
		if !a.Slices.Has(s) {
			continue
		}
		begin := from
		if w.slices.Has(s) && !v.feed.up && w.until[s] == from {
			begin = w.from[s] // it goes on where the first one, not yet sent, ends
		}
		w.from[s], w.until[s] = begin, until
	}
	w.slices |= a.Slices
	v.feed.idleAt = 0
	if !v.feed.running {
		v.openFeed()
		return
	}
	v.feedSend(peerwire.TypeSubscribe, a.Key.Track, a.Slices, from, until)
}

func (v *viewer) openFeed() {
	v.feed.running = true
	v.c.t.add(event{at: v.c.t.now + v.c.setupEdge(v), do: evFeedUp, v: v.i})
}

func (v *viewer) feedUnsubscribe(a *peerstate.Action) {
	v.feed.want[a.Key.Track].slices &^= a.Slices
	v.feedSend(peerwire.TypeUnsubscribe, a.Key.Track, a.Slices, 0, 0)
	if !v.feed.wanted() {
		v.feed.idleAt = v.now()
	}
}

func (f *feed) wanted() bool {
	return slices.ContainsFunc(f.want[:], func(w feedWant) bool { return w.slices != 0 })
}

func (v *viewer) feedSend(kind peerwire.Type, track uint8, mask peerwire.SliceMask, n, until int32) {
	if !v.feed.up {
		return
	}
	w := peerwire.Subscribe{Track: track, Slices: mask, Part: v.c.stream.id(n)}
	if until != 0 {
		w.Flags, w.Until = peerwire.Ends, v.c.stream.id(until)
	}
	size := frameSize(w, &v.c.buf)
	v.stats.ControlBytes += uint64(size)
	v.stats.ControlSent += uint64(size)
	m, gen := v.c.pool.put(frame{kind: uint8(kind), key: peerstate.Key{Track: track}, n: n, first: until, slices: uint16(mask), deadline: int32(v.feed.session)})
	v.c.t.add(event{at: v.c.t.now + v.delay, do: evFeedAsk, v: v.i, m: m, gen: gen})
}

// feedUp is when the connection is open: at first before anything is wanted.
func (v *viewer) feedUp() {
	f := &v.feed
	f.up = true
	f.session++
	f.subs = [3]feedSub{}
	out := v.c.newAssociation(&tcp, &v.c.edgeLine, &v.line, v.delay, v.jitter, v.loss, event{do: evFrame, v: v.i})
	f.out = &out
	v.c.feeds = append(v.c.feeds, v.i)
	for i := len(v.tracks) - 1; i >= 0; i-- { // the edge's pushers take turns: small frames do not wait for large ones
		v.feedRenew(&v.tracks[i])
	}
	f.begun = f.begun || f.wanted()
	v.do(v.state.NeighbourUp(peerstate.Edge, v.now()))
}

// feedRenew subscribes anew, slices with the same bounds together.
func (v *viewer) feedRenew(t *vtrack) {
	w := v.feed.want[t.number]
	if v.feed.begun {
		for s := range w.from {
			if w.from[s] = t.newest + 1; w.until[s] != 0 {
				w.until[s] = max(w.until[s], w.from[s])
			}
		}
	}
	for left := w.slices; left != 0; {
		first := bits.TrailingZeros16(uint16(left))
		var mask peerwire.SliceMask
		for s := range t.slices {
			if left.Has(s) && w.from[s] == w.from[first] && w.until[s] == w.until[first] {
				mask = mask.With(s)
			}
		}
		left &^= mask
		v.feedSend(peerwire.TypeSubscribe, t.number, mask, w.from[first], w.until[first])
	}
}

// tendFeed closes an idle feed, unless it is the backup of a slice.
func (v *viewer) tendFeed(now int64) {
	if f := &v.feed; f.up && !f.wanted() && now-f.idleAt > feedIdle && !v.state.EdgeBacksUp() {
		v.feedDown()
	}
}

func (v *viewer) feedDown() {
	f := &v.feed
	f.up, f.running = false, false
	f.session++
	v.unsend(func(*frame) bool { return true })
	v.c.drop(f.out)
	if i := slices.Index(v.c.feeds, v.i); i >= 0 {
		v.c.feeds = slices.Delete(v.c.feeds, i, i+1)
	}
}

// onFeedAsk is the edge's answer to SUBSCRIBE and UNSUBSCRIBE.
func (v *viewer) onFeedAsk(f *frame) {
	if !v.feed.up || uint32(f.deadline) != v.feed.session {
		return
	}
	sub, mask := &v.feed.subs[f.key.Track], peerwire.SliceMask(f.slices)
	if peerwire.Type(f.kind) == peerwire.TypeUnsubscribe {
		sub.slices &^= mask
		v.unsend(func(x *frame) bool {
			return x.key.Track == f.key.Track && peerwire.Type(x.kind) == peerwire.TypeChunk &&
				mask.Has(media.SliceOf(v.c.stream.shape(x.key.Track, x.n).chunks, v.track(x.key.Track).slices, int(x.first)))
		})
		return
	}
	t := v.track(f.key.Track)
	newest := v.c.stream.newest(v.c.t.now)
	if sub.slices == 0 {
		sub.slices, sub.at, sub.until = mask, f.n-1, [peerwire.MaxSlices]int32{}
		sub.end(mask, f.n, f.first)
		for n := max(f.n, v.c.stream.base); n <= newest; n++ {
			v.pushPart(t, n, sub.wanted(n))
		}
		sub.at = max(sub.at, newest)
		return
	}
	added := mask&^sub.slices | sub.end(mask, f.n, f.first)
	sub.slices |= mask
	for n := max(f.n, v.c.stream.base); added != 0 && n <= sub.at; n++ {
		v.pushPart(t, n, added&sub.wanted(n))
	}
}

// pushPart sends the header and the chunks of some slices, which may be none.
func (v *viewer) pushPart(t *vtrack, n int32, mask peerwire.SliceMask) {
	c, sub := v.c, &v.feed.subs[t.number]
	k, sh := v.key(t, n), c.stream.shape(t.number, n)
	if !slices.Contains(sub.headers, n) {
		if len(sub.headers) >= 64 {
			sub.headers = append(sub.headers[:0], sub.headers[32:]...)
		}
		sub.headers = append(sub.headers, n)
		v.feedFrame(frame{kind: uint8(peerwire.TypeHeader), key: k, n: n, size: int32(sh.header + 1)})
	}
	sources := v.state.Sources(t.number)
	for s := range t.slices {
		if !mask.Has(s) {
			continue
		}
		why := v.pushCause(t, s, n, sources)
		first, end := sliceChunks(sh.chunks, t.slices, s)
		for i := first; i < end; i++ {
			c.edgeSends(why, sh.chunk(i))
			v.feedFrame(frame{kind: uint8(peerwire.TypeChunk), key: k, n: n, first: int32(i), size: int32(sh.chunk(i) + chunkPrefix), flags: uint8(why)})
		}
	}
}

// feedLag is how far behind a feed may fall before it is taken to the newest
// part (docs/peer.md, "Feed" rule 3), µs.
const feedLag = 4_000_000

// catchUpFeed leaves out what a slow feed has not sent yet, when that is too
// old.
func (v *viewer) catchUpFeed(newest int32) {
	a, s := v.feed.out, v.c.stream
	if len(a.chunks) > 0 && s.pdt(newest)-s.pdt(v.c.pool.all[a.chunks[0].m].n) > feedLag {
		v.unsend(func(*frame) bool { return true })
	}
}

// feedFrame puts a frame on the feed.
func (v *viewer) feedFrame(f frame) {
	c := v.c
	f.deadline = int32(v.feed.session)
	m, _ := c.pool.put(f)
	c.transmit(v.feed.out, m, int(f.size), true)
}

// answerTime is how long an answer of that many bytes takes beyond half a round
// trip: windows that double from ten packets on, and losses.
func (c *cell) answerTime(v *viewer, bytes int) int64 {
	took := c.rand.upTo(v.jitter)
	for window := int(tcp.initial); bytes > window; window *= 2 {
		bytes -= window
		took += 2 * v.delay
	}
	packets := float64(bytes/1460 + 1)
	if v.loss > 0 && c.rand.float() < 1-math.Pow(1-v.loss, packets) {
		took += 2*v.delay + 2000
	}
	return took
}

// onFeedFrame takes a frame of the feed.
func (v *viewer) onFeedFrame(f *frame) {
	if !v.feed.up || uint32(f.deadline) != v.feed.session {
		return
	}
	t := v.track(f.key.Track)
	if peerwire.Type(f.kind) == peerwire.TypeChunk {
		v.onChunk(t, f.n, f.first, edgeIndex, false)
		return
	}
	v.stats.ControlBytes += uint64(f.size)
	v.onHeader(t, f.n, edgeIndex)
}

// fetching is a fetch from the edge under way; count 0 is the whole part.
type fetching struct {
	track        uint8
	n            int32
	first, count int32
}

// fetch gets chunks, or a whole part, from the edge by HTTP.
func (v *viewer) fetch(a *peerstate.Action) {
	t, p := v.partOf(a.Key)
	if p == nil {
		return
	}
	x := fetching{a.Key.Track, p.n, int32(a.First), int32(a.Count)}
	if slices.Contains(v.fetches, x) {
		return
	}
	v.fetches = append(v.fetches, x)
	c, sh := v.c, v.c.stream.shape(t.number, p.n)
	size := sh.size
	if a.Count > 0 {
		size = sh.bytes(a.First, a.Count)
	}
	c.edgeSends(v.fetchCause(t.number, media.SliceOf(max(sh.chunks, 1), t.slices, a.First)), size)
	answered := max(c.t.now+v.delay, c.stream.published(p.n))
	at := answered + v.delay + c.answerTime(v, size)
	m, gen := c.pool.put(frame{key: a.Key, n: p.n, first: x.first, count: x.count, size: int32(size), whole: a.Count == 0, sent: c.t.now})
	c.t.add(event{at: at, do: evFetched, v: v.i, m: m, gen: gen})
}

// fetched takes the bytes of a fetch. The whole part comes with its header.
func (v *viewer) fetched(f *frame) {
	if v.gone {
		return
	}
	if i := slices.Index(v.fetches, fetching{f.key.Track, f.n, f.first, f.count}); i >= 0 {
		v.fetches = slices.Delete(v.fetches, i, i+1)
	}
	v.stats.HTTPBytes += uint64(f.size)
	v.state.EdgeAnswered(int(f.size), v.delay/500, (v.c.t.now-f.sent)/1000)
	t := v.track(f.key.Track)
	p := t.part(f.n)
	if p == nil {
		v.stats.DuplicateBytes += uint64(f.size)
		return
	}
	first, count := f.first, f.count
	if f.whole {
		v.onHeader(t, f.n, edgeIndex)
		first, count = 0, int32(v.c.stream.shape(t.number, f.n).chunks)
	}
	for i := first; i < first+count; i++ {
		if p = t.part(f.n); p == nil {
			break
		}
		v.takeChunk(t, p, i, edgeIndex, false, viaHTTP)
	}
	v.do(v.state.EdgeDone(f.key, int(f.first), int(f.count), true, v.now()))
}

// refresh reads a track's playlist, one at a time; with until it is answered
// when that part is listed.
func (v *viewer) refresh(t *vtrack, until int32, now int64) {
	if t.refreshing || now < t.retryAt {
		return
	}
	t.refreshing = true
	v.stats.Playlists++
	c := v.c
	answered := c.t.now + v.delay
	if until > 0 {
		answered = max(answered, c.stream.published(until))
	}
	m, gen := c.pool.put(frame{key: peerstate.Key{Track: t.number}, n: c.stream.newest(answered), deadline: int32(now), count: -1})
	c.t.add(event{at: answered + v.delay, do: evFetched, v: v.i, m: m, gen: gen})
}

// takePlaylist makes the parts known that it lists.
func (v *viewer) takePlaylist(f *frame) {
	t := v.track(f.key.Track)
	t.refreshing, t.refreshedAt = false, int64(f.deadline)
	for n := max(t.from, v.c.stream.base, f.n-playlistParts); n <= f.n; n++ {
		if v.learn(t, n) != nil {
			v.exists(t, n)
		}
	}
	v.advance(v.now())
}

// playlistParts is how many parts a playlist lists.
const playlistParts = 18
