// Package packager turns the access units of one publication into the parts
// of its tracks. It is a pure state machine: no clock, goroutine or I/O. The
// same access units in the same order give the same bytes.
//
// The source's IDRs decide where segments begin. Rungs of the ladder and the
// audio cut at the same times and use the same numbers; a rung whose encoder
// failed is filled with gap parts, so that its playlist stays in step.
package packager

import (
	"errors"
	"fmt"
	"time"

	"starling/internal/cmaf"
	"starling/internal/media"
)

// Errors of Source, after which the caller ends this packager.
var (
	// ErrKeyframes means that a segment would exceed its bound.
	ErrKeyframes = errors.New("no keyframe for too long")
	// ErrJump means that the publisher's clock jumped. The access unit was not taken.
	ErrJump = errors.New("timestamps jumped")
)

const (
	// backJump is how far back a decode time may go before it is a jump; less
	// is a muxer's mistake and is smoothed.
	backJump = 500 * time.Millisecond
	// audioLag is how far audio may fall behind video before its playlist is
	// filled with gaps: more than any interleaving, less than a buffer.
	audioLag = 1500 * time.Millisecond
	// maxReorder bounds composition offsets: 16 reordered frames at 4 a second.
	maxReorder = 4 * time.Second
)

// Source is the number of the source's track in Part.Track; rung i of the
// ladder is 1+i, audio is Config.Rungs+1.
const Source = 0

// Config of a Packager.
type Config struct {
	Segment time.Duration // nominal duration
	Target  time.Duration // bound of a segment's duration
	Part    time.Duration // PART-TARGET, from the function PartTarget

	FirstMSN      uint64
	Offset        time.Duration // output time of the first access unit's DTS
	Discontinuity bool          // the first part of every track gets FlagDiscontinuity

	FrameRate   float64 // of the source, 0 if unknown
	SkipSource  bool    // the source only gives the boundaries and is not packaged
	Rungs       int
	Audio       *cmaf.AudioConfig // nil without audio
	Emit        func(Part)        // called with every part, in order for each track
	AudioFilled func(frames int)  // called when a hole was filled with silence; may be nil
}

// Part is a closed part, not yet signed.
type Part struct {
	Track    int
	ID       media.PartID
	Flags    media.Flag
	At       time.Duration // output time of its first sample
	Duration time.Duration
	Payload  []byte // CMAF chunk; empty for a gap
}

// Packager packages one publication, from one IDR up to a discontinuity.
type Packager struct {
	cfg     Config
	line    timeline
	started bool
	base    int64 // µs to add to the publisher's time
	lastDTS int64 // of the source, µs of output time
	source  *videoTrack
	rungs   []*videoTrack
	audio   *audioTrack
	ended   bool
}

// New makes a Packager that waits for the first IDR.
func New(cfg Config) *Packager {
	p := &Packager{cfg: cfg, line: timeline{first: cfg.FirstMSN, end: -1}}
	p.source = newVideoTrack(p, Source)
	for i := range cfg.Rungs {
		p.rungs = append(p.rungs, newVideoTrack(p, 1+i))
	}
	if cfg.Audio != nil {
		p.audio = newAudioTrack(p, 1+cfg.Rungs, cfg.Audio)
	}
	return p
}

// Started reports whether the first IDR has come.
func (p *Packager) Started() bool { return p.started }

// End is the output time that no emitted or open part exceeds.
func (p *Packager) End() time.Duration {
	end := max(p.lastDTS, p.line.end)
	for _, t := range append([]*videoTrack{p.source}, p.rungs...) {
		end = max(end, t.cursor)
	}
	if p.audio != nil {
		end = max(end, p.audio.cursor)
	}
	return time.Duration(end) * time.Microsecond
}

// NextMSN is the first number that this packager has not used.
func (p *Packager) NextMSN() uint64 {
	if !p.started {
		return p.cfg.FirstMSN
	}
	msn, _ := p.line.newest()
	return msn + 1
}

// Segment is the number of the source's newest segment and how long the source
// has been in it.
func (p *Packager) Segment() (msn uint64, elapsed time.Duration) {
	if !p.started {
		return p.cfg.FirstMSN, 0
	}
	msn, at := p.line.newest()
	return msn, time.Duration(p.lastDTS-at) * time.Microsecond
}

