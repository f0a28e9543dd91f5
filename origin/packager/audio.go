package packager

import (
	"starling/internal/cmaf"
	"starling/internal/media"
)

const (
	// slackMS is how far the publisher's rounded times may be from the count
	// of samples before the count is steered, one sample a frame.
	slackMS = 3
	// holeMS is the difference that means that frames are missing.
	holeMS = 60
	// maxFillMS is the longest hole that is filled with silence.
	maxFillMS = 1500
)

// audioTrack packages the audio. It counts samples, so that rounded
// milliseconds never become gaps or overlaps.
type audioTrack struct {
	output
	cfg     *cmaf.AudioConfig
	silence []byte

	synced bool
	next   int64 // samples: the place of the next frame from the publisher
	queue  []audioFrame
	open   []cmaf.Sample
	start  int64 // samples: place of the open part's first frame
	end    int64 // samples: where the open part ends
}

type audioFrame struct {
	at   int64 // samples
	dur  int64 // samples
	data []byte
}

func newAudioTrack(p *Packager, number int, cfg *cmaf.AudioConfig) *audioTrack {
	return &audioTrack{output: output{p: p, number: number}, cfg: cfg, silence: cfg.Silence()}
}

// micros is the output time of a place in samples, rounded down.
func (t *audioTrack) micros(samples int64) int64 {
	return samples * 1_000_000 / int64(t.cfg.SampleRate)
}

func (t *audioTrack) ms(n int64) int64 { return n * int64(t.cfg.SampleRate) / 1000 }

// push places a frame that the publisher put at the output time at.
func (t *audioTrack) push(at int64, data []byte) {
	if len(data) == 0 {
		return
	}
	if at > t.p.lastDTS+t.p.cfg.Target.Microseconds() || at < 0 {
		return // far from the video: the clock is about to jump, or is broken
	}
	want := (at*int64(t.cfg.SampleRate) + 500_000) / 1_000_000
	size := int64(t.cfg.FrameSamples)
	if !t.synced {
		if at < t.p.line.starts[0] && !t.began {
			return // before the first picture
		}
		t.synced, t.next = true, want
	}
	step := size
	switch diff := want - t.next; {
	case diff > t.ms(maxFillMS):
		t.next = want // advance fills the rest with gap parts
	case diff > t.ms(holeMS):
		n := (diff + size/2) / size
		filler := t.silence
		if filler == nil {
			filler = data
		}
		for range n {
			t.queue = append(t.queue, audioFrame{t.next, size, filler})
			t.next += size
		}
		if t.p.cfg.AudioFilled != nil {
			t.p.cfg.AudioFilled(int(n))
		}
	case diff < -t.ms(holeMS):
		return // again what was there already
	case diff > t.ms(slackMS):
		step++
	case diff < -t.ms(slackMS):
		step--
	}
	t.queue = append(t.queue, audioFrame{t.next, step, data})
	t.next += step
}

// advance closes every part whose content and end are certain: a boundary
// can still come at any time that the source's decode time has not passed.
func (t *audioTrack) advance() {
	for t.closeFull() && len(t.queue) > 0 {
		f := t.queue[0]
		at := t.micros(f.at)
		if at < t.cursor && len(t.open) == 0 && t.began {
			t.drop() // late, its time has been filled with a gap
			continue
		}
		if !t.began && len(t.open) == 0 {
			msn, start, ok := t.p.line.find(at)
			if !ok {
				t.drop()
				continue
			}
			t.begin(msn, start)
			t.cursor = at
		}
		if next, known := t.p.line.next(t.segment); known && at >= next {
			t.endSegment(next)
			continue
		}
		if at >= t.p.lastDTS && !t.p.ended {
			return
		}
		if at-t.reach() > holeMS*1000 { // too long to fill with silence
			t.closePart(0)
			t.gap(at, true)
		}
		if len(t.open) == 0 {
			t.start = f.at
		}
		t.open = append(t.open, cmaf.Sample{Duration: uint32(f.dur), Key: true, Data: f.data})
		t.end = f.at + f.dur
		t.drop()
	}
	if len(t.queue) == 0 && t.began && t.p.lastDTS-t.reach() > audioLag.Microseconds() {
		t.closePart(0)
		t.gap(t.p.lastDTS, false)
	}
}

// reach is the output time up to which there is sound or a gap, in µs.
func (t *audioTrack) reach() int64 {
	if len(t.open) > 0 {
		return t.micros(t.end)
	}
	return t.cursor
}

// endSegment closes the segment at a boundary that later frames are beyond.
func (t *audioTrack) endSegment(boundary int64) {
	if len(t.open) > 0 && boundary-t.reach() <= holeMS*1000 {
		t.closePart(media.FlagLast)
		return
	}
	t.closePart(0)
	if t.cursor < boundary {
		t.gap(boundary, true)
	} else { // nothing to mark as last: only after the publisher's clock misbehaved
		t.segment++
		t.index = 0
	}
}

func (t *audioTrack) drop() {
	t.queue[0] = audioFrame{}
	t.queue = t.queue[1:]
}

// closeFull closes the open part if it is full or reaches the segment's end.
// It reports false if that cannot be decided yet.
func (t *audioTrack) closeFull() bool {
	if len(t.open) == 0 {
		return true
	}
	if next, known := t.p.line.next(t.segment); known && t.reach() >= next {
		t.closePart(media.FlagLast)
		return true
	}
	if t.p.ended && len(t.queue) == 0 {
		return true // finish closes it as the last
	}
	if t.reach() >= t.p.lastDTS && !t.p.ended {
		return false
	}
	if t.micros(t.end+int64(t.cfg.FrameSamples))-t.cursor > t.p.partTarget() {
		t.closePart(0)
	}
	return true
}

func (t *audioTrack) closePart(flags media.Flag) {
	if len(t.open) == 0 {
		return
	}
	payload := cmaf.AppendChunk(nil, t.sequence(), uint64(t.start), false, t.open)
	clear(t.open)
	t.open = t.open[:0]
	// The part begins at the cursor, which is the end of the part before it.
	t.emit(flags|media.FlagIndependent, max(t.micros(t.end)-t.cursor, minStep), payload)
}

// finish closes the track with all frames that have come.
func (t *audioTrack) finish() {
	t.advance()
	if len(t.open) > 0 {
		t.closePart(media.FlagLast)
	} else if t.began {
		t.gap(t.p.line.end, true)
	}
}
