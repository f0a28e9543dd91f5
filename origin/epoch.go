package origin

import (
	"context"
	"time"

	"starling/internal/cmaf"
	"starling/origin/ingest"
	"starling/origin/ladder"
	"starling/origin/packager"
)

// epoch is one publication between two discontinuities: its packager, its
// encoder and the catalog's tracks that they fill.
type epoch struct {
	media    ingest.Media
	pack     *packager.Packager // nil before the first IDR
	opened   time.Time
	firstDTS int64 // of the source, at opened, milliseconds
	disc     uint64
	flagged  bool          // parts begin with a discontinuity
	first    uint64        // msn
	part     time.Duration // PART-TARGET

	skipSource bool // the source is encoded too

	encoder *ladder.Encoder // nil without rungs
	cancel  context.CancelFunc
	rungs   []ladder.Rung
	configs []*cmaf.VideoConfig // of the rungs, nil before their first frame

	tracks []*track // by packager track number; nil while not in the catalog
	ready  bool     // the catalog is out
	held   []packager.Part
	over   bool // nothing more may come of it

	videoBytes, audioBytes int           // received
	videoRate, audioRate   int           // bit/s, once ready
	from                   time.Duration // output time of the beginning

	restarts, dropped uint64 // already in the metrics
	speedAt           time.Time
	speedFrom         time.Duration
}

// begin ends what runs and waits for the first IDR of a publication.
func (s *stream) begin(m ingest.Media) {
	s.endCurrent()
	s.current = &epoch{media: m}
}

// open starts packaging and encoding at an IDR.
func (s *stream) open(e *epoch) {
	now := time.Now()
	if s.anchor.IsZero() {
		s.anchor = now.Truncate(time.Microsecond)
	}
	e.opened = now
	first := uint64(now.Unix()) / uint64(max(s.cfg.Segment/time.Second, 1))
	offset := max(now.Sub(s.anchor), s.end)
	switch d := s.draining; {
	case d != nil:
		first, offset = d.pack.NextMSN(), max(offset, d.pack.End())
	case s.info != nil: // numbers go on without a hole while a playlist shows the old ones
		first = s.numbers.NextMSN
	default:
		first = max(first, s.numbers.NextMSN)
	}
	e.flagged = s.known
	if s.known {
		s.numbers.Discontinuity++
	}
	s.known = true
	e.disc = s.numbers.Discontinuity
	src := s.sourceInfo(e)
	if s.srv.ffmpeg != "" {
		e.rungs = ladder.Plan(src, s.cfg.Rungs, s.cfg.EncodeSource)
	}
	e.configs = make([]*cmaf.VideoConfig, len(e.rungs))
	e.tracks = make([]*track, len(e.rungs)+2)
	var frame time.Duration
	if e.media.Audio != nil {
		frame = e.media.Audio.FrameDuration()
	}
	cfg := packager.Config{
		Segment: s.cfg.Segment, Target: 2 * s.cfg.Segment, Part: packager.PartTarget(s.cfg.Part, src.FrameRate, frame),
		FirstMSN: first, Offset: ceilMS(offset), Discontinuity: e.flagged, FrameRate: src.FrameRate,
		SkipSource: len(e.rungs) > 0 && s.cfg.EncodeSource, Rungs: len(e.rungs), Audio: e.media.Audio,
		Emit:        func(p packager.Part) { s.emit(e, p) },
		AudioFilled: func(n int) { s.srv.metrics.silence.WithLabelValues(string(s.id)).Add(float64(n)) },
	}
	e.part = cfg.Part
	e.first = first
	e.from = cfg.Offset
	e.skipSource = cfg.SkipSource
	e.pack = packager.New(cfg)
	s.encode(e, src)
}

// refineAnchor moves the wall clock of output time 0 back while nobody has
// seen it yet: a publisher's first frames come late, after its own start-up,
// and the later ones catch up, so the frame that came earliest for its
// timestamp tells best when the camera ran.
func (s *stream) refineAnchor(e *epoch, au cmaf.AccessUnit, now time.Time) {
	if s.info != nil {
		return
	}
	if earlier := now.Add(-e.from - time.Duration(au.DTS-e.firstDTS)*time.Millisecond); earlier.Before(s.anchor) {
		s.anchor = earlier.Truncate(time.Microsecond)
	}
}

