package peerstate

// span is the chunks [first, end) of a part.
type span struct{ first, end int }

// Bounds of what a neighbour may make us remember.
const (
	maxSkipParts = 64
	maxSkipSpans = 32
)

// skips is what a neighbour has or does not want: it is not pushed to it. It is
// looked at for every chunk and neighbour, and mostly for one of the newest
// parts: so these are in a row, which is searched from its end.
type skips struct {
	parts  []skip // first in, first out
	newest []Key  // the last of each track: nothing is known of what comes after
}

// skip is what is known of one part.
type skip struct {
	key  Key
	span span
	more []span
}

// find gives what is known of a part, nil when nothing is.
func (s *skips) find(k Key) *skip {
	for i := range s.newest {
		if n := &s.newest[i]; n.Track == k.Track && before(n.ID, k.ID) {
			return nil
		}
	}
	for i := len(s.parts) - 1; i >= 0; i-- {
		if s.parts[i].key == k {
			return &s.parts[i]
		}
	}
	return nil
}

// add remembers chunks [first, first+count).
func (s *skips) add(k Key, first, count int) {
	if s.has(k, first, first+count) || count <= 0 {
		return
	}
	x := span{first, first + count}
	p := s.find(k)
	if p == nil {
		if len(s.parts) == maxSkipParts {
			s.parts = append(s.parts[:0], s.parts[1:]...)
		}
		s.parts = append(s.parts, skip{key: k, span: x})
		s.note(k)
		return
	}
	last := &p.span
	if n := len(p.more); n > 0 {
		last = &p.more[n-1]
	}
	if last.end == first {
		last.end = x.end
	} else if len(p.more)+1 < maxSkipSpans {
		p.more = append(p.more, x)
	}
}

// note keeps the newest part of each track.
func (s *skips) note(k Key) {
	for i := range s.newest {
		if n := &s.newest[i]; n.Track == k.Track {
			n.ID = maxID(n.ID, k.ID)
			return
		}
	}
	s.newest = append(s.newest, k)
}

// has reports whether one span holds all of [first, end).
func (s *skips) has(k Key, first, end int) bool {
	p := s.find(k)
	if p == nil {
		return false
	}
	if p.span.holds(first, end) {
		return true
	}
	for _, x := range p.more {
		if x.holds(first, end) {
			return true
		}
	}
	return false
}

func (x span) holds(first, end int) bool { return x.first <= first && end <= x.end }
