package cmaf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// maxPictureSide bounds width and height: level 6.2 allows 8,192 × 4,320, and
// a larger claim in a parameter set is garbage or an attack on a decoder.
const maxPictureSide = 8192

// VideoConfig describes an H.264 elementary stream. It is immutable.
type VideoConfig struct {
	SPS, PPS      []byte // NAL units without start code or length
	MorePPS       [][]byte
	LengthSize    int // bytes of a NAL unit's length in the source: 1, 2 or 4
	Width, Height int
	FrameRate     float64 // from the VUI; 0 when it is not there
	Codec         string  // RFC 6381, "avc1.64001f"
}

// NewVideoConfig reads a sequence parameter set. morePPS are picture
// parameter sets beyond the first, which then travel in front of every IDR.
func NewVideoConfig(sps, pps []byte, lengthSize int, morePPS ...[]byte) (*VideoConfig, error) {
	switch lengthSize {
	case 1, 2, 4:
	default:
		return nil, fmt.Errorf("H.264 with lengths of %d bytes: %w", lengthSize, ErrBitstream)
	}
	if len(sps) < 4 || len(pps) < 1 || len(sps) > math.MaxUint16 || len(pps) > math.MaxUint16 ||
		h264.NALUType(sps[0]&0x1f) != h264.NALUTypeSPS || h264.NALUType(pps[0]&0x1f) != h264.NALUTypePPS {
		return nil, fmt.Errorf("H.264 parameter sets: %w", ErrBitstream)
	}
	var s h264.SPS
	if err := s.Unmarshal(sps); err != nil {
		return nil, fmt.Errorf("H.264 sequence parameter set: %w: %w", ErrBitstream, err)
	}
	c := &VideoConfig{
		SPS: bytes.Clone(sps), PPS: bytes.Clone(pps), LengthSize: lengthSize, Width: s.Width(), Height: s.Height(),
		Codec: fmt.Sprintf("avc1.%02x%02x%02x", sps[1], sps[2], sps[3]), // RFC 6381 section 3.3
	}
	for _, p := range morePPS {
		if len(p) == 0 || len(p) > math.MaxUint16 {
			return nil, fmt.Errorf("H.264 picture parameter set: %w", ErrBitstream)
		}
		c.MorePPS = append(c.MorePPS, bytes.Clone(p))
	}
	if c.Width < 16 || c.Height < 16 || c.Width > maxPictureSide || c.Height > maxPictureSide {
		return nil, fmt.Errorf("picture of %d × %d: %w", c.Width, c.Height, ErrUnsupported)
	}
	if f := s.FPS(); f >= 1 && f <= 240 {
		c.FrameRate = f
	}
	return c, nil
}

// ParseAVCC reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1).
func ParseAVCC(b []byte) (*VideoConfig, error) {
	bad := fmt.Errorf("AVC decoder configuration: %w", ErrBitstream)
	if len(b) < 6 || b[0] != 1 {
		return nil, bad
	}
	lengthSize := int(b[4]&3) + 1
	rest := b[5:]
	sets := func(mask byte) ([][]byte, bool) {
		if len(rest) < 1 {
			return nil, false
		}
		n := int(rest[0] & mask)
		rest = rest[1:]
		var out [][]byte
		for range n {
			if len(rest) < 2 {
				return nil, false
			}
			size := int(binary.BigEndian.Uint16(rest))
			if len(rest) < 2+size {
				return nil, false
			}
			out = append(out, rest[2:2+size])
			rest = rest[2+size:]
		}
		return out, true
	}
	sps, ok := sets(0x1f)
	if !ok || len(sps) == 0 {
		return nil, bad
	}
	pps, ok := sets(0xff)
	if !ok || len(pps) == 0 {
		return nil, bad
	}
	return NewVideoConfig(sps[0], pps[0], lengthSize, pps[1:]...)
}

// AVCC writes c as an AVCDecoderConfigurationRecord for access units with
// lengths of 4 bytes.
func (c *VideoConfig) AVCC() []byte {
	b := append(make([]byte, 0, 11+len(c.SPS)+len(c.PPS)), 1, c.SPS[1], c.SPS[2], c.SPS[3], 0xff, 0xe1)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(c.SPS))), c.SPS...)
	b = append(b, byte(1+len(c.MorePPS)))
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(c.PPS))), c.PPS...)
	for _, p := range c.MorePPS {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(p))), p...)
	}
	return b
}

// SameStream reports whether frames of c and d can share an initialization section.
func (c *VideoConfig) SameStream(d *VideoConfig) bool {
	if c == nil || d == nil {
		return c == d
	}
	if !bytes.Equal(c.SPS, d.SPS) || !bytes.Equal(c.PPS, d.PPS) || len(c.MorePPS) != len(d.MorePPS) {
		return false
	}
	for i := range c.MorePPS {
		if !bytes.Equal(c.MorePPS[i], d.MorePPS[i]) {
			return false
		}
	}
	return true
}
