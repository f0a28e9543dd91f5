package simulation

import "container/heap"

// Times of separations (docs/tracker.md rule 7), µs, as package tracker has
// them.
const (
	separationTime     = 30_000_000
	unreachableTime    = 60_000_000
	maxSeparation      = 3600_000_000
	forgiveTime        = 3600_000_000
	reconcilesPerSweep = 500
)

// separation is one pair that was parted because it did not work.
type separation struct {
	a, b  int32
	times int
	apart bool
	due   int64
	index int
}

// separations are the pairs of a cell that lost each other, with the times
// when they may meet again.
type separations struct {
	of    map[int32]map[int32]*separation
	queue dueQueue
}

func newSeparations() separations { return separations{of: map[int32]map[int32]*separation{}} }

// part notes that two viewers are apart from now on: longer for every earlier
// time, and for one of them having been left to the edge.
func (s *separations) part(a, b int32, unreachable bool, atLeast int, now int64) {
	x := s.of[a][b]
	if x == nil {
		x = &separation{a: a, b: b}
		s.link(a, b, x)
		s.link(b, a, x)
		heap.Push(&s.queue, x)
	} else {
		x.times++
	}
	d := int64(separationTime)
	if unreachable {
		d = unreachableTime
	}
	for range max(x.times, atLeast) {
		d = min(2*d, maxSeparation)
	}
	x.apart, x.due = true, now+d
	heap.Fix(&s.queue, x.index)
}

// keep separates two viewers for good: nothing of theirs is due any more.
func (s *separations) keep(a, b int32) {
	if x := s.of[a][b]; x != nil {
		s.forget(x)
	}
}

// next gives a pair whose separation has ended.
func (s *separations) next(now int64) (a, b int32, ok bool) {
	for len(s.queue) > 0 && s.queue[0].due <= now {
		x := s.queue[0]
		if !x.apart {
			s.forget(x)
			continue
		}
		if s.of[x.a][x.b] == nil || s.of[x.b][x.a] == nil {
			s.forget(x)
		} else {
			x.apart, x.due = false, now+forgiveTime
			heap.Fix(&s.queue, x.index)
		}
		return x.a, x.b, true
	}
	return 0, 0, false
}

// leave forgets a viewer. A separation from it still ends at its time: only
// then may the other one, if it was left to the edge, be tried again.
func (s *separations) leave(i int32) {
	for other, x := range s.of[i] {
		if !x.apart || s.of[other][i] == nil {
			s.forget(x)
		}
	}
	delete(s.of, i)
}

func (s *separations) forget(x *separation) {
	heap.Remove(&s.queue, x.index)
	s.unlink(x.a, x.b)
	s.unlink(x.b, x.a)
}

func (s *separations) link(a, b int32, x *separation) {
	if s.of[a] == nil {
		s.of[a] = map[int32]*separation{}
	}
	s.of[a][b] = x
}

func (s *separations) unlink(a, b int32) {
	delete(s.of[a], b)
	if len(s.of[a]) == 0 {
		delete(s.of, a)
	}
}

// dueQueue is a heap, the earliest due first; of one time, by viewer.
type dueQueue []*separation

// Len implements heap.Interface.
func (q dueQueue) Len() int { return len(q) }

// Less implements heap.Interface.
func (q dueQueue) Less(i, j int) bool {
	x, y := q[i], q[j]
	switch {
	case x.due != y.due:
		return x.due < y.due
	case x.a != y.a:
		return x.a < y.a
	}
	return x.b < y.b
}

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
