// Package cmaf turns coded frames into CMAF: initialization sections and
// chunks (moof + mdat, ISO/IEC 23000-19), and reads what is needed for that
// from H.264 (ISO/IEC 14496-10, -15) and AAC (ISO/IEC 14496-3). It does no I/O.
package cmaf

import "errors"

// VideoTimescale is the unit of video times in the boxes, per second. It is a
// multiple of the milliseconds in which RTMP and FLV count, so no frame moves.
const VideoTimescale = 90_000

// Errors of media that cannot be packaged.
var (
	// ErrBitstream reports bytes that are not what their container says.
	ErrBitstream = errors.New("malformed bitstream")
	// ErrUnsupported reports well-formed media of a kind that is not carried.
	ErrUnsupported = errors.New("unsupported media")
)

// AccessUnit is one coded picture in decode order.
type AccessUnit struct {
	DTS, PTS int64  // milliseconds on the publisher's clock
	Key      bool   // an IDR picture: decoding can start here
	Data     []byte // NAL units, each after its length in 4 bytes
}

// AudioFrame is one coded audio frame.
type AudioFrame struct {
	PTS  int64 // milliseconds on the publisher's clock
	Data []byte
}
