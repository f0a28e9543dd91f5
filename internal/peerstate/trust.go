package peerstate

import "slices"

// Times and counts of trust in a neighbour.
const (
	// A source left as silent is not used for avoidMS, then twice as long each
	// time within the window: one hiccup must not end a pair for good.
	avoidMS        = 2_000
	maxAvoidMS     = 32_000
	maxStrikes     = 3 // within strikeWindowMS are reported to the tracker
	strikeWindowMS = 60_000
	// A mute one that is heard within excuseMS was only away for a moment.
	excuseMS = 400
	// One that announces parts and does not send them when asked is not asked
	// for doubtMS, then twice as long each time.
	maxBroken  = 2
	doubtMS    = 10_000
	maxDoubtMS = 80_000
	// refusedMS after it refused a subscription a neighbour is not asked again.
	refusedMS = 5_000
	// damage counts parts of which a source sent a slice in part or too late:
	// each adds damageCost, each whole one takes 1 off.
	damageCost  = 3
	victimCost  = 1 // when it had not announced the part by then: it may be a victim itself
	damageLimit = 8
)

// Trust is what is held against a neighbour. The zero value is a stranger's.
type Trust struct {
	strikes    []int64
	broken     int   // requests in a row that ran out although it had announced the chunks
	doubt      int64 // ms of the latest doubt
	doubtUntil int64
}

// Strike counts a departure from it as silent or damaged. It gives for how
// long it is not to be used, and whether the tracker should know.
func (t *Trust) Strike(now int64) (avoid int64, report bool) {
	t.strikes = append(slices.DeleteFunc(t.strikes, func(at int64) bool { return now-at > strikeWindowMS }), now)
	n := len(t.strikes)
	return min(int64(avoidMS)<<min(n-1, 8), maxAvoidMS), n%maxStrikes == 0
}

// Excuse takes the latest strike back.
func (t *Trust) Excuse() {
	if len(t.strikes) > 0 {
		t.strikes = t.strikes[:len(t.strikes)-1]
	}
}

// Broke counts a request that ran out.
func (t *Trust) Broke(now int64) {
	if t.broken++; t.broken < maxBroken {
		return
	}
	t.broken = 0
	t.doubt = min(max(2*t.doubt, doubtMS), maxDoubtMS)
	t.doubtUntil = now + t.doubt
}

// Kept says that it answered a request.
func (t *Trust) Kept() { t.broken = 0 }

// Doubted reports whether it is not to be asked now.
func (t *Trust) Doubted(now int64) bool { return now < t.doubtUntil }

// clean reports whether nothing is held against it any more.
func (t *Trust) clean(now int64) bool {
	n := len(t.strikes)
	return (n == 0 || now-t.strikes[n-1] > strikeWindowMS) && now >= t.doubtUntil
}

// Damaged gives the new count of damage after a part: late says that its slice
// had to be repaired, had that the source had announced the part by then.
func Damaged(count int, late, had bool) int {
	switch {
	case late && had:
		return count + damageCost
	case late:
		return count + victimCost
	}
	return max(count-1, 0)
}
