package hls

import (
	"strconv"
	"time"

	"starling/internal/media"
	"starling/internal/store"
)

// version is 9 because of EXT-X-SKIP (draft section 8).
const version = 9

// Report is the newest part of another track of the stream.
type Report struct {
	Track string
	Last  media.PartID
}

const (
	partListTargets = 3 // EXT-X-PART for this many target durations (draft section 6.2.2)
	holdBackTargets = 3 // HOLD-BACK and PART-HOLD-BACK, in their targets (draft section 4.4.3.8)
	skipTargets     = 6 // CAN-SKIP-UNTIL, in target durations: the least allowed (draft section 4.4.3.8)
)

// Append renders the media playlist behind b. delta gives a Playlist Delta
// Update where the draft provides one (section 6.2.5.1): not for an ended
// stream, and not when nothing is old enough to skip.
func (t *Timeline) Append(b []byte, reports []Report, delta bool) []byte {
	skipped := 0
	if delta && !t.Ended {
		skipped = t.skippable()
	}
	b = t.appendHead(b)
	if skipped > 0 {
		b = append(b, "#EXT-X-SKIP:SKIPPED-SEGMENTS="...)
		b = append(strconv.AppendInt(b, int64(skipped), 10), '\n')
	}
	rest := t.end()
	for i := range t.Entries {
		e := &t.Entries[i]
		rest -= e.Duration // from this entry's end to the playlist's
		if i < skipped {
			continue
		}
		b = t.appendEntry(b, i, rest < partListTargets*t.Target() && !t.Ended)
	}
	if g := t.Growing; g != nil {
		b = t.appendTags(b, t.last(), g)
		b = appendParts(b, g)
	}
	if t.Ended {
		return append(b, "#EXT-X-ENDLIST\n"...)
	}
	if next, ok := t.Next(); ok {
		b = append(b, `#EXT-X-PRELOAD-HINT:TYPE=PART,URI="`...)
		b = append(appendPartName(b, next), "\"\n"...)
	}
	for _, r := range reports {
		b = append(b, `#EXT-X-RENDITION-REPORT:URI="../`...)
		b = append(b, r.Track...)
		b = append(b, "/"+playlistFile+`",LAST-MSN=`...)
		b = strconv.AppendUint(b, r.Last.MSN, 10)
		b = append(b, ",LAST-PART="...)
		b = append(strconv.AppendUint(b, r.Last.Index, 10), '\n')
	}
	return b
}

// appendHead writes the tags that are the same in every version of the
// playlist, and the two sequence numbers.
func (t *Timeline) appendHead(b []byte) []byte {
	part := t.info.PartTarget()
	b = append(b, "#EXTM3U\n#EXT-X-VERSION:"...)
	b = strconv.AppendInt(b, version, 10)
	b = append(b, "\n#EXT-X-TARGETDURATION:"...)
	b = strconv.AppendInt(b, int64(t.Target()/time.Second), 10)
	b = append(b, "\n#EXT-X-PART-INF:PART-TARGET="...)
	b = appendSeconds(b, part)
	b = append(b, "\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK="...)
	b = appendSeconds(b, holdBackTargets*part)
	b = append(b, ",HOLD-BACK="...)
	b = appendSeconds(b, holdBackTargets*t.Target())
	b = append(b, ",CAN-SKIP-UNTIL="...)
	b = appendSeconds(b, skipTargets*t.Target())
	b = append(b, "\n#EXT-X-MEDIA-SEQUENCE:"...)
	var msn, disc uint64
	if t.Listable() {
		msn, disc = t.Entries[0].MSN, t.Entries[0].Discontinuity
	}
	b = strconv.AppendUint(b, msn, 10)
	b = append(b, "\n#EXT-X-DISCONTINUITY-SEQUENCE:"...)
	b = strconv.AppendUint(b, disc, 10)
	return append(b, '\n')
}

// skippable is the number of leading entries that lie wholly beyond the skip
// boundary, counted from the end of the playlist (draft section 6.2.5.1).
func (t *Timeline) skippable() int {
	rest := t.end()
	for i := range t.Entries {
		rest -= t.Entries[i].Duration
		if rest < skipTargets*t.Target() {
			return i
		}
	}
	return len(t.Entries)
}

func (t *Timeline) appendEntry(b []byte, i int, parts bool) []byte {
	e := &t.Entries[i]
	var prev *Entry
	if i > 0 {
		prev = &t.Entries[i-1]
	}
	b = t.appendTags(b, prev, e)
	if parts {
		b = appendParts(b, e)
	}
	if e.Gap {
		b = append(b, "#EXT-X-GAP\n"...)
	}
	b = append(b, "#EXTINF:"...)
	b = appendSeconds(b, e.Duration)
	b = append(b, ",\n"...)
	b = strconv.AppendUint(b, e.MSN, 10)
	return append(b, mediaSuffix+"\n"...)
}

// appendTags writes what comes before a segment's first part: breaks, a changed
// initialization section and the wall clock.
func (t *Timeline) appendTags(b []byte, prev, e *Entry) []byte {
	if prev != nil {
		for range e.Discontinuity - prev.Discontinuity {
			b = append(b, "#EXT-X-DISCONTINUITY\n"...)
		}
	}
	if init, ok := t.initBefore(e); !e.Gap && (!ok || init != e.Init) {
		b = append(b, `#EXT-X-MAP:URI="`+initPrefix...)
		b = strconv.AppendUint(b, e.Init, 10)
		b = append(b, initSuffix+"\"\n"...)
	}
	b = append(b, "#EXT-X-PROGRAM-DATE-TIME:"...)
	b = e.PDT.UTC().Round(time.Millisecond).AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	return append(b, '\n')
}

// initBefore is the initialization section in force before e: that of the
// nearest earlier entry that has media.
func (t *Timeline) initBefore(e *Entry) (uint64, bool) {
	for i := min(int(e.MSN-t.Entries[0].MSN), len(t.Entries)) - 1; i >= 0; i-- {
		if !t.Entries[i].Gap {
			return t.Entries[i].Init, true
		}
	}
	return 0, false
}

func appendParts(b []byte, e *Entry) []byte {
	for _, p := range e.Parts {
		b = appendPart(b, p)
	}
	return b
}

func appendPart(b []byte, p *store.Part) []byte {
	b = append(b, "#EXT-X-PART:DURATION="...)
	b = appendSeconds(b, p.Header.Duration)
	b = append(b, `,URI="`...)
	b = append(appendPartName(b, p.ID()), '"')
	if p.Header.Flags.Has(media.FlagIndependent) {
		b = append(b, ",INDEPENDENT=YES"...)
	}
	if p.Header.Flags.Has(media.FlagGap) {
		b = append(b, ",GAP=YES"...)
	}
	return append(b, '\n')
}

func appendPartName(b []byte, id media.PartID) []byte {
	b = append(strconv.AppendUint(b, id.MSN, 10), '.')
	b = strconv.AppendUint(b, id.Index, 10)
	return append(b, mediaSuffix...)
}

// appendSeconds writes d with microseconds, without trailing zeros.
func appendSeconds(b []byte, d time.Duration) []byte {
	us := d.Microseconds()
	b = strconv.AppendInt(b, us/1e6, 10)
	frac := us % 1e6
	if frac == 0 {
		return b
	}
	b = append(b, '.')
	for unit := int64(1e5); frac > 0; unit /= 10 {
		b = append(b, byte('0'+frac/unit))
		frac %= unit
	}
	return b
}
