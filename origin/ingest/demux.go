package ingest

import (
	"errors"
	"fmt"
	"math"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/message"

	"starling/internal/cmaf"
	"starling/internal/media"
	"starling/origin/flv"
)

// Media describes what a publisher sends.
type Media struct {
	Video *cmaf.VideoConfig
	Audio *cmaf.AudioConfig // nil without audio
	// From the publisher's metadata, or 0. Frames a second, and bit/s.
	FrameRate    float64
	VideoBitrate int
	AudioBitrate int
}

// Host takes publications. Its errors are shown to the publisher.
type Host interface {
	Publish(id media.StreamID, remote string, m Media) (Session, error)
}

// Session takes one publication's frames, in decode order. An error ends the
// publication and is shown to the publisher.
type Session interface {
	Video(cmaf.AccessUnit) error
	Audio(cmaf.AudioFrame) error
	// Change announces other parameters from the next frame on.
	Change(Media) error
	// Close ends the publication; nil is an orderly end.
	Close(err error)
}

const (
	// settleMS is how much media is waited through for the audio's
	// configuration when the metadata does not say whether there is audio.
	settleMS = 1000
	// maxQueued bounds the messages kept meanwhile.
	maxQueued = 1000
	// maxPPS bounds picture parameter sets that come inside the stream.
	maxPPS = 16
	// maxAudioFrame: AAC frames are at most 768 bytes a channel.
	maxAudioFrame = 16 << 10
)

// demuxer turns messages into configurations and frames. It does no I/O.
type demuxer struct {
	open    func(Media) (Session, error)
	session Session
	media   Media

	meta     bool // metadata has come
	hasAudio bool // and promises audio
	queue    []any
	first    int64
	bytes    int
	limit    int // of bytes
}

func (d *demuxer) take(m raw) error {
	switch m.kind {
	case message.TypeVideo:
		return d.video(m)
	case message.TypeAudio:
		return d.audio(m)
	default:
		return d.metadata(m.body)
	}
}

func (d *demuxer) video(m raw) error {
	v, err := flv.ParseVideo(m.body)
	if err != nil {
		return err
	}
	if v.Config != nil {
		c, err := cmaf.ParseAVCC(v.Config)
		if err != nil {
			return err
		}
		return d.setVideo(c)
	}
	if v.Unit == nil || d.media.Video == nil {
		return nil // before the configuration nothing can be decoded
	}
	u, err := d.media.Video.Clean(v.Unit)
	if err != nil {
		return err
	}
	if u.SPS != nil || u.PPS != nil {
		if err := d.inBand(u); err != nil {
			return err
		}
		if u, err = d.media.Video.Clean(v.Unit); err != nil {
			return err
		}
	}
	if !u.Picture {
		return nil
	}
	return d.deliver(cmaf.AccessUnit{DTS: m.ms, PTS: m.ms + v.Offset, Key: u.Key, Data: u.Data}, m.ms, len(u.Data))
}

// inBand takes over parameter sets that an access unit brought itself.
func (d *demuxer) inBand(u cmaf.Unit) error {
	old := d.media.Video
	sps, pps, more := old.SPS, old.PPS, old.MorePPS
	switch {
	case u.SPS != nil:
		sps, more = u.SPS, nil
		if u.PPS != nil {
			pps = u.PPS
		}
	case len(more) >= maxPPS:
		return fmt.Errorf("more than %d picture parameter sets: %w", maxPPS, cmaf.ErrUnsupported)
	default:
		more = append(more[:len(more):len(more)], u.PPS)
	}
	c, err := cmaf.NewVideoConfig(sps, pps, old.LengthSize, more...)
	if err != nil {
		return err
	}
	return d.setVideo(c)
}

func (d *demuxer) setVideo(c *cmaf.VideoConfig) error {
	if d.media.Video.SameStream(c) && d.media.Video.LengthSize == c.LengthSize {
		return nil
	}
	d.media.Video = c
	return d.changed()
}

func (d *demuxer) audio(m raw) error {
	a, err := flv.ParseAudio(m.body)
	if err != nil {
		return err
	}
	if a.Config != nil {
		c, err := cmaf.ParseASC(a.Config)
		if err != nil {
			return err
		}
		if d.media.Audio.SameStream(c) {
			return nil
		}
		d.media.Audio = c
		return d.changed()
	}
	if len(a.Frame) == 0 || d.media.Audio == nil {
		return nil
	}
	if len(a.Frame) > maxAudioFrame {
		return fmt.Errorf("audio frame of %d bytes: %w", len(a.Frame), cmaf.ErrBitstream)
	}
	return d.deliver(cmaf.AudioFrame{PTS: m.ms, Data: a.Frame}, m.ms, len(a.Frame))
}

func (d *demuxer) changed() error {
	if d.session == nil {
		return nil
	}
	return d.session.Change(d.media)
}

// deliver passes a frame on, or keeps it until all configurations are known.
func (d *demuxer) deliver(frame any, ms int64, size int) error {
	if d.session != nil {
		return d.pass(frame)
	}
	if len(d.queue) == 0 {
		d.first = ms
	}
	d.queue = append(d.queue, frame)
	d.bytes += size
	full := len(d.queue) >= maxQueued || d.bytes > d.limit
	if d.media.Video == nil {
		if full { // sound alone: the server's time limit for video decides
			d.queue, d.bytes = nil, 0
		}
		return nil
	}
	settled := d.media.Audio != nil || d.meta && !d.hasAudio || ms-d.first >= settleMS || ms < d.first
	if !settled && !full {
		return nil
	}
	s, err := d.open(d.media)
	if err != nil {
		return err
	}
	d.session = s
	queue := d.queue
	d.queue = nil
	for _, f := range queue {
		if err := d.pass(f); err != nil {
			return err
		}
	}
	return nil
}

func (d *demuxer) pass(frame any) error {
	if f, ok := frame.(cmaf.AudioFrame); ok {
		return d.session.Audio(f)
	}
	return d.session.Video(frame.(cmaf.AccessUnit))
}

// metadata reads onMetaData, which publishers send first. What it says is only
// a hint: frames decide.
func (d *demuxer) metadata(b []byte) error {
	data, err := decodeAMF(b)
	if err != nil {
		return err
	}
	for _, v := range data {
		var o amf0.Object
		switch v := v.(type) {
		case amf0.Object:
			o = v
		case amf0.ECMAArray:
			o = amf0.Object(v)
		default:
			continue
		}
		number := func(key string, low, high float64) float64 {
			f, ok := o.GetFloat64(key)
			if !ok || math.IsNaN(f) || f < low || f > high {
				return 0
			}
			return f
		}
		if _, ok := o.Get("videocodecid"); !ok {
			continue
		}
		_, d.hasAudio = o.Get("audiocodecid")
		d.meta = true
		d.media.FrameRate = number("framerate", 1, 240)
		d.media.VideoBitrate = int(number("videodatarate", 32, 200_000) * 1000)
		d.media.AudioBitrate = int(number("audiodatarate", 8, 2000) * 1000)
	}
	return nil
}

// errNoVideo ends a publication without video.
var errNoVideo = errors.New("no H.264 video came, sound alone is not supported")
