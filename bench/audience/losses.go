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

// usual is how long after the end of a part's media its slice used to be whole.
type usual struct {
	first, other time.Duration // of a segment's first part, and of the others
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

// losses measures what a child notices when a parent is gone: by how much the
// slice's parts come later than they used to.
type losses struct {
	mu      sync.Mutex
	watched map[*viewer][]*loss
	all     []*loss
}

// loss is one slice of one child of a lost parent.
type loss struct {
	key    sliceKey
	at     time.Time
	rude   bool
	usual  usual
	stalls uint64 // of the child before
	child  *viewer
	// gap is the worst delay of a part beyond usual.
	gap   time.Duration
	seen  bool
	later uint64 // stalls when the watch ended
	over  bool
}

// lost begins the watch over the children of a viewer that is gone now.
func (l *losses) lost(child *viewer, slices map[sliceKey]usual, stalls uint64, rude bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for k, u := range slices {
		x := &loss{key: k, at: now, rude: rude, usual: u, child: child, stalls: stalls}
		l.watched[child] = append(l.watched[child], x)
		l.all = append(l.all, x)
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
		x.seen = true
		x.gap = max(x.gap, took-x.usual.of(id))
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

// lossSummary is what came of the losses of a kind.
type lossSummary struct {
	gaps    []float64 // ms, one for each slice of each child
	stalled int       // children that stalled within the watch
	never   int       // slices that did not come back within the watch
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
		if !x.seen {
			s.never++
			s.gaps = append(s.gaps, float64(watchLoss.Milliseconds()))
			continue
		}
		s.gaps = append(s.gaps, max(float64(x.gap.Microseconds())/1000, 0))
	}
	s.stalled = len(stalled)
	return s
}

func median(d []time.Duration) time.Duration {
	s := slices.Clone(d)
	slices.Sort(s)
	return s[len(s)/2]
}
