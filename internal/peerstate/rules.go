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
	// A push is awaited until LeadMS of the slack are left: that leaves time
	// for a neighbour to fail and the edge to answer after it. With little
	// slack from the beginning it is PatiencePercent of it, and PatienceMinMS
	// at least.
	PatiencePercent int64 `json:"patiencePercent"`
	PatienceMinMS   int64 `json:"patienceMinMs"`
	LeadMS          int64 `json:"leadMs"`
	// HeaderMaxMS bounds how long a header is waited for: it is small and goes
	// ahead of the chunks, so that its absence says more.
	HeaderMaxMS int64 `json:"headerMaxMs"`
	// RequestMaxMS bounds how long a neighbour that was asked is waited for:
	// PatiencePercent of the slack, at least PatienceMinMS.
	RequestMaxMS int64 `json:"requestMaxMs"`
	// RequestSlackMS is the least slack with which a neighbour is asked:
	// below it only the edge is sure enough.
	RequestSlackMS int64 `json:"requestSlackMs"`
	// FlowingMS after its last chunk a slice counts as still arriving.
	FlowingMS int64 `json:"flowingMs"`
	// MissedParts in a row without a chunk of a slice also end its source:
	// this catches a silent parent of a track with one slice.
	MissedParts int `json:"missedParts"`
	// UsefulMS after its deadline a part is forgotten, complete or not.
	UsefulMS int64 `json:"usefulMs"`
	// StrainedPercent and StrainedLeadMS take the place of PatiencePercent and
	// LeadMS while lateness is general: what is late will come, and asking for
	// it elsewhere would double the load. The rest must do for the edge.
	StrainedPercent int64 `json:"strainedPercent"`
	StrainedLeadMS  int64 `json:"strainedLeadMs"`
	// RetryMS is the pause before a failed edge fetch is tried again.
	RetryMS int64 `json:"retryMs"`
}

// DefaultRules are the rules of docs/peer.md.
func DefaultRules() Rules {
	return Rules{PatiencePercent: 35, PatienceMinMS: 60, LeadMS: 450, HeaderMaxMS: 1000, RequestMaxMS: 400, RequestSlackMS: 250,
		FlowingMS: 200, MissedParts: 2, UsefulMS: 4000, StrainedPercent: 60, StrainedLeadMS: 300, RetryMS: 100}
}

func (r Rules) withDefaults() Rules {
	d := DefaultRules()
	for _, f := range []struct{ v, d *int64 }{
		{&r.PatiencePercent, &d.PatiencePercent}, {&r.PatienceMinMS, &d.PatienceMinMS}, {&r.LeadMS, &d.LeadMS},
		{&r.HeaderMaxMS, &d.HeaderMaxMS}, {&r.RequestMaxMS, &d.RequestMaxMS}, {&r.RequestSlackMS, &d.RequestSlackMS}, {&r.FlowingMS, &d.FlowingMS},
		{&r.UsefulMS, &d.UsefulMS}, {&r.RetryMS, &d.RetryMS},
		{&r.StrainedPercent, &d.StrainedPercent}, {&r.StrainedLeadMS, &d.StrainedLeadMS},
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

// Strained are the rules while lateness is general.
func (r Rules) Strained() Rules {
	r.PatiencePercent, r.LeadMS = r.StrainedPercent, r.StrainedLeadMS
	return r
}

// reserving are the rules when the edge takes that long for what is missing: it
// is asked that long before the deadline, and a neighbour as much before that as
// with a fast edge.
func (r Rules) reserving(edgeMS int64) Rules {
	neighbourMS := max(r.LeadMS-r.RequestSlackMS, 0)
	r.RequestSlackMS = max(r.RequestSlackMS, edgeMS)
	r.LeadMS = max(r.LeadMS, edgeMS+neighbourMS)
	return r
}

// Patience is how long to wait for a push with that much slack: nothing once
// the deadline has passed.
func (r Rules) Patience(slack int64) int64 {
	if slack <= 0 {
		return 0
	}
	return max(slack-r.LeadMS, slack*r.PatiencePercent/100, r.PatienceMinMS)
}

// RequestMS is how long a neighbour that is asked with that much slack is
// waited for.
func (r Rules) RequestMS(slack int64) int64 {
	return min(max(slack*r.PatiencePercent/100, r.PatienceMinMS), r.RequestMaxMS)
}
