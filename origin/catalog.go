package origin

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"starling/internal/cmaf"
	"starling/internal/media"
	"starling/internal/store"
	"starling/origin/ingest"
	"starling/origin/packager"
)

// maxInits bounds the initialization sections that the catalog keeps: one for
// each segment of the window, since an edge refuses a part whose section it
// does not know, and one for the next.
const maxInits = store.DefaultSegments + 1

// track is a catalog track that an epoch fills.
type track struct {
	name   string
	number uint8
	slices int
	init   uint64 // id of the section that its next parts need
}

// anchorTime is how long a new stream waits so that its wall clock is right
// (refineAnchor) before anybody sees it.
const anchorTime = time.Second

// tryReady announces the epoch once its rungs and bitrates are known. The
// source's bitrate is the publisher's own word for it, else measured over the
// first segment. Rungs are waited for, but not for ever.
func (s *stream) tryReady(e *epoch, now time.Time) {
	if e.ready || e.pack == nil || !e.pack.Started() {
		return
	}
	if e.skipSource && !slices.ContainsFunc(e.configs, func(c *cmaf.VideoConfig) bool { return c != nil }) {
		if now.Sub(e.opened) >= 10*s.cfg.LadderWait && s.session != nil {
			err := &ingest.Refusal{Reason: "encoder", Err: errors.New("the encoder gives no picture, see the origin's log")}
			s.session.end(err)
			s.detach(s.session, err)
		}
		return
	}
	if s.info == nil && now.Sub(e.opened) < anchorTime && s.session != nil {
		return
	}
	waited := now.Sub(e.opened) >= s.cfg.LadderWait
	measured := e.pack.NextMSN() > e.first+1
	if _, known := s.bitrates(e); !known && !measured && (!waited || e.videoBytes == 0) {
		return
	}
	if slices.Contains(e.configs, nil) && !waited {
		return
	}
	s.makeReady(e)
}

// bitrates gives the source's and the audio's; known is false when one had to be measured.
func (s *stream) bitrates(e *epoch) (rates struct{ video, audio int }, known bool) {
	seconds := max((e.pack.End() - e.from).Seconds(), 0.5)
	measure := func(size int) int { return max(int(float64(size)*8/seconds/1000), 1) * 1000 }
	rates.video, rates.audio, known = e.media.VideoBitrate, e.media.AudioBitrate, true
	if rates.video == 0 {
		rates.video, known = measure(e.videoBytes), e.skipSource
	}
	if rates.audio == 0 && e.media.Audio != nil {
		rates.audio, known = measure(e.audioBytes), false
	}
	return rates, known
}

// makeReady puts the catalog out and then the parts that waited for it.
func (s *stream) makeReady(e *epoch) {
	s.finishDraining()
	rates, _ := s.bitrates(e)
	e.videoRate, e.audioRate = rates.video, rates.audio
	if !s.publishCatalog(e) {
		return
	}
	e.ready = true
	for i := range e.rungs {
		if e.configs[i] == nil && e.tracks[1+i] != nil {
			e.pack.Lost(i) // viewers know this rung from before
		}
	}
	held := e.held
	e.held = nil
	for _, p := range held {
		s.seal(e, p)
	}
}

// publishCatalog makes the catalog of an epoch and announces it. It reports
// false if there is nothing to announce, or the stream had to be refused.
func (s *stream) publishCatalog(e *epoch) bool {
	b := builder{s: s, e: e}
	v := e.media.Video
	rate := s.sourceInfo(e).FrameRate
	if !e.skipSource {
		b.video(packager.Source, v.Height, v, e.videoRate, e.videoRate*3/2, rate)
	}
	for i, r := range e.rungs {
		b.video(1+i, r.Height, e.configs[i], r.Bitrate, r.PeakBitrate(), rate)
	}
	if e.media.Audio != nil {
		b.audio(1+len(e.rungs), e.media.Audio, e.audioRate)
	}
	if b.err != nil {
		s.log.Error("stream cannot be announced", "err", b.err)
		if s.session != nil {
			s.session.end(b.err)
		}
		return false
	}
	if len(b.tracks) == 0 {
		return false
	}
	slices.SortStableFunc(b.tracks, func(x, y media.TrackInfo) int { return y.Height - x.Height }) // audio has none
	info := &media.StreamInfo{
		ID: s.id, Key: s.key.Public().(ed25519.PublicKey), SegmentMS: int(s.cfg.Segment.Milliseconds()), TargetMS: int(2 * s.cfg.Segment.Milliseconds()),
		PartMS: int(e.part.Milliseconds()), StartedAtMS: s.anchor.UnixMilli(), Tracks: b.tracks,
	}
	if s.info != nil {
		info.PartMS = max(info.PartMS, s.info.PartMS) // a bound must hold for what is listed
	}
	s.announce(info)
	s.numbers.NextMSN = e.pack.NextMSN()
	s.save()
	return true
}

