package simulation

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

// cause is why bytes leave the edge.
type cause uint8

const (
	// causeRoot: the tracker made the viewer a root of the slice.
	causeRoot cause = iota
	// A viewer that has come takes everything from the edge at first: the parts
	// that were there before it (backlog), and those since then while it knows no
	// parent (unassigned), or has no connection to it yet (connecting).
	causeBacklog
	causeUnassigned
	causeConnecting
	// causeHandover: a neighbour pushes the slice from a later part on, or the
	// edge has not heard yet that it does.
	causeHandover
	// Slices that came from a neighbour before: it is gone or mute, it refused, or
	// it was too late too often.
	causeLost
	causeRefused
	causeSlow
	// Fetches: of viewers that have just come, of what the feed itself has not
	// brought in time, and of what a neighbour has not.
	causeFetchJoining
	causeFetchFeed
	causeFetchPeer
	causes
)

var causeNames = [causes]string{"root", "join: backlog", "join: unassigned", "join: connecting", "handover", "parent lost", "parent refused", "parent slow",
	"fetch: joining", "fetch: feed late", "fetch: parent late"}

// way is how a slice has come to a viewer so far.
type way struct {
	assigned string // the parent that the tracker chose; empty: none yet
	peers    bool   // a neighbour has been its source
	left     cause  // why none is any more
}

// blame has what a call of the policy moves to the edge be counted for that
// cause.
func (v *viewer) blame(x cause, as []peerstate.Action) {
	v.why = x
	v.do(as)
	v.why = causeSlow
}

// notes keeps the ways of the slices of a SUBSCRIBE.
func (v *viewer) notes(a *peerstate.Action) {
	for s := range peerwire.MaxSlices {
		if !a.Slices.Has(s) {
			continue
		}
		switch w := &v.ways[a.Key.Track][s]; {
		case a.Peer != peerstate.Edge:
			w.peers, v.sources[a.Key.Track][s] = true, a.Peer
		case v.why == causeSlow && v.state.Mute(v.sources[a.Key.Track][s]):
			w.left = causeLost
		default:
			w.left = v.why
		}
	}
}

// pushCause is why the feed pushes slice s of part n, now that its sources are
// those.
func (v *viewer) pushCause(t *vtrack, s int, n int32, sources []string) cause {
	switch w := &v.ways[t.number][s]; {
	case !w.peers && n <= v.there:
		return causeBacklog
	case sources[s] != peerstate.Edge:
		return causeHandover
	case w.assigned == peerstate.Edge:
		return causeRoot
	case !w.peers && w.assigned == "":
		return causeUnassigned
	case !w.peers:
		return causeConnecting
	default:
		return w.left
	}
}

func (v *viewer) fetchCause(track uint8, s int) cause {
	switch {
	case !v.ways[track][s].peers && !v.play.started:
		return causeFetchJoining
	case v.state.Sources(track)[s] == peerstate.Edge:
		return causeFetchFeed
	}
	return causeFetchPeer
}

// edgeSends counts bytes of media that leave the edge.
func (c *cell) edgeSends(x cause, bytes int) {
	c.edgeBytes += uint64(bytes)
	c.edgeBy[x] += uint64(bytes)
}

// feedBuffer bytes of a feed are with the kernel and cannot be taken back.
const feedBuffer = 256 << 10

// unsend takes chunks off the feed that the edge has not written yet.
func (v *viewer) unsend(drop func(*frame) bool) {
	c, a := v.c, v.feed.out
	written := int(a.buffered)
	for i := range a.chunks {
		written -= int(a.chunks[i].size)
	}
	first := true
	a.chunks = slices.DeleteFunc(a.chunks, func(o outgoing) bool {
		kept := written + int(o.size)
		f := &c.pool.all[o.m].frame
		if first || kept <= feedBuffer || !drop(f) {
			first, written = false, kept
			return false
		}
		if peerwire.Type(f.kind) == peerwire.TypeChunk {
			bytes := uint64(f.size - chunkPrefix)
			c.edgeBytes -= bytes
			c.edgeBy[f.flags] -= bytes
		}
		a.buffered -= o.size
		c.pool.take(o.m, c.pool.all[o.m].gen)
		return true
	})
}

// copiesText tells the causes, the greatest first.
func (r *Result) copiesText() string {
	names := slices.SortedFunc(maps.Keys(r.CopiesBy), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.CopiesBy[b], r.CopiesBy[a]), cmp.Compare(a, b))
	})
	text := "Edge copies of a part and cell"
	for i, name := range names {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		text += fmt.Sprintf("%s%s %.2f", sep, name, r.CopiesBy[name])
	}
	return fmt.Sprintf("%s. %d viewers came during the measurement.", text, r.Came)
}
