package audience

import (
	"slices"
	"sync"
	"time"

	"starling/internal/media"
)

const (
	// watchLoss is for how long after a parent's loss its children are watched,
	// and stalls are held against it.
	watchLoss = 4 * time.Second
	// affected is for how long parts that become due count as delayed by it.
	affected = 1500 * time.Millisecond
)

// usual is how long after the end of a part's media its slice used to be whole,
// and when its next chunk was to come as things stood.
type usual struct {
	first, other time.Duration // of a segment's first part, and of the others
	due          time.Time
}

func (u usual) of(id partID) time.Duration {
	if id.index == 0 {
		return u.first
	}
	return u.other
}

// partID is a part of the track that the context names.
type partID struct{ msn, index uint64 }

func sliceChunks(n, k, s int) (first, end int) { return media.SliceChunks(n, k, s) }

// losses measures what a child notices when a parent is gone: how long after
// the parent's next chunk was due the slice flows from somebody else, and by how
// much its parts come later than they used to.
type losses struct {
	mu      sync.Mutex
	watched map[*viewer][]*loss
	all     []*loss
}

// loss is one slice of one child of a lost parent.
type loss struct {
	key    sliceKey
	parent string
	at     time.Time
	rude   bool
	usual  usual
	stalls uint64 // of the child before
	child  *viewer
	// due is when the lost parent's next chunk would have come, moved when the
	// child turned to another source, flowed when the first chunk from another
	// one came; zero before.
	due, moved, flowed time.Time
	delay              time.Duration // the worst delay of a part beyond usual
	later              uint64        // stalls when the watch ended
	over               bool
}

// lost begins the watch over the children of a viewer that is gone now.
func (l *losses) lost(child *viewer, parent string, slices map[sliceKey]usual, stalls uint64, rude bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for k, u := range slices {
		x := &loss{key: k, parent: parent, at: now, rude: rude, usual: u, due: later(now, u.due), child: child, stalls: stalls}
		l.watched[child] = append(l.watched[child], x)
		l.all = append(l.all, x)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// chunk notes that a chunk of a slice came to a child, and when the next was
// due after it.
func (l *losses) chunk(child *viewer, key sliceKey, from string, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.watched[child] {
		switch {
		case x.key != key || !x.flowed.IsZero():
		case from == x.parent: // it was on its way when the parent went
			x.due = later(x.at, due)
		default:
			x.flowed = time.Now()
		}
	}
}

// moved notes that a child turned to another source of a slice.
func (l *losses) moved(child *viewer, key sliceKey, to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.watched[child] {
		if x.key == key && to != x.parent && x.moved.IsZero() {
			x.moved = time.Now()
		}
	}
}

// arrived notes that the slice of a part is whole at a child. Parts count that
// were not yet due when the parent went.
func (l *losses) arrived(child *viewer, key sliceKey, id partID, end time.Time, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.watched[child] {
		due := end.Add(x.usual.of(id))
		if x.key != key || due.Before(x.at) || due.Sub(x.at) > affected {
			continue
		}
		x.delay = max(x.delay, took-x.usual.of(id))
	}
}

// tend ends watches whose time is over.
func (l *losses) tend(now time.Time, stalls func(*viewer) uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for child, xs := range l.watched {
		xs = slices.DeleteFunc(xs, func(x *loss) bool {
			if now.Sub(x.at) < watchLoss {
				return false
			}
			x.over, x.later = true, stalls(child)
			return true
		})
		if len(xs) == 0 {
			delete(l.watched, child)
			continue
		}
		l.watched[child] = xs
	}
}

// forget drops the watch over a child that leaves itself.
func (l *losses) forget(child *viewer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watched, child)
}

// lossSummary is what came of the losses of a kind, in ms, one for each slice of
// each child. A gap is the time found for the child to move, from when the next
// chunk was due, and the time from then to the first chunk; these two are left
// out where the child did not move. since is a gap from the loss itself on.
type lossSummary struct {
	gaps, since, found, filled, delays []float64
	stalled                            int // children that stalled within the watch
	never                              int // slices that did not come back within the watch
}

func (l *losses) summary(rude bool, from, to time.Time) lossSummary {
	l.mu.Lock()
	defer l.mu.Unlock()
	var s lossSummary
	type once struct {
		child *viewer
		at    time.Time
	}
	stalled := map[once]bool{}
	for _, x := range l.all {
		if x.rude != rude || !x.over || x.at.Before(from) || x.at.After(to) {
			continue
		}
		if x.later > x.stalls {
			stalled[once{x.child, x.at}] = true
		}
		s.delays = append(s.delays, float64(max(x.delay, 0).Microseconds())/1000)
		if x.flowed.IsZero() {
			s.never++
			s.gaps = append(s.gaps, float64(watchLoss.Milliseconds()))
			s.since = append(s.since, float64(watchLoss.Milliseconds()))
			continue
		}
		gap := max(x.flowed.Sub(x.due), 0)
		s.gaps = append(s.gaps, float64(gap.Microseconds())/1000)
		s.since = append(s.since, float64(x.flowed.Sub(x.at).Microseconds())/1000)
		if !x.moved.IsZero() && !x.moved.After(x.flowed) {
			found := max(x.moved.Sub(x.due), 0)
			s.found = append(s.found, float64(found.Microseconds())/1000)
			s.filled = append(s.filled, float64((gap-found).Microseconds())/1000)
		}
	}
	s.stalled = len(stalled)
	return s
}

// median is 0 of nothing.
func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Clone(d)
	slices.Sort(s)
	return s[len(s)/2]
}
