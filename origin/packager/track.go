package packager

import (
	"time"

	"starling/internal/media"
)

// output is what video and audio tracks share: numbering and gap parts.
type output struct {
	p       *Packager
	number  int
	began   bool   // a part has been emitted
	segment uint64 // msn being filled
	index   uint64 // of the next part
	cursor  int64  // µs of output time up to which parts are emitted
}

// emit numbers and publishes a part that begins at the cursor.
func (o *output) emit(flags media.Flag, duration int64, payload []byte) {
	if !o.began && o.p.cfg.Discontinuity {
		flags |= media.FlagDiscontinuity
	}
	o.began = true
	o.p.cfg.Emit(Part{
		Track: o.number, ID: media.PartID{MSN: o.segment, Index: o.index}, Flags: flags,
		At: time.Duration(o.cursor) * time.Microsecond, Duration: time.Duration(duration) * time.Microsecond, Payload: payload,
	})
	o.cursor += duration
	o.index++
	if flags.Has(media.FlagLast) {
		o.segment++
		o.index = 0
	}
}

// begin places a track that has emitted nothing at the start of a segment.
func (o *output) begin(msn uint64, start int64) {
	o.segment, o.index, o.cursor = msn, 0, start
}

// gap emits gap parts from the cursor on: up to the time to as far as whole
// parts fit and up to every segment's end, or exactly up to it.
func (o *output) gap(to int64, exact bool) {
	for o.cursor < to && !o.p.line.over(o.segment) {
		end, flags := o.cursor+o.p.partTarget(), media.FlagGap
		if next, known := o.p.line.endOf(o.segment); known && next <= to && next <= end {
			// Only with contradictory times is the boundary not ahead.
			end, flags = max(next, o.cursor+minStep), flags|media.FlagLast
		}
		if end > to && !flags.Has(media.FlagLast) {
			if !exact {
				return
			}
			end = to
		}
		o.emit(flags, end-o.cursor, nil)
	}
}

// sequence is the chunk's movie fragment sequence number: growing, and a
// function of the part's address alone.
func (o *output) sequence() uint32 { return uint32(o.segment<<8 | o.index&0xff) }
