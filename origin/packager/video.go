package packager

import (
	"starling/internal/cmaf"
	"starling/internal/media"
)

// minStep is one unit of the video timescale, rounded up to whole µs.
const minStep = 12

// frame is an access unit in output time.
type frame struct {
	dts, pts int64 // µs
	key      bool
	data     []byte
}

// videoTrack packages the source or one rung. A frame's duration and whether
// it is the last of its segment are known when the next one comes, so one
// frame is always pending.
type videoTrack struct {
	output
	live    bool // frames are flowing; otherwise the next boundary IDR is awaited
	gapping bool // gap parts are wanted meanwhile
	pending frame
	step    int64 // last distance between frames, µs
	samples []cmaf.Sample
	start   int64 // dts of the open part's first sample
}

func newVideoTrack(p *Packager, number int) *videoTrack {
	return &videoTrack{output: output{p: p, number: number}}
}

// push takes the next frame in decode order.
func (t *videoTrack) push(f frame) {
	msn, start, ok := t.p.line.find(f.pts)
	cut := ok && f.key && f.pts == start
	if !t.live {
		if !cut || t.began && start < t.cursor {
			return
		}
		t.resume(msn, start, f)
		return
	}
	switch {
	case f.dts < t.pending.dts-backJump.Microseconds():
		t.lose() // an encoder that restarted behind our back
		return
	case ok && msn > t.segment && !cut:
		t.lose() // the segment's IDR is missing
		return
	case cut && msn > t.segment && t.number != Source && f.dts-t.pending.dts > t.p.partTarget():
		// Frames were dropped on the way to the encoder: what is missing up
		// to this boundary is a gap, not a picture that stands still.
		t.lose()
		t.resume(msn, start, f)
		return
	}
	f.dts = max(f.dts, t.pending.dts+minStep)
	t.add(f.dts)
	if cut && msn > t.segment {
		t.close(media.FlagLast, start-t.cursor)
		t.open(f)
		return
	}
	t.pending = f
	// The pending frame begins a new part if it cannot be in this one any more.
	if f.dts+t.frameStep()-t.start > t.p.partTarget()+1000 {
		t.close(0, f.dts-t.start)
		t.start = f.dts
	}
}

// resume starts the track, or goes on after gaps, at a segment's IDR.
func (t *videoTrack) resume(msn uint64, start int64, f frame) {
	if t.began || t.gapping {
		t.gap(start, true)
	} else {
		t.begin(msn, start)
	}
	t.live, t.gapping = true, false
	t.open(f)
}

func (t *videoTrack) open(f frame) {
	t.pending, t.start = f, f.dts
}

// add moves the pending frame, which lasts until next, into the open part, or
// into a new one if it would make the open one too long.
func (t *videoTrack) add(next int64) {
	f := t.pending
	t.step = next - f.dts
	if len(t.samples) > 0 && next-t.start > t.p.partTarget() {
		t.close(0, f.dts-t.start)
		t.start = f.dts
	}
	t.samples = append(t.samples, cmaf.Sample{
		// Differences of rounded ticks, so that they always add up.
		Duration: uint32(ticks(next) - ticks(f.dts)), Offset: int32(ticks(f.pts) - ticks(f.dts)), Key: f.key, Data: f.data,
	})
}

// close emits the open part. duration is its time in the playlist.
func (t *videoTrack) close(flags media.Flag, duration int64) {
	if len(t.samples) == 0 {
		return
	}
	if t.samples[0].Key {
		flags |= media.FlagIndependent
	}
	payload := cmaf.AppendChunk(nil, t.sequence(), uint64(max(ticks(t.start), 0)), true, t.samples)
	clear(t.samples) // drop the frames' bytes
	t.samples = t.samples[:0]
	t.emit(flags, max(duration, minStep), payload)
}

// frameStep is the expected duration of a frame.
func (t *videoTrack) frameStep() int64 {
	if r := t.p.cfg.FrameRate; r > 0 {
		return int64(1_000_000 / r)
	}
	return t.step
}

// lose gives up the open part: a short part before a gap would break the
// rule of PART-TARGET, so the gap begins where the last part ended.
func (t *videoTrack) lose() {
	clear(t.samples)
	t.samples, t.pending, t.live, t.gapping = t.samples[:0], frame{}, false, true
}

// fillTo keeps a lost track in step with the source.
func (t *videoTrack) fillTo(at int64) {
	if !t.gapping {
		return
	}
	if !t.began && t.cursor == 0 && t.segment == 0 {
		t.begin(t.p.line.first, t.p.line.starts[0])
	}
	t.gap(at, false)
}

// endTime is where the last segment ends if no frame follows lastDTS.
func (t *videoTrack) endTime(lastDTS int64) int64 {
	if !t.live {
		return lastDTS + t.frameStep()
	}
	// In output time of the segment: decode times run from its first part's
	// start by as much as the cursor does.
	return t.cursor + t.pending.dts + max(t.frameStep(), minStep) - t.start
}

// finish closes the track at the end of all segments.
func (t *videoTrack) finish() {
	end := t.p.line.end
	if t.live {
		t.live = false
		t.add(t.pending.dts + max(t.frameStep(), minStep))
		last := t.cursor + t.pending.dts + max(t.frameStep(), minStep) - t.start
		if t.number == Source || end-last <= t.p.partTarget()/2 && t.segmentIsLast() {
			t.close(media.FlagLast, max(end-t.cursor, minStep))
			return
		}
		t.close(0, last-t.cursor)
		t.gapping = true
	}
	if t.began || t.gapping {
		t.fillTo(end)
		t.gap(end, true)
		t.gapping = false
	}
}

func (t *videoTrack) segmentIsLast() bool {
	msn, _ := t.p.line.newest()
	return t.segment == msn
}

func ticks(us int64) int64 { return us * (cmaf.VideoTimescale / 10_000) / 100 }
