package simulation

import (
	"slices"

	"starling/internal/swarm"
)

// Bounds of how a beacon's uplink changes the overlay, µs.
const (
	uplinkRiseEvery = 1_000_000
	uplinkFallEvery = 2_000_000
	uplinkCalm      = 10_000_000
)

// replan reports whether a viewer that offers next bit/s now is to be planned
// anew.
func (m *member) replan(next, now int64) bool {
	switch {
	case next == m.uplink:
		return false
	case next == 0:
		return true
	case 10*max(next-m.uplink, m.uplink-next) <= 3*m.uplink:
		return false
	case next < m.uplink:
		return now-m.planned >= uplinkFallEvery
	}
	return now-m.planned >= uplinkRiseEvery && now-m.fellAt >= uplinkCalm
}

func (t *tracker) beacon(v *viewer, w *word) {
	m := &t.members[v.i]
	t.swarm.SetConnected(v.id, int(w.peer))
	if !m.replan(w.uplink, t.c.t.now) {
		return
	}
	if w.uplink < m.uplink {
		m.fellAt = t.c.t.now
	}
	m.uplink, m.planned = w.uplink, t.c.t.now
	t.plan(v)
}

// plan tells the overlay what a viewer offers: less of one of whom others
// complain.
func (t *tracker) plan(v *viewer) {
	offered := t.members[v.i].uplink / swarm.FullShare * t.complaints.Share(v.id, t.clock())
	t.changed(t.swarm.SetUplink(v.id, offered))
}

// clock is the overlay's, ms.
func (t *tracker) clock() int64 { return t.c.t.now/1000 + 1 }

// complain notes that a parent or backup of v did not deliver.
func (t *tracker) complain(v, parent *viewer) {
	takes := slices.ContainsFunc(t.members[v.i].sent.Tracks, func(a swarm.TrackAssignment) bool {
		return slices.ContainsFunc(a.Slices, func(s swarm.SliceAssignment) bool { return s.Parent == parent.id || s.Backup == parent.id })
	})
	if fellAt := t.members[parent.i].fellAt; !takes || fellAt != 0 && t.c.t.now-fellAt < uplinkCalm {
		return // it is no child, or the parent has seen it by itself
	}
	a, _ := t.swarm.Assignment(parent.id)
	if t.complaints.Slow(v.id, parent.id, len(a.Children), t.clock()) {
		t.c.stats.degraded++
	}
	if !slices.Contains(t.accused, parent.i) {
		t.accused = append(t.accused, parent.i)
	}
	t.plan(parent)
}

// acquit plans with those again of whom nobody has complained lately.
func (t *tracker) acquit() {
	t.accused = slices.DeleteFunc(t.accused, func(i int32) bool {
		if !t.members[i].here {
			return true
		}
		v := t.c.viewers[i]
		t.plan(v)
		return t.complaints.Share(v.id, t.clock()) == swarm.FullShare
	})
}
