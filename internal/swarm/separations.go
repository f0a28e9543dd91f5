package swarm

import (
	"cmp"
	"container/heap"
	"time"
)

// Times of separations (docs/tracker.md rule 7). One burst of trouble must not
// part a small swarm for good; a pair that really does not work must not be
// tried again and again.
const (
	// SeparationTime is how long a pair is apart that worked once.
	SeparationTime = 30 * time.Second
	// UnreachableTime is how long one is apart that could not even connect:
	// networks change more slowly than load does.
	UnreachableTime = 60 * time.Second
	// MaxSeparation bounds the doubling.
	MaxSeparation = time.Hour
	// ForgiveTime is how long a pair must have got on for its past to be
	// forgotten.
	ForgiveTime = time.Hour
	// SeparationsKept bounds the pairs that are remembered. A viewer is apart
	// from MaxLost others at most, so that is for pasts.
	SeparationsKept = 100_000
)

// separation is one pair that was parted because it did not work.
type separation[ID cmp.Ordered] struct {
	a, b  ID
	times int  // how often before the last time
	apart bool // until due; otherwise together again, and forgotten then
	due   time.Duration
	index int // in the queue
}

// Separations are the pairs of viewers that lost each other, with the times
// when they may meet again. Times are since any fixed moment. It is not for
// concurrent use.
type Separations[ID cmp.Ordered] struct {
	of    map[ID]map[ID]*separation[ID] // by viewer and other viewer, both ways
	queue dueQueue[ID]
}

// NewSeparations makes an empty set.
func NewSeparations[ID cmp.Ordered]() *Separations[ID] {
	return &Separations[ID]{of: map[ID]map[ID]*separation[ID]{}}
}

// Len is the number of pairs that are remembered.
func (s *Separations[ID]) Len() int { return len(s.queue) }

// Part notes that two viewers are apart from now on: for UnreachableTime when
// they could not even connect, else for SeparationTime, doubled for every
// earlier time that is remembered and not less often than atLeast. When there
// is no room left it forgets another pair; with ok those two were apart and
// must be reconciled.
func (s *Separations[ID]) Part(a, b ID, unreachable bool, atLeast int, now time.Duration) (c, d ID, ok bool) {
	x := s.of[a][b]
	if x == nil {
		if len(s.queue) >= SeparationsKept {
			dropped := s.queue[0]
			s.forget(dropped)
			c, d, ok = dropped.a, dropped.b, dropped.apart
		}
		x = &separation[ID]{a: a, b: b}
		s.link(a, b, x)
		s.link(b, a, x)
		heap.Push(&s.queue, x)
	} else {
		x.times++
	}
	base := SeparationTime
	if unreachable {
		base = UnreachableTime
	}
	x.apart, x.due = true, now+doubled(base, max(x.times, atLeast))
	heap.Fix(&s.queue, x.index)
	return c, d, ok
}

// doubled is d, doubled so many times, at most MaxSeparation.
func doubled(d time.Duration, times int) time.Duration {
	for ; times > 0 && d < MaxSeparation; times-- {
		d *= 2
	}
	return min(d, MaxSeparation)
}

// Next gives a pair whose separation has ended. The pair is remembered for a
// while unless one of the two has left.
func (s *Separations[ID]) Next(now time.Duration) (a, b ID, ok bool) {
	for len(s.queue) > 0 && s.queue[0].due <= now {
		x := s.queue[0]
		if !x.apart {
			s.forget(x)
			continue
		}
		if s.of[x.a][x.b] == nil || s.of[x.b][x.a] == nil {
			s.forget(x)
		} else {
			x.apart, x.due = false, now+ForgiveTime
			heap.Fix(&s.queue, x.index)
		}
		return x.a, x.b, true
	}
	return a, b, false
}

// Keep makes the separation of a pair one that does not end: whoever parts it
// knows better than that it might work again.
func (s *Separations[ID]) Keep(a, b ID) {
	if x := s.of[a][b]; x != nil {
		s.forget(x)
	}
}

// Leave forgets a viewer. A separation from it still ends at its time: only
// then may the other viewer, if it was left to the edge, be tried again.
func (s *Separations[ID]) Leave(id ID) {
	for other, x := range s.of[id] {
		if !x.apart || s.of[other][id] == nil {
			s.forget(x)
		}
	}
	delete(s.of, id)
}

func (s *Separations[ID]) forget(x *separation[ID]) {
	heap.Remove(&s.queue, x.index)
	s.unlink(x.a, x.b)
	s.unlink(x.b, x.a)
}

func (s *Separations[ID]) link(a, b ID, x *separation[ID]) {
	if s.of[a] == nil {
		s.of[a] = map[ID]*separation[ID]{}
	}
	s.of[a][b] = x
}

func (s *Separations[ID]) unlink(a, b ID) {
	delete(s.of[a], b)
	if len(s.of[a]) == 0 {
		delete(s.of, a)
	}
}

// dueQueue is a heap, the earliest due first; of one time, by viewer, so that a
// run can be repeated.
type dueQueue[ID cmp.Ordered] []*separation[ID]

// Len implements heap.Interface.
func (q dueQueue[ID]) Len() int { return len(q) }

// Less implements heap.Interface.
func (q dueQueue[ID]) Less(i, j int) bool {
	x, y := q[i], q[j]
	return cmp.Or(cmp.Compare(x.due, y.due), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b)) < 0
}

// Swap implements heap.Interface.
func (q dueQueue[ID]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *dueQueue[ID]) Push(x any) {
	p := x.(*separation[ID])
	p.index = len(*q)
	*q = append(*q, p)
}

// Pop implements heap.Interface.
func (q *dueQueue[ID]) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return x
}