// Source takes the publisher's next access unit. Those before the first IDR
// are dropped.
func (p *Packager) Source(au cmaf.AccessUnit) error {
	if p.ended || !p.started && !au.Key {
		return nil
	}
	if !p.started {
		p.base = p.cfg.Offset.Microseconds() - au.DTS*1000
		p.lastDTS = p.cfg.Offset.Microseconds() - 1
	}
	if offset := au.PTS - au.DTS; offset < -maxReorder.Milliseconds() || offset > maxReorder.Milliseconds() {
		return fmt.Errorf("presentation time %d ms from decode time: %w", offset, cmaf.ErrBitstream)
	}
	f := p.frame(au)
	if p.started {
		if f.dts < p.lastDTS-backJump.Microseconds() || f.dts > p.lastDTS+p.cfg.Target.Microseconds() {
			return fmt.Errorf("%w by %v", ErrJump, time.Duration(f.dts-p.lastDTS)*time.Microsecond)
		}
		f.dts = max(f.dts, p.lastDTS+minStep)
		_, start := p.line.newest()
		target := p.cfg.Target.Microseconds()
		switch slack := p.halfFrame(f.dts); {
		case f.pts-start > target && (f.key || f.dts-p.lastDTS > target/4):
			return fmt.Errorf("%w: no picture for %v", ErrJump, time.Duration(f.dts-p.lastDTS)*time.Microsecond)
		case f.key && f.pts-start >= p.cfg.Segment.Microseconds()-slack:
			p.line.add(f.pts)
		case f.pts-start > target:
			return fmt.Errorf("%w: %v since the last, at most %v is allowed; set the encoder's keyframe interval to %v",
				ErrKeyframes, time.Duration(f.pts-start)*time.Microsecond, p.cfg.Target, p.cfg.Segment)
		}
	} else {
		p.started = true
		p.line.add(f.pts)
	}
	p.lastDTS = f.dts
	if !p.cfg.SkipSource {
		p.source.push(f)
	}
	for _, r := range p.rungs {
		r.fillTo(p.lastDTS)
	}
	if p.audio != nil {
		p.audio.advance()
	}
	return nil
}

// Rung takes the next access unit of rung i, with the publisher's times.
func (p *Packager) Rung(i int, au cmaf.AccessUnit) {
	if p.started {
		p.rungs[i].push(p.frame(au))
	}
}

// Lost says that rung i will have no frames for a while: from here on it is
// filled with gap parts until its frames come again at a segment's start.
func (p *Packager) Lost(i int) {
	if p.started {
		p.rungs[i].lose()
		p.rungs[i].fillTo(p.lastDTS)
	}
}

// Audio takes the publisher's next audio frame.
func (p *Packager) Audio(f cmaf.AudioFrame) {
	if p.audio == nil || p.ended || !p.started {
		return
	}
	p.audio.push(f.PTS*1000+p.base, f.Data)
	p.audio.advance()
}

// EndSource says that the publisher has stopped: the source's and the audio's
// last parts are closed. Rungs may go on until Finish.
func (p *Packager) EndSource() {
	if p.ended || !p.started {
		p.ended = true
		return
	}
	p.ended = true
	_, start := p.line.newest()
	p.line.end = max(p.source.endTime(p.lastDTS), p.lastDTS+minStep, start+minStep)
	p.source.finish()
	if p.audio != nil {
		p.audio.finish()
	}
}

// Finish closes the last parts of every track: nothing more comes.
func (p *Packager) Finish() {
	p.EndSource()
	if !p.started {
		return
	}
	for _, r := range p.rungs {
		r.finish()
	}
}

// halfFrame is what a segment may fall short of nominal, so that a keyframe
// whose time was rounded down still begins one. In µs.
func (p *Packager) halfFrame(dts int64) int64 {
	if p.cfg.FrameRate > 0 {
		return int64(500_000 / p.cfg.FrameRate)
	}
	return min((dts-p.lastDTS)/2, 50_000)
}

func (p *Packager) frame(au cmaf.AccessUnit) frame {
	return frame{dts: au.DTS*1000 + p.base, pts: au.PTS*1000 + p.base, key: au.Key, data: au.Data}
}

func (p *Packager) partTarget() int64 { return p.cfg.Part.Microseconds() }
