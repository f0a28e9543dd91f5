package hls

import (
	"time"

	"starling/internal/media"
	"starling/internal/store"
)

// Bounds of the bridge over a hole in the segment numbers.
const (
	// maxBridge is how many missing segments are listed as gaps. A longer hole
	// starts the playlist anew: the bridge would push all media out of it.
	maxBridge = 8
	// spareSegments stay downloadable after they have left the playlist
	// (draft section 6.2.2: a segment's duration plus the playlist's from when
	// it first appeared). The growing segment counts in the window too.
	spareSegments = 2
)

// Entry is one media segment of a playlist.
type Entry struct {
	MSN           uint64
	Duration      time.Duration
	PDT           time.Time
	Discontinuity uint64
	Init          uint64 // meaningless when Gap
	Gap           bool
	Parts         []*store.Part // nil for a segment that is missing altogether
}

// Timeline is the playlist of one track at one moment: entries whose numbers
// follow each other, and the parts of the segment that is not yet complete.
// It is immutable.
type Timeline struct {
	Entries []Entry
	// Growing is the segment after the last entry, while it has parts; nil
	// otherwise.
	Growing *Entry
	Ended   bool

	info *media.StreamInfo
}

// NewTimeline makes the timeline of a window. window is the number of segments
// that the window can hold (store.Directory.Segments); fewer are listed, so
// that what has just left the playlist can still be downloaded.
//
// A segment is complete when it has its last part, or when another one follows
// or the stream has ended: no more of it will come. Segments whose beginning is
// not in the window are left out. Holes of up to maxBridge segments become gaps; a
// longer hole, or numbers that go back, starts the timeline anew.
func NewTimeline(info *media.StreamInfo, snap *store.Snapshot, window int) *Timeline {
	t := &Timeline{Ended: snap.Ended, info: info}
	for i, seg := range snap.Segments {
		if seg.Parts[0].ID().Index != 0 {
			continue
		}
		e := newEntry(seg)
		closed := seg.Final() || snap.Ended || i < len(snap.Segments)-1
		switch prev := t.last(); {
		case prev == nil || follows(prev, &e):
		case bridgeable(prev, &e):
			t.bridge(*prev, &e)
		case closed:
			t.Entries = nil
		default:
			// A playlist needs a segment, so the old one stays until the first
			// segment after the break is complete.
			continue
		}
		if closed {
			t.Entries = append(t.Entries, e)
		} else {
			t.Growing = &e
		}
	}
	t.trim(window)
	return t
}

func newEntry(seg *store.Segment) Entry {
	first := seg.Parts[0].Header
	e := Entry{MSN: seg.MSN, PDT: first.PDT, Discontinuity: first.Discontinuity, Parts: seg.Parts}
	found := false
	for _, p := range seg.Parts {
		e.Duration += p.Header.Duration
		if p.Header.Flags.Has(media.FlagGap) {
			// A client cannot use a segment with a hole in it.
			e.Gap = true
		} else if !found {
			e.Init, found = p.Header.Init, true
		}
	}
	return e
}

func (t *Timeline) last() *Entry {
	if len(t.Entries) == 0 {
		return nil
	}
	return &t.Entries[len(t.Entries)-1]
}

func follows(prev, e *Entry) bool { return e.MSN == prev.MSN+1 && continues(prev, e) }

func bridgeable(prev, e *Entry) bool {
	return e.MSN > prev.MSN+1 && e.MSN-prev.MSN-1 <= maxBridge && continues(prev, e)
}

// continues reports whether the discontinuity numbers can be expressed by tags
// between the two: they only grow, and a break makes them grow.
func continues(prev, e *Entry) bool {
	breaks := e.Parts[0].Header.Flags.Has(media.FlagDiscontinuity)
	return e.Discontinuity > prev.Discontinuity && e.Discontinuity-prev.Discontinuity <= maxBridge ||
		e.Discontinuity == prev.Discontinuity && !breaks
}

// bridge appends gaps for the numbers between prev and e, which share the wall
// clock between the two as far as the target duration allows.
func (t *Timeline) bridge(prev Entry, e *Entry) {
	n := e.MSN - prev.MSN - 1
	start := prev.PDT.Add(prev.Duration)
	d := e.PDT.Sub(start) / time.Duration(n)
	if d <= 0 || d > t.Target() {
		d = time.Duration(max(t.info.SegmentMS, 1)) * time.Millisecond
	}
	for i := range n {
		t.Entries = append(t.Entries, Entry{
			MSN: prev.MSN + 1 + i, Duration: d, PDT: start.Add(time.Duration(i) * d), Discontinuity: prev.Discontinuity, Gap: true,
		})
	}
}

// trim removes the oldest entries beyond the window, but never so many that
// less than three target durations remain (draft section 6.2.2).
func (t *Timeline) trim(window int) {
	var rest time.Duration
	for i := range t.Entries {
		rest += t.Entries[i].Duration
	}
	for len(t.Entries) > max(window-spareSegments-1, 1) {
		rest -= t.Entries[0].Duration
		if !t.Ended && rest < 3*t.Target() {
			return
		}
		t.Entries = t.Entries[1:]
	}
}

// Target is EXT-X-TARGETDURATION, whole seconds.
func (t *Timeline) Target() time.Duration { return TargetDuration(t.info) }

// TargetDuration is EXT-X-TARGETDURATION of a stream: TargetMS rounded up to a
// whole second. It never changes in a stream's life.
func TargetDuration(info *media.StreamInfo) time.Duration {
	return time.Duration(max((info.TargetMS+999)/1000, 1)) * time.Second
}

// Listable reports whether the timeline makes a valid playlist: players refuse
// one without a segment.
func (t *Timeline) Listable() bool { return len(t.Entries) > 0 }

// Last is the newest part of the playlist, or false when it has none. The last
// part of a missing segment counts as index 0.
func (t *Timeline) Last() (media.PartID, bool) {
	e := t.Growing
	if e == nil {
		e = t.last()
	}
	if e == nil {
		return media.PartID{}, false
	}
	return media.PartID{MSN: e.MSN, Index: uint64(max(len(e.Parts), 1) - 1)}, true
}

// Next is the part that the playlist hints at.
func (t *Timeline) Next() (media.PartID, bool) {
	switch {
	case t.Ended || !t.Listable():
		return media.PartID{}, false
	case t.Growing != nil:
		return media.PartID{MSN: t.Growing.MSN, Index: uint64(len(t.Growing.Parts))}, true
	default:
		return media.PartID{MSN: t.last().MSN + 1}, true
	}
}

// end is how long the playlist is, the parts of the growing segment included.
func (t *Timeline) end() time.Duration {
	var d time.Duration
	for i := range t.Entries {
		d += t.Entries[i].Duration
	}
	if t.Growing != nil {
		d += t.Growing.Duration
	}
	return d
}
