// Package peerstate is the policy of one viewer in a swarm, pure: what to do
// with each part that is being received, whom to take each slice from, what to
// pass on and to whom. It has no clock, goroutine or socket: events come in
// with the time, actions come out. The TypeScript client implements the same
// rules and passes the same vectors (testdata/vectors/repair-policy.json).
package peerstate

// Edge is the id that stands for the edge among neighbours: its feed as a
// source of slices, and HTTP byte ranges as a source of repairs.
const Edge = "edge"

// Rules are the times of the policy, in milliseconds. The zero value of a
// field means the value of DefaultRules.
type Rules struct {
	// PatiencePercent of the slack is spent waiting for a push before a
	// repair, within PatienceMinMS and PatienceMaxMS. A third leaves time for
	// a neighbour to fail and the edge to answer after it.
	PatiencePercent int64 `json:"patiencePercent"`
	PatienceMinMS   int64 `json:"patienceMinMs"`
	PatienceMaxMS   int64 `json:"patienceMaxMs"`
	// RequestSlackMS is the least slack with which a neighbour is asked:
	// below it only the edge is sure enough.
	RequestSlackMS int64 `json:"requestSlackMs"`
	// SilentMS after a slice was expected while others flow, its source is
	// left for the backup.
	SilentMS int64 `json:"silentMs"`
	// FlowingMS after its last chunk a slice counts as still arriving.
	FlowingMS int64 `json:"flowingMs"`
	// MissedParts in a row without a chunk of a slice also end its source:
	// this catches a silent parent of a track with one slice.
	MissedParts int `json:"missedParts"`
	// UsefulMS after its deadline a part is forgotten, complete or not.
	UsefulMS int64 `json:"usefulMs"`
	// RetryMS is the pause before a failed edge fetch is tried again.
	RetryMS int64 `json:"retryMs"`
}

// DefaultRules are the rules of docs/peer.md.
func DefaultRules() Rules {
	return Rules{PatiencePercent: 35, PatienceMinMS: 60, PatienceMaxMS: 400, RequestSlackMS: 250,
		SilentMS: 150, FlowingMS: 60, MissedParts: 2, UsefulMS: 4000, RetryMS: 100}
}

func (r Rules) withDefaults() Rules {
	d := DefaultRules()
	for _, f := range []struct{ v, d *int64 }{
		{&r.PatiencePercent, &d.PatiencePercent}, {&r.PatienceMinMS, &d.PatienceMinMS}, {&r.PatienceMaxMS, &d.PatienceMaxMS},
		{&r.RequestSlackMS, &d.RequestSlackMS}, {&r.SilentMS, &d.SilentMS}, {&r.FlowingMS, &d.FlowingMS},
		{&r.UsefulMS, &d.UsefulMS}, {&r.RetryMS, &d.RetryMS},
	} {
		if *f.v == 0 {
			*f.v = *f.d
		}
	}
	if r.MissedParts == 0 {
		r.MissedParts = d.MissedParts
	}
	return r
}

// Patience is how long to wait for a push with that much slack: nothing once
// the deadline has passed.
func (r Rules) Patience(slack int64) int64 {
	if slack <= 0 {
		return 0
	}
	return min(max(slack*r.PatiencePercent/100, r.PatienceMinMS), r.PatienceMaxMS)
}
