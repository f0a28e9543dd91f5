package packager

// timeline is the list of segment boundaries, in µs of output time. It is
// written from the source's IDRs and read by every track, so that all tracks
// cut at the same times and number segments alike.
type timeline struct {
	first uint64 // msn of starts[0]
	// starts holds recent boundaries; old ones are dropped once long past.
	starts []int64
	end    int64 // where the last segment ends, -1 while unknown
}

// keepStarts is far more segments than any track can lag behind the source.
const keepStarts = 512

func (l *timeline) add(at int64) {
	if len(l.starts) >= 2*keepStarts {
		l.starts = append(l.starts[:0], l.starts[keepStarts:]...)
		l.first += keepStarts
	}
	l.starts = append(l.starts, at)
}

// newest is the number and start of the last segment.
func (l *timeline) newest() (msn uint64, at int64) {
	n := len(l.starts) - 1
	return l.first + uint64(n), l.starts[n]
}

// find gives the segment that holds time at; false before the first.
func (l *timeline) find(at int64) (msn uint64, start int64, ok bool) {
	for i := len(l.starts) - 1; i >= 0; i-- {
		if l.starts[i] <= at {
			return l.first + uint64(i), l.starts[i], true
		}
	}
	return 0, 0, false
}

// next gives the boundary after segment msn, if there is one yet.
func (l *timeline) next(msn uint64) (at int64, known bool) {
	if i := msn + 1 - l.first; msn+1 >= l.first && i < uint64(len(l.starts)) {
		return l.starts[i], true
	}
	return 0, false
}

// endOf gives the end of segment msn: the next boundary, or the end of all.
func (l *timeline) endOf(msn uint64) (at int64, known bool) {
	if at, known = l.next(msn); known {
		return at, true
	}
	return l.end, l.end >= 0
}

// over reports whether msn is beyond the last segment.
func (l *timeline) over(msn uint64) bool {
	return l.end >= 0 && msn >= l.first+uint64(len(l.starts))
}
