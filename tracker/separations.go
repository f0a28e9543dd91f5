package tracker

import (
	"container/heap"
	"time"

	"starling/internal/trackerwire"
)

// Times of separations (docs/tracker.md rule 7). One burst of trouble must not
// part a small swarm for good; a pair that really does not work must not be
// tried again and again.
const (
	// separationTime is how long a pair is apart that worked once.
	separationTime = 30 * time.Second
	// unreachableTime is how long one is apart that could not even connect:
	// networks change more slowly than load does.
	unreachableTime = 60 * time.Second
	// maxSeparation bounds the doubling.
	maxSeparation = time.Hour
	// forgiveTime is how long a pair must have got on for its past to be
	// forgotten.
	forgiveTime = time.Hour
	// separationsKept bounds the pairs of a room that are remembered. A
	// viewer is apart from MaxLost others at most, so that is for pasts.
	separationsKept = 100_000
)

// separationBase is for how long a pair is parted the first time. Reasons that
// only later versions know count as trouble that passes.
func separationBase(reason string) time.Duration {
	if reason == trackerwire.LostConnectFailed {
		return unreachableTime
	}
	return separationTime
}

// separation is one pair that was parted because it did not work.
type separation struct {
	a, b  string
	times int  // how often before the last time
	apart bool // until due; otherwise together again, and forgotten then
	due   time.Time
	index int // in the queue
}

// separations are the pairs of a room that lost each other, with the times
// when they may meet again. The room's lock guards it.
type separations struct {
	of    map[string]map[string]*separation // by viewer and other viewer, both ways
	queue dueQueue
}

func newSeparations() separations {
	return separations{of: map[string]map[string]*separation{}}
}

// part notes that two viewers are apart from now on: for base, doubled for
// every earlier time that is remembered and not less often than atLeast. When
// there is no room left it gives up another pair, which must be reconciled if
// it was apart.
func (s *separations) part(a, b string, base time.Duration, atLeast int, now time.Time) (dropped *separation) {
	x := s.of[a][b]
	if x == nil {
		if len(s.queue) >= separationsKept {
			dropped = s.queue[0]
			s.forget(dropped)
		}
		x = &separation{a: a, b: b}
		s.link(a, b, x)
		s.link(b, a, x)
		heap.Push(&s.queue, x)
	} else {
		x.times++
	}
	x.apart, x.due = true, now.Add(doubled(base, max(x.times, atLeast)))
	heap.Fix(&s.queue, x.index)
	return dropped
}

// doubled is d, doubled so many times, at most maxSeparation.
func doubled(d time.Duration, times int) time.Duration {
	for ; times > 0 && d < maxSeparation; times-- {
		d *= 2
	}
	return min(d, maxSeparation)
}

// next gives a pair whose separation has ended. The pair is remembered for a
// while unless one of the two has left.
func (s *separations) next(now time.Time) (a, b string, ok bool) {
	for len(s.queue) > 0 && !now.Before(s.queue[0].due) {
		x := s.queue[0]
		if !x.apart {
			s.forget(x)
			continue
		}
		if s.of[x.a][x.b] == nil || s.of[x.b][x.a] == nil {
			s.forget(x)
		} else {
			x.apart, x.due = false, now.Add(forgiveTime)
			heap.Fix(&s.queue, x.index)
		}
		return x.a, x.b, true
	}
	return "", "", false
}

// keep makes the separation of a pair one that does not end: whoever parts it
// knows better than that it might work again.
func (s *separations) keep(a, b string) {
	if x := s.of[a][b]; x != nil {
		s.forget(x)
	}
}

// leave forgets a viewer. A separation from it still ends at its time: only
// then may the other viewer, if it was left to the edge, be tried again.
func (s *separations) leave(id string) {
	for other, x := range s.of[id] {
		if !x.apart || s.of[other][id] == nil {
			s.forget(x)
		}
	}
	delete(s.of, id)
}

func (s *separations) forget(x *separation) {
	heap.Remove(&s.queue, x.index)
	s.unlink(x.a, x.b)
	s.unlink(x.b, x.a)
}

func (s *separations) link(a, b string, x *separation) {
	if s.of[a] == nil {
		s.of[a] = map[string]*separation{}
	}
	s.of[a][b] = x
}

func (s *separations) unlink(a, b string) {
	delete(s.of[a], b)
	if len(s.of[a]) == 0 {
		delete(s.of, a)
	}
}

// dueQueue is a heap, the earliest due first.
type dueQueue []*separation

// Len implements heap.Interface.
func (q dueQueue) Len() int { return len(q) }

// Less implements heap.Interface.
func (q dueQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

// Swap implements heap.Interface.
func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *dueQueue) Push(x any) {
	p := x.(*separation)
	p.index = len(*q)
	*q = append(*q, p)
}

// Pop implements heap.Interface.
func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return x
}
