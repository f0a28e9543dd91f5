package hls

import (
	"time"

	"starling/internal/media"
)

// Decision says what to do with a playlist request now.
type Decision uint8

// The decisions.
const (
	Ready  Decision = iota // answer
	Wait                   // park until the next snapshot
	Reject                 // 400: too far ahead
)

// maxAdvanceSegments is how far _HLS_msn may be beyond the last segment (draft
// section 6.2.5.2).
const maxAdvanceSegments = 2

// AdvancePartLimit is how many parts _HLS_part may be beyond the last one
// (draft section 6.2.5.2): three seconds of parts below one second, else three.
func AdvancePartLimit(partTarget time.Duration) uint64 {
	if partTarget <= 0 || partTarget >= time.Second {
		return 3
	}
	return uint64((3*time.Second + partTarget - 1) / partTarget)
}

// ReloadTimeout is how long a request is parked at most: three target
// durations, then 503 (draft section 6.2.5.2).
func ReloadTimeout(info *media.StreamInfo) time.Duration { return 3 * TargetDuration(info) }

// Decide applies the rules of blocking playlist reload (draft section 6.2.5.2).
func (t *Timeline) Decide(q Query) Decision {
	switch {
	case t.Listable() && t.Ended: // directives are ignored once ENDLIST is there
		return Ready
	case !t.Listable():
		return Wait
	case !q.HasMSN:
		return Ready
	}
	last := t.last().MSN
	if q.MSN > last+maxAdvanceSegments {
		return Reject
	}
	if !q.HasPart {
		if q.MSN <= last {
			return Ready
		}
		return Wait
	}
	want := t.normalize(media.PartID{MSN: q.MSN, Index: q.Part})
	have, _ := t.Last()
	switch {
	case want.Compare(have) <= 0:
		return Ready
	case want.Index >= t.partsOf(want.MSN)+AdvancePartLimit(t.info.PartTarget()):
		return Reject
	default:
		return Wait
	}
}

// normalize turns a part beyond the end of a complete segment into the first
// of the next one (draft section 6.2.5.2).
func (t *Timeline) normalize(id media.PartID) media.PartID {
	if first := t.Entries[0].MSN; id.MSN >= first && id.MSN-first < uint64(len(t.Entries)) {
		if n := len(t.Entries[id.MSN-first].Parts); id.Index >= uint64(max(n, 1)) {
			return media.PartID{MSN: id.MSN + 1}
		}
	}
	return id
}

func (t *Timeline) partsOf(msn uint64) uint64 {
	if t.Growing != nil && t.Growing.MSN == msn {
		return uint64(len(t.Growing.Parts))
	}
	return 0
}
