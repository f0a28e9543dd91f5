package cmaf

import (
	"fmt"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

// AudioConfig describes an AAC elementary stream. It is immutable.
type AudioConfig struct {
	ASC          mpeg4audio.AudioSpecificConfig
	SampleRate   int // of the core coder: the unit of audio times in the boxes
	Channels     int
	FrameSamples int    // samples of a frame at SampleRate
	Codec        string // RFC 6381, "mp4a.40.2"
}

// NewAudioConfig checks an AudioSpecificConfig.
func NewAudioConfig(asc mpeg4audio.AudioSpecificConfig) (*AudioConfig, error) {
	if asc.SampleRate < 8_000 || asc.SampleRate > 96_000 {
		return nil, fmt.Errorf("AAC at %d Hz: %w", asc.SampleRate, ErrUnsupported)
	}
	if asc.ChannelConfig < 1 || asc.ChannelConfig > 7 {
		return nil, fmt.Errorf("AAC with channel configuration %d, use stereo: %w", asc.ChannelConfig, ErrUnsupported)
	}
	c := &AudioConfig{ASC: asc, SampleRate: asc.SampleRate, Channels: int(asc.ChannelConfig), FrameSamples: 1024}
	if asc.ChannelConfig == 7 {
		c.Channels = 8
	}
	if asc.FrameLengthFlag {
		c.FrameSamples = 960
	}
	// Explicitly signalled SBR or PS names itself (RFC 6381 section 3.3).
	object := asc.Type
	if asc.ExtensionType != 0 {
		object = asc.ExtensionType
	}
	c.Codec = fmt.Sprintf("mp4a.40.%d", object)
	return c, nil
}

// ParseASC reads an AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1).
func ParseASC(b []byte) (*AudioConfig, error) {
	var asc mpeg4audio.AudioSpecificConfig
	if err := asc.Unmarshal(b); err != nil {
		return nil, fmt.Errorf("AAC configuration: %w: %w", ErrBitstream, err)
	}
	return NewAudioConfig(asc)
}

// FrameDuration is the time one frame lasts, rounded down.
func (c *AudioConfig) FrameDuration() time.Duration {
	return time.Duration(c.FrameSamples) * time.Second / time.Duration(c.SampleRate)
}

// SameStream reports whether frames of c and d can share an initialization section.
func (c *AudioConfig) SameStream(d *AudioConfig) bool {
	if c == nil || d == nil {
		return c == d
	}
	return c.ASC == d.ASC
}

// Silence is a frame without sound for AAC-LC in mono or stereo, nil for
// others. It fills holes, so that a player's audio buffer has none.
func (c *AudioConfig) Silence() []byte {
	if c.ASC.ExtensionType != 0 || c.ASC.Type != mpeg4audio.ObjectTypeAACLC {
		return nil
	}
	var w bitWriter
	// individual_channel_stream with max_sfb 0 (ISO/IEC 14496-3 table 4.50):
	// global_gain, ics_info (reserved, window sequence, window shape, max_sfb,
	// predictor), then no sections, and no pulse, TNS or gain control data.
	channel := func() {
		w.put(0, 8)
		w.put(0, 1+2+1+6+1)
		w.put(0, 3)
	}
	switch c.Channels {
	case 1:
		w.put(0, 3+4) // single_channel_element, tag 0
		channel()
	case 2:
		w.put(1, 3)   // channel_pair_element
		w.put(0, 4+1) // tag 0, no common window
		channel()
		channel()
	default:
		return nil
	}
	w.put(7, 3) // end
	return w.b
}

type bitWriter struct {
	b    []byte
	free int
}

func (w *bitWriter) put(v uint32, n int) {
	for i := n - 1; i >= 0; i-- {
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		w.free--
		w.b[len(w.b)-1] |= byte(v>>i&1) << w.free
	}
}
