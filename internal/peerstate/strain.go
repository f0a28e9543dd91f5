package peerstate

// One is the whole of a level: levels are in millionths.
const One = 1_000_000

// Levels of strain.
const (
	strainWindow = 16 // slices over which lateness is averaged: a second or so
	strainedAt   = 300_000
	relaxedAt    = 150_000
	retreatAt    = 500_000
)

// Strain measures how general lateness is: the average, over the latest slices
// from all sources, of those that had to be repaired. One late parent is a
// matter of that parent; when most are late, repairs only add to the load that
// makes them late. The zero value is ready.
type Strain struct {
	level  int64
	active bool
}

// Note takes a slice of a part that is over: late says that some of it was
// repaired.
func (s *Strain) Note(late bool) {
	var x int64
	if late {
		x = One
	}
	s.level += (x - s.level) / strainWindow
	if s.level >= strainedAt {
		s.active = true
	} else if s.level < relaxedAt {
		s.active = false
	}
}

// Active reports whether lateness is general: from strainedAt on, until it is
// below relaxedAt again.
func (s *Strain) Active() bool { return s.active }

// Level is the share of late slices in millionths.
func (s *Strain) Level() int64 { return s.level }

// Fairness compares the slices that peers push with those of the feed: a
// retreat from peers to a feed that is no better would only take capacity away.
// The zero value is ready.
type Fairness struct{ peers, edge Strain }

// Note takes a slice of a part that is over, as Strain does.
func (f *Fairness) Note(edge, late bool) {
	if edge {
		f.edge.Note(late)
	} else {
		f.peers.Note(late)
	}
}

// EdgeIsLate reports whether the feed is late in general, too.
func (f *Fairness) EdgeIsLate() bool { return f.edge.Active() }

// Level is the strain that counts against peers while so many slices come from
// them: none when nothing comes from them, or when the feed is late itself.
func (f *Fairness) Level(taken int) int64 {
	if taken == 0 {
		f.peers = Strain{}
	}
	if f.edge.Active() {
		return 0
	}
	return f.peers.Level()
}

// Times of a retreat, ms.
const (
	retreatAfterMS = 500 // of high strain, with jitter
	minHoldMS      = 5_000
	maxHoldMS      = 120_000
	returnStepMS   = 2_000  // between slices that return, with jitter
	forgetHoldMS   = 60_000 // of calm with all slices from peers
)

// Retreat bounds how many slices a viewer takes from peers, so that a swarm
// beyond its capacity sheds load to the edge and comes back without swinging:
// half of them are given up while strain stays high, and they return one by
// one when it is low, later after each retreat that follows a return.
type Retreat struct {
	seed     uint32
	away     bool
	returned bool // some of it, since the latest step
	quota    int
	badAt    int64 // since when strain is high, 0 while it is not
	waitMS   int64 // how long it may stay so
	holdMS   int64
	returnAt int64
	calmAt   int64 // since when no slice is given up
}

// NewRetreat makes a Retreat; the seed spreads the viewers of a swarm in time.
func NewRetreat(seed uint32) Retreat { return Retreat{seed: seed} }

// jitter draws from ms/2 to 3/2 ms.
func (r *Retreat) jitter(ms int64) int64 {
	r.seed = r.seed*1_664_525 + 1_013_904_223
	return ms/2 + ms*int64(r.seed>>16)/65_536
}

// Relapse takes a slice from a peer that is late while others are given up:
// it came back too early. It goes again, and all stay away as long again.
func (r *Retreat) Relapse(now int64) {
	if r.away && r.quota > 0 {
		r.quota--
		r.returnAt = now + r.jitter(r.holdMS)
	}
}

// Update gives the number of slices that may come from peers now: all, unless
// away. level is the strain, taken how many come from peers, all how many the
// tracker assigned so.
func (r *Retreat) Update(level int64, taken, all int, now int64) int {
	if level < retreatAt {
		r.badAt = 0
	}
	switch {
	case level >= retreatAt && r.badAt == 0:
		r.badAt, r.waitMS = max(now, 1), r.jitter(retreatAfterMS)
	case level >= retreatAt && taken > 0 && now-r.badAt >= r.waitMS:
		if !r.away || r.returned { // not one more step of the same retreat
			r.holdMS = min(max(2*r.holdMS, minHoldMS), maxHoldMS)
		}
		r.away, r.returned, r.quota, r.badAt = true, false, taken/2, 0
		r.returnAt = now + r.jitter(r.holdMS)
	case level < relaxedAt && r.away && now >= r.returnAt:
		r.quota++
		r.returned = true
		r.returnAt = now + r.jitter(returnStepMS)
	case level < relaxedAt && !r.away && now-r.calmAt >= forgetHoldMS:
		r.holdMS = 0
	}
	if r.away && r.quota >= all {
		r.away, r.calmAt = false, now
	}
	if !r.away {
		return all
	}
	return r.quota
}
