package peerstate

import (
	"fmt"
	"testing"

	"starling/internal/media"
)

// serve sends with the bucket from one time to another and counts the chunks
// of each child. full tells whose channel takes nothing.
func serve(queues []*ChildQueue, b *Bucket, t *Turns, full func(int) bool, from, to int64) []int {
	sent := make([]int, len(queues))
	buffered := func(i int) int {
		if full != nil && full(i) {
			return HighWater + 1
		}
		return 0
	}
	for now := from; now < to; now++ {
		for {
			i := t.Pick(len(queues), func(i int) bool { return queues[i].Ready(buffered(i)) })
			if i < 0 {
				break
			}
			if _, ok := queues[i].Next(b, buffered(i), now); !ok {
				break
			}
			t.Served(i)
			sent[i]++
		}
	}
	return sent
}

func backlog(children, chunks int) []*ChildQueue {
	out := make([]*ChildQueue, children)
	for i := range out {
		out[i] = &ChildQueue{}
		for c := range chunks {
			out[i].Push(QueuedChunk{Key: Key{ID: media.PartID{MSN: uint64(c)}}, Size: media.MaxChunkSize})
		}
	}
	return out
}

// Children share a bucket that is too small for them, however the times at
// which it has enough for a chunk fall.
func TestTurnsAreFair(t *testing.T) {
	for children := 1; children <= 7; children++ {
		for _, rate := range []int{300_000, 1_000_000, 2_345_678, 9_000_000} {
			queues := backlog(children, 300)
			var turns Turns
			sent := serve(queues, NewBucket(rate, 0), &turns, nil, 0, 5_000)
			least, most := sent[0], sent[0]
			for _, n := range sent {
				least, most = min(least, n), max(most, n)
			}
			if most-least > 1 && most < 300 {
				t.Errorf("%d children at %d bit/s got %v chunks", children, rate, sent)
			}
		}
	}
}

// A child whose channel is full costs the others nothing.
func TestFullChannelHoldsNobodyUp(t *testing.T) {
	run := func(children int, full func(int) bool) []int {
		var turns Turns
		return serve(backlog(children, 1000), NewBucket(4_000_000, 0), &turns, full, 0, 5_000)
	}
	alone, beside := run(2, nil), run(3, func(i int) bool { return i == 1 })
	if beside[1] != 0 || beside[0] < alone[0]-1 || beside[2] < alone[1]-1 {
		t.Errorf("beside a full channel %v, without it %v", beside, alone)
	}
}

func TestTurnsFollowDepartures(t *testing.T) {
	var turns Turns
	ready := func(int) bool { return true }
	turns.Served(turns.Pick(3, ready)) // 0
	turns.Served(turns.Pick(3, ready)) // 1
	turns.Gone(0)                      // 1, 2 are now 0, 1
	if i := turns.Pick(2, ready); i != 1 {
		t.Errorf("the turn is %d's, want 1's", i)
	}
	if i := turns.Pick(0, ready); i != -1 {
		t.Errorf("nobody is there, the turn is %d's", i)
	}
}

// What an older part lacks goes before what is newer: it is due first.
func TestQueueGoesByDeadline(t *testing.T) {
	var q ChildQueue
	id := func(msn uint64, index uint64) Key { return Key{ID: media.PartID{MSN: msn, Index: index}} }
	for _, x := range []QueuedChunk{{Key: id(5, 1), Chunk: 0}, {Key: id(5, 1), Chunk: 1}, {Key: id(5, 0), Chunk: 7}, {Key: id(5, 2), Chunk: 0}, {Key: id(5, 0), Chunk: 8}, {Key: id(4, 9), Chunk: 3}} {
		x.Size = 100
		q.Push(x)
	}
	got := ""
	b := NewBucket(8_000_000, 0)
	for {
		x, ok := q.Next(b, 0, 0)
		if !ok {
			break
		}
		got += fmt.Sprintf("%d.%d/%d ", x.Key.ID.MSN, x.Key.ID.Index, x.Chunk)
	}
	if want := "4.9/3 5.0/7 5.0/8 5.1/0 5.1/1 5.2/0 "; got != want {
		t.Errorf("sent in the order %s, want %s", got, want)
	}
}
