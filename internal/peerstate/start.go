package peerstate

import "starling/internal/media"

// A viewer that comes takes the first parts from the edge and leaves the later
// ones to the parents that it is connecting to. The feed is asked for each part
// only edgeLeadMS before its deadline, until the slice has moved to its parent,
// and without an end when that does not happen within awaitMS.
const (
	edgeLeadMS = 800
	awaitMS    = 3000
)

// awaitParents asks the feed for what parents can no longer bring in time.
func (v *Viewer) awaitParents(t *track, now int64) {
	for s := range t.slices {
		src := &t.slices[s]
		if src.until.MSN == 0 || src.id != Edge {
			continue
		}
		if src.awaitedAt == 0 {
			src.awaitedAt = max(now, 1)
		}
		var end media.PartID // none
		if !src.resigned && now-src.awaitedAt < awaitMS && !(t.assigned && src.parent == Edge) {
			if end = t.dueAfter(now + edgeLeadMS); !before(src.until, end) {
				continue
			}
		}
		if to := v.backup(src, now); to != Edge && t.assigned && src.parent != Edge && !src.resigned {
			v.move(t, s, to, false, now) // until the parent is connected
			continue
		}
		from := src.until
		src.until = end
		v.subscribe(t, s, Edge, from)
	}
}

// reaches reports whether all parts before id are known. The feed tells of them
// in order, so the last one shows it.
func (t *track) reaches(id media.PartID) bool {
	last := media.PartID{}
	for _, p := range t.parts {
		if before(p.key.ID, id) {
			last = p.key.ID
		}
	}
	if last.MSN == 0 {
		return !before(maxID(t.From, t.floor), id)
	}
	return last.MSN == id.MSN && last.Index+1 == id.Index || last.MSN+1 == id.MSN && id.Index == 0
}

// dueAfter gives the first part with a deadline after that time, or the next
// part to begin.
func (t *track) dueAfter(at int64) media.PartID {
	for _, p := range t.parts {
		if p.Deadline > at {
			return p.key.ID
		}
	}
	return t.after()
}