// ceilMS rounds up to the unit in which publishers count.
func ceilMS(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

// encode starts the ladder's encoder.
func (s *stream) encode(e *epoch, src ladder.SourceInfo) {
	if len(e.rungs) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	e.cancel = cancel
	cfg := ladder.Config{FFmpeg: s.srv.ffmpeg, Preset: s.cfg.Preset, Rungs: e.rungs, Source: src}
	enc := ladder.Start(ctx, cfg, e.media.Video, sink{s, e}, s.log)
	e.encoder = enc
	s.encoders.Go(func() {
		<-enc.Done()
		cancel()
		_ = s.post(func() { s.drained(e) }) // a stream that is gone needs no word
	})
}

// sink brings the encoder's frames to the stream's goroutine.
type sink struct {
	s *stream
	e *epoch
}

func (k sink) Encoded(rung int, c *cmaf.VideoConfig, au cmaf.AccessUnit) {
	_ = k.s.post(func() { k.s.encoded(k.e, rung, c, au) })
}

func (k sink) Down(error) {
	_ = k.s.post(func() { k.s.encoderDown(k.e) })
}

func (s *stream) encoded(e *epoch, rung int, c *cmaf.VideoConfig, au cmaf.AccessUnit) {
	if e.over {
		return
	}
	if old := e.configs[rung]; old == nil || !old.SameStream(c) {
		e.configs[rung] = c
		if e.ready {
			s.publishCatalog(e)
		}
	}
	e.pack.Rung(rung, au)
}

// encoderDown fills what the encoder will miss, for rungs that viewers know.
func (s *stream) encoderDown(e *epoch) {
	if e.over {
		return
	}
	for i := range e.rungs {
		if e.configs[i] != nil || e.tracks[1+i] != nil {
			e.pack.Lost(i)
		}
	}
}

// drained is called when an epoch's encoder has ended.
func (s *stream) drained(e *epoch) {
	s.measure(e, time.Now())
	if s.draining == e {
		s.finishDraining()
	}
}

// endCurrent closes the source's last parts and lets the encoder finish.
func (s *stream) endCurrent() {
	e := s.current
	s.current = nil
	if e == nil || e.pack == nil {
		return
	}
	s.finishDraining()
	e.pack.EndSource()
	if !e.ready {
		s.makeReady(e) // too short for a measurement: what there is, is published
	}
	s.draining = e
	if e.encoder == nil {
		s.finishDraining()
		return
	}
	e.encoder.Drain()
}

// finishDraining closes the last parts of the rungs of the epoch before.
func (s *stream) finishDraining() {
	e := s.draining
	if e == nil {
		return
	}
	s.draining = nil
	e.pack.Finish()
	e.over = true
	if e.cancel != nil {
		e.cancel()
	}
	s.numbers.NextMSN, s.end = e.pack.NextMSN(), e.pack.End()
	s.save()
}

func (s *stream) save() {
	s.numbers.Used = time.Now()
	if err := s.srv.registry.put(s.id, s.numbers); err != nil {
		s.log.Error("numbering is not saved: after a restart viewers may have to reload", "err", err)
	}
}

// emit publishes a part, or holds it until the catalog is out.
func (s *stream) emit(e *epoch, p packager.Part) {
	if !e.ready {
		e.held = append(e.held, p)
		return
	}
	s.seal(e, p)
}

// speedWindow is the time over which the real-time factor is taken.
const speedWindow = 4 * time.Second

// measure updates the encoder's metrics.
func (s *stream) measure(e *epoch, now time.Time) {
	if e.encoder == nil {
		return
	}
	m, id := s.srv.metrics, string(s.id)
	restarts, dropped := e.encoder.Restarts(), e.encoder.Dropped()
	m.restarts.WithLabelValues(id).Add(float64(restarts - e.restarts))
	m.dropped.WithLabelValues(id).Add(float64(dropped - e.dropped))
	e.restarts, e.dropped = restarts, dropped
	m.lag.WithLabelValues(id).Set(e.encoder.Lag().Seconds())
	if at := e.encoder.Position(); e.speedAt.IsZero() && at > 0 {
		e.speedAt, e.speedFrom = now, at
	} else if d := now.Sub(e.speedAt); at > 0 && d >= speedWindow {
		m.speed.WithLabelValues(id).Set((at - e.speedFrom).Seconds() / d.Seconds())
		e.speedAt, e.speedFrom = now, at
	}
}

// sourceInfo is what is known of the source before it has been measured.
func (s *stream) sourceInfo(e *epoch) ladder.SourceInfo {
	v := e.media.Video
	src := ladder.SourceInfo{Width: v.Width, Height: v.Height, FrameRate: e.media.FrameRate, Bitrate: e.media.VideoBitrate}
	if src.FrameRate == 0 {
		src.FrameRate = v.FrameRate
	}
	return src
}

var _ ladder.Sink = sink{}
