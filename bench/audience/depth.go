package audience

import (
	"time"

	"starling/internal/peerstate"
)

// fresh is how long ago the last chunk of a slice may have come for its sender
// to count as its source.
const fresh = 2 * time.Second

// maxDepth bounds the walk: sources change while it is taken, which may look
// like a circle.
const maxDepth = 64

// depths gives how many hops from the edge each slice of each viewer comes: 1
// is fed by the edge. Slices whose way is not known are left out.
func depths(here []*viewer) []float64 {
	since := time.Now().Add(-fresh)
	from := map[string]map[sliceKey]string{} // by viewer's id
	for _, v := range here {
		from[v.peer.Stats().ID] = v.feeders(since)
	}
	var out []float64
	for id, slices := range from {
		for k := range slices {
			at, n := id, 0
			for at != peerstate.Edge && n < maxDepth {
				next, ok := from[at][k]
				if !ok {
					n = maxDepth
					break
				}
				at = next
				n++
			}
			if n < maxDepth {
				out = append(out, float64(n))
			}
		}
	}
	return out
}

// feeders tells from whom the viewer's slices come.
func (v *viewer) feeders(since time.Time) map[sliceKey]string {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := map[sliceKey]string{}
	for k, s := range v.sources {
		if !s.at.Before(since) {
			out[k] = s.from
		}
	}
	return out
}