func (s *stream) announce(info *media.StreamInfo) {
	if s.info != nil {
		info.Revision = s.info.Revision + 1
	} else {
		// Later than any catalog of the origin's life before.
		info.Revision = uint64(time.Now().UnixMilli())
	}
	s.info = info
	s.store = s.srv.dir.Put(info)
}

// builder collects the tracks of a catalog.
type builder struct {
	s      *stream
	e      *epoch
	tracks []media.TrackInfo
	err    error
}

func (b *builder) video(i, height int, c *cmaf.VideoConfig, bitrate, peak int, rate float64) {
	t := media.TrackInfo{Name: fmt.Sprintf("v%d", height), Kind: media.Video, Bitrate: bitrate, PeakBitrate: peak, Height: height, FrameRate: rate}
	if c == nil {
		if old, ok := b.old(t.Name); ok { // its encoder is not there yet: as it was
			b.add(i, old, nil)
		}
		return
	}
	t.Codec, t.Width, t.Height = c.Codec, c.Width, c.Height
	data, err := cmaf.VideoInit(c, bitrate, peak)
	if err != nil {
		b.err = err
		return
	}
	b.add(i, t, data)
}

func (b *builder) audio(i int, c *cmaf.AudioConfig, bitrate int) {
	t := media.TrackInfo{Name: fmt.Sprintf("a%d", nominal(bitrate)), Kind: media.Audio, Codec: c.Codec, Bitrate: bitrate, PeakBitrate: bitrate * 5 / 4,
		SampleRate: c.SampleRate, Channels: c.Channels}
	if b.s.info != nil { // there is one audio track and viewers know it by its first name
		for _, old := range b.s.info.Tracks {
			if old.Kind == media.Audio {
				t.Name = old.Name
			}
		}
	}
	data, err := cmaf.AudioInit(c, bitrate, t.PeakBitrate)
	if err != nil {
		b.err = err
		return
	}
	b.add(i, t, data)
}

func (b *builder) old(name string) (media.TrackInfo, bool) {
	if b.s.info == nil {
		return media.TrackInfo{}, false
	}
	t, ok := b.s.info.Track(name)
	if !ok {
		return media.TrackInfo{}, false
	}
	return *t, true
}

// add numbers a track and gives it its initialization sections. data nil
// keeps those of before.
func (b *builder) add(i int, t media.TrackInfo, data []byte) {
	var err error
	if t.Number, err = b.s.numbers.number(t.Name); err != nil {
		b.err = err
		return
	}
	t.Slices = media.SliceCount(t.Kind, t.Bitrate)
	if old, ok := b.old(t.Name); ok {
		t.Inits = slices.Clone(old.Inits)
	}
	if n := len(t.Inits); data != nil && (n == 0 || !bytes.Equal(t.Inits[n-1].Data, data)) {
		// Like segments', these numbers are never used twice, even when the
		// state is lost: an address of a section is cached for a day.
		b.s.numbers.LastInit = max(b.s.numbers.LastInit+1, b.e.first)
		t.Inits = append(t.Inits, media.Init{ID: b.s.numbers.LastInit, Data: data})
		t.Inits = t.Inits[max(0, len(t.Inits)-maxInits):]
	}
	b.e.tracks[i] = &track{name: t.Name, number: t.Number, slices: t.Slices, init: t.Inits[len(t.Inits)-1].ID}
	b.tracks = append(b.tracks, t)
}

// nominal rounds a measured audio bitrate to kbit/s that encoders are set to.
func nominal(bitrate int) int {
	best := 0
	for _, k := range []int{32, 48, 64, 96, 128, 160, 192, 256, 320} {
		if d := k - bitrate/1000; best == 0 || d*d < (best-bitrate/1000)*(best-bitrate/1000) {
			best = k
		}
	}
	return best
}
