package edge

import (
	"time"

	"starling/internal/hls"
)

// freshWait bounds how long the first playlist of a track that was just
// acquired waits for its live end: until then the window holds the oldest part
// of the backlog, and a player that began there would be seconds behind.
const freshWait = time.Second

// filling gives what is left of limit since the track was asked for upstream:
// so long its window may still lack what is behind the backlog. It is 0 for a
// track that does not come from upstream, or was refused.
func (v *view) filling(limit time.Duration) time.Duration {
	asked := v.asked.Load()
	if asked == nil {
		return 0
	}
	rest := limit - time.Since(*asked)
	if rest <= 0 {
		return 0 // by far the most often
	}
	v.owner.mu.Lock()
	defer v.owner.mu.Unlock()
	if !v.pending && v.release == nil {
		return 0
	}
	return rest
}

// hold gives for how long a decision is put off because the window of a track
// that was just acquired is still old: "too far ahead" would be wrong of a
// number from another track's rendition report, and "ready" hasty.
func (v *view) hold(now *version, d hls.Decision) time.Duration {
	switch {
	case now.timeline.Ended:
		return 0
	case d == hls.Reject:
		return v.filling(now.timeline.Target())
	case d == hls.Ready:
		if rest := v.filling(freshWait); rest > 0 && v.behind(now) {
			return rest
		}
	}
	return 0
}

// behind reports whether the window ends before the live end: more than a
// segment before another track's, all being cut at the same times, or by the
// clock.
func (v *view) behind(now *version) bool {
	last, ok := now.snap.Last()
	if !ok {
		return false
	}
	segment := time.Duration(now.info.SegmentMS) * time.Millisecond
	if time.Since(last.Header.PDT.Add(last.Header.Duration)) > segment {
		return true
	}
	for i := range now.info.Tracks {
		if tr, ok := v.stream.Track(now.info.Tracks[i].Name); ok {
			if other, ok := tr.Snapshot().Last(); ok && other.ID().MSN > last.ID().MSN+1 {
				return true
			}
		}
	}
	return false
}
