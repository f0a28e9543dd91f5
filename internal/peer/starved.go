package peer

import "starling/internal/peerstate"

// Times of a busy machine, ms.
const (
	// starvedAt of lacking time a program counts as starved, until it lacks none.
	starvedAt = 1_000
	// starvedMost bounds what has to be made up for, and so how long that takes.
	starvedMost = 2_000
	// starvedShare is the share of the time that it may lack: one part of so many.
	starvedShare = 5
)

// starvation measures whether this program gets the time that it needs, by how
// late its ticks come. The zero value is ready.
type starvation struct {
	lack   int64 // ms
	active bool
}

// note takes the time from one tick to the next, ms. What goes beyond two ticks
// is lacking; a fifth of all time makes up for it.
func (s *starvation) note(since int64) {
	s.lack += max(since-2*tickEvery.Milliseconds(), 0) - since/starvedShare
	s.lack = min(max(s.lack, 0), starvedMost)
	switch {
	case s.lack >= starvedAt:
		s.active = true
	case s.lack == 0:
		s.active = false
	}
}

// reconnect opens the connections that were put off while this program was
// starved: opening one costs more time than anything else, and those that take
// too long are given up, so that a busy machine would do nothing else.
func (p *Peer) reconnect() {
	m := p.tracker.assigned
	if !p.putOff || p.starved.active || m == nil {
		return
	}
	p.putOff = false
	for _, t := range m.Tracks {
		for _, s := range t.Slices {
			for _, id := range []string{s.Parent, s.Backup} {
				if id != peerstate.Edge && id != "" {
					p.connect(id)
				}
			}
		}
	}
}
