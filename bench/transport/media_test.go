package transport

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPartSizes(t *testing.T) {
	sizes := partSizes(6000, 2_000_000, 4)
	total, idr := 0, 0
	for i, s := range sizes {
		total += s
		if i%partsASeg == 0 {
			idr += s
		}
	}
	rate := float64(total) * 8 / (6000 * partDuration.Seconds())
	if math.Abs(rate-2e6) > 2e4 {
		t.Errorf("%.0f bit/s, want 2 Mbit/s", rate)
	}
	if ratio := float64(idr) / float64(total-idr) * (partsASeg - 1); math.Abs(ratio-idrWeight) > 0.05 {
		t.Errorf("a part with an IDR is %.2f times as large as others", ratio)
	}
}

func TestSlicesCoverThePart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]int{1100, 4096, 16384}).Draw(t, "chunk")
		l := cut(rapid.IntRange(1000, 400_000).Draw(t, "size"), most, rapid.IntRange(1, 8).Draw(t, "slices"))
		if l.chunk > most {
			t.Fatalf("chunks of %d bytes, at most %d", l.chunk, most)
		}
		next, bytes := 0, 0
		for s := range l.slices {
			from, to := l.of(s)
			if from != next || to-from > l.longest() || to-from < l.longest()-1 {
				t.Fatalf("slice %d is [%d, %d) after %d, the longest has %d", s, from, to, next, l.longest())
			}
			for c := from; c < to; c++ {
				bytes += l.bytes(c)
			}
			next = to
		}
		if next != l.chunks() || bytes != l.size {
			t.Fatalf("%d of %d chunks, %d of %d bytes", next, l.chunks(), bytes, l.size)
		}
	})
}

func TestFrame(t *testing.T) {
	want := frame{part: 70_000, chunk: 300, slice: 7, parity: true}
	if b := want.append(nil, 5); len(b) != frameSize+5 || parseFrame(b) != want {
		t.Errorf("%+v", parseFrame(b))
	}
}

func TestParityMendsOneChunkOfAGroup(t *testing.T) {
	l := layout{10 * packetChunk, packetChunk, 2} // slices of five chunks
	now := time.Now()
	for _, c := range []struct {
		parity Parity
		frame  frame
		lost   []int
		left   int
	}{
		{ChunkParity, frame{slice: 0, parity: true}, []int{3}, 0},
		{ChunkParity, frame{slice: 0, parity: true}, []int{3, 4}, 2},
		{ChunkParity, frame{slice: 0, parity: true}, []int{7}, 1},
		{SliceParity, frame{slice: 2, chunk: 3, parity: true}, []int{3}, 0},
		{SliceParity, frame{slice: 2, chunk: 3, parity: true}, []int{8}, 0},
		{SliceParity, frame{slice: 2, chunk: 3, parity: true}, []int{3, 8}, 2},
		{SliceParity, frame{slice: 2, chunk: 2, parity: true}, []int{3}, 1},
	} {
		r := newReceiver(Scheme{Parity: c.parity}, 0, 0, nil, []layout{l})
		r.begin(now)
		missing := map[int]bool{}
		for _, m := range c.lost {
			missing[m] = true
		}
		for i := range l.chunks() {
			if !missing[i] {
				r.onMessage(frame{chunk: i, slice: i / 5}, now)
			}
		}
		r.onMessage(c.frame, now)
		if got := r.got[0].left; got != c.left {
			t.Errorf("%s parity %+v, lost %v: %d left, want %d", c.parity, c.frame, c.lost, got, c.left)
		}
	}
}

func TestFanOutLeavesHeadroom(t *testing.T) {
	for _, c := range []struct {
		uplink int64
		slices int
		want   int
	}{{2_000_000, 2, 1}, {2_000_000, 4, 2}, {5_000_000, 2, 2}, {5_000_000, 4, 5}, {20_000_000, 4, maxChildren}, {1_000_000, 1, 1}} {
		if got := children(c.uplink, 2_000_000, c.slices); got != c.want {
			t.Errorf("%d bit/s, K %d: %d children, want %d", c.uplink, c.slices, got, c.want)
		}
	}
}
