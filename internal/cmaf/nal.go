package cmaf

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// Unit is what Clean found in an access unit.
type Unit struct {
	Data     []byte // NAL units with lengths of 4 bytes; aliases the input where nothing had to change
	Picture  bool   // there is a slice
	Key      bool   // there is a slice of an IDR picture
	SPS, PPS []byte // in-band parameter sets that differ from the configuration
}

// Clean checks an access unit from a publisher and brings it into the form of
// an avc1 sample (ISO/IEC 14496-15 section 5.3): lengths of 4 bytes, no
// parameter sets, delimiters or filler. It copies only when that changes bytes.
func (c *VideoConfig) Clean(data []byte) (Unit, error) {
	var u Unit
	keep, drop := 0, false
	if err := eachNAL(data, c.LengthSize, func(nal []byte) {
		switch h264.NALUType(nal[0] & 0x1f) {
		case h264.NALUTypeIDR:
			u.Key, u.Picture = true, true
		case h264.NALUTypeNonIDR, h264.NALUTypeDataPartitionA:
			u.Picture = true
		case h264.NALUTypeSPS:
			drop = true
			if !bytes.Equal(nal, c.SPS) {
				u.SPS = nal
			}
			return
		case h264.NALUTypePPS:
			drop = true
			if !c.hasPPS(nal) {
				u.PPS = nal
			}
			return
		case h264.NALUTypeAccessUnitDelimiter, h264.NALUTypeFillerData:
			drop = true
			return
		}
		keep += 4 + len(nal)
	}); err != nil {
		return Unit{}, err
	}
	if !drop && c.LengthSize == 4 && (!u.Key || len(c.MorePPS) == 0) {
		u.Data = data
		return u, nil
	}
	out := make([]byte, 0, keep)
	if u.Key {
		for _, p := range c.MorePPS {
			out = appendNAL(out, p)
		}
	}
	_ = eachNAL(data, c.LengthSize, func(nal []byte) { // checked above
		switch h264.NALUType(nal[0] & 0x1f) {
		case h264.NALUTypeSPS, h264.NALUTypePPS, h264.NALUTypeAccessUnitDelimiter, h264.NALUTypeFillerData:
		default:
			out = appendNAL(out, nal)
		}
	})
	u.Data = out
	return u, nil
}

func (c *VideoConfig) hasPPS(nal []byte) bool {
	if bytes.Equal(nal, c.PPS) {
		return true
	}
	for _, p := range c.MorePPS {
		if bytes.Equal(nal, p) {
			return true
		}
	}
	return false
}

func appendNAL(b, nal []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(nal))), nal...)
}

// eachNAL calls f for every non-empty NAL unit.
func eachNAL(b []byte, lengthSize int, f func(nal []byte)) error {
	for len(b) > 0 {
		if len(b) < lengthSize {
			return fmt.Errorf("NAL unit length: %w", ErrBitstream)
		}
		n := uint64(0)
		for _, x := range b[:lengthSize] {
			n = n<<8 | uint64(x)
		}
		b = b[lengthSize:]
		if n > uint64(len(b)) {
			return fmt.Errorf("NAL unit of %d bytes where %d remain: %w", n, len(b), ErrBitstream)
		}
		if n > 0 {
			f(b[:n])
		}
		b = b[n:]
	}
	return nil
}
