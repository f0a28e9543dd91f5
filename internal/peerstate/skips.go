package peerstate

// span is the chunks [first, end) of a part.
type span struct{ first, end int }

// Bounds of what a neighbour may make us remember.
const (
	maxSkipParts = 64
	maxSkipSpans = 32
)

// skips is what a neighbour has or does not want: it is not pushed to it.
type skips struct {
	parts map[Key][]span
	order []Key // first in, first out
}

// add remembers chunks [first, first+count).
func (s *skips) add(k Key, first, count int) {
	if s.has(k, first, first+count) || count <= 0 {
		return
	}
	if s.parts == nil {
		s.parts = map[Key][]span{}
	}
	spans, known := s.parts[k]
	if !known {
		if len(s.order) == maxSkipParts {
			delete(s.parts, s.order[0])
			s.order = append(s.order[:0], s.order[1:]...)
		}
		s.order = append(s.order, k)
	}
	if n := len(spans); n > 0 && spans[n-1].end == first {
		spans[n-1].end = first + count
	} else if n < maxSkipSpans {
		spans = append(spans, span{first, first + count})
	}
	s.parts[k] = spans
}

// has reports whether one span holds all of [first, end).
func (s *skips) has(k Key, first, end int) bool {
	for _, x := range s.parts[k] {
		if x.first <= first && end <= x.end {
			return true
		}
	}
	return false
}
