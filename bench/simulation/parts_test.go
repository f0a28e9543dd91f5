package simulation

import (
	"crypto/ed25519"
	"math"
	"slices"
	"testing"
	"time"

	"starling/internal/media"
	"starling/internal/peerwire"
)

func TestEventsComeInOrder(t *testing.T) {
	var tl timeline
	r := rng{7}
	type entry struct {
		at int64
		m  int32
	}
	var want, got []entry
	made := int32(0)
	add := func(at int64) {
		made++
		want = append(want, entry{at, made})
		tl.add(event{at: at, m: made})
	}
	for range 2000 {
		add(r.upTo(3000) * 100)
	}
	for {
		e, ok := tl.next()
		if !ok {
			break
		}
		if e.do == evTick {
			e.m = e.v
		}
		got = append(got, entry{e.at, e.m})
		if made < 6000 { // ticks, and events of the same time
			made++
			want = append(want, entry{tl.now + tickEvery, made})
			tl.tick(made)
			add(tl.now + tickEvery)
			if made%7 == 0 {
				add(tl.now)
			}
		}
	}
	slices.SortStableFunc(want, func(a, b entry) int { return int(a.at - b.at) })
	if !slices.Equal(got, want) {
		t.Error("events are not in the order of their times, then of their making")
	}
}

func TestEventsAreNotBeforeNow(t *testing.T) {
	var tl timeline
	tl.add(event{at: 10})
	tl.next()
	tl.add(event{at: 3})
	if e, _ := tl.next(); e.at != 10 {
		t.Errorf("an event at %d, the time is 10", e.at)
	}
}

func TestPoolForgetsMessagesOnce(t *testing.T) {
	var p pool
	m, gen := p.put(frame{n: 1})
	if x, ok := p.take(m, gen); !ok || x.n != 1 {
		t.Fatal(x, ok)
	}
	if _, ok := p.take(m, gen); ok {
		t.Error("a message was taken twice")
	}
	again, next := p.put(frame{n: 2})
	if again != m || next == gen {
		t.Errorf("place %d and generation %d, want place %d and another generation than %d", again, next, m, gen)
	}
}

func TestStreamHasTheSizesOfItsBitrate(t *testing.T) {
	o, err := Options{Seed: 3}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s := newStream(&o, 10*time.Minute)
	for _, tr := range s.tracks {
		sum, n := 0, 0
		for i := range s.shapes[tr.number-1] {
			p := &s.shapes[tr.number-1][i]
			sum, n = sum+p.size, n+1
			if p.bytes(0, p.chunks) != p.size || p.chunkSize > media.MaxChunkSize || p.header < ed25519.SignatureSize+p.chunks*media.HashSize {
				t.Fatalf("track %d, part %d: %+v", tr.number, i, *p)
			}
		}
		rate := float64(sum) * 8 / (float64(n) * o.Part.Seconds())
		if math.Abs(rate/float64(tr.bitrate)-1) > 0.02 {
			t.Errorf("track %s has %.0f bit/s, want %d", tr.name, rate, tr.bitrate)
		}
	}
	for n := int32(500); n < 900; n++ {
		if s.number(s.id(n)) != n || s.published(n) <= s.pdt(n+1)-1 {
			t.Fatalf("part %d: id %v, published %d", n, s.id(n), s.published(n))
		}
		if now := s.published(n); s.newest(now) != n || s.newest(now-1) != n-1 {
			t.Fatalf("part %d is not the newest when it is published", n)
		}
	}
}

func TestIDsGiveIndexesBack(t *testing.T) {
	for _, i := range []int32{0, 1, 999, 1 << 20} {
		if id := viewerID(42, i); len(id) != 16 || indexOf(id) != i {
			t.Errorf("%d became %s became %d", i, id, indexOf(id))
		}
	}
	if indexOf("edge") != edgeIndex {
		t.Error("the edge has no index")
	}
}

func TestLineSerialises(t *testing.T) {
	l := line{up: 1, down: 1, queue: 100_000} // a byte a µs
	first, ok := l.depart(0, 1000)
	second, ok2 := l.depart(0, 1000)
	if first != 1000 || second != 2000 || !ok || !ok2 {
		t.Errorf("packets leave at %d and %d", first, second)
	}
	for range 200 {
		_, ok = l.depart(0, 1000)
	}
	if ok || l.upFree > 110_000 {
		t.Errorf("the queue holds %d µs, want 100,000", l.upFree)
	}
	if at := l.arrive(5000, 1000); at != 5000 { // it came while the line was idle
		t.Errorf("there at %d", at)
	}
	if at := l.arrive(5000, 1000); at != 6000 {
		t.Errorf("there at %d, want after the first", at)
	}
}

func TestHistogramQuantiles(t *testing.T) {
	h := histogram{bins: make([]uint32, histogramBins)}
	for i := range int64(100) {
		h.add(i + 1)
	}
	h.add(100_000)
	if q := h.quantiles(); q.N != 101 || q.P50 != 51 || q.P95 != 96 || q.Max != 100_000 {
		t.Errorf("%+v", q)
	}
	var none histogram
	if q := none.quantiles(); q != (Quantiles{}) {
		t.Errorf("%+v of nothing", q)
	}
}

func TestCellsAreFilledInTurn(t *testing.T) {
	if got := cellSizes(2500, 1000); !slices.Equal(got, []int{1000, 1000, 500}) {
		t.Error(got)
	}
	if got := cellSizes(1000, 1000); !slices.Equal(got, []int{1000}) {
		t.Error(got)
	}
}

func TestFramesAreAsLongAsOnTheWire(t *testing.T) {
	var buf []byte
	id := media.PartID{MSN: 120, Index: 3}
	if n := len(peerwire.AppendChunkPrefix(nil, 1, id, 5)); n > chunkPrefix || n < chunkPrefix-3 {
		t.Errorf("a chunk's prefix has %d bytes, the model %d", n, chunkPrefix)
	}
	if n := frameSize(peerwire.Ping{}, &buf); n != 9 {
		t.Errorf("a PING of %d bytes", n)
	}
}
