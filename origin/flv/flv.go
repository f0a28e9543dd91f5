// Package flv reads and writes the part of the FLV container that carries
// H.264 to and from the ladder's encoder (Adobe Flash Video File Format 10.1,
// annex E). FLV counts exact milliseconds like RTMP and needs no probing, so
// frames come back with the very times they went in with.
package flv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"starling/internal/cmaf"
)

const (
	fileHeaderSize = 9
	tagHeaderSize  = 11
	trailerSize    = 4 // PreviousTagSize after every tag

	tagVideo = 9

	codecAVC     = 7
	packetConfig = 0
	packetUnit   = 1
	packetEnd    = 2
)

// MaxTimestamp is the largest time, in milliseconds, that all readers of FLV
// agree on: some take the 32 bits as signed.
const MaxTimestamp = math.MaxInt32

// ErrFormat reports bytes that are not FLV.
var ErrFormat = errors.New("malformed FLV")

// AppendHeader writes the header of a file with video only.
func AppendHeader(dst []byte) []byte {
	return append(dst, 'F', 'L', 'V', 1, 1, 0, 0, 0, fileHeaderSize, 0, 0, 0, 0)
}

// AppendConfig writes the decoder configuration, which precedes all frames.
func AppendConfig(dst []byte, c *cmaf.VideoConfig) []byte {
	avcc := c.AVCC()
	dst = appendTagHeader(dst, 0, 5+len(avcc))
	dst = append(dst, 1<<4|codecAVC, packetConfig, 0, 0, 0)
	return appendTrailer(append(dst, avcc...), 5+len(avcc))
}

// AppendVideo writes one frame; au.DTS is 0 to MaxTimestamp.
func AppendVideo(dst []byte, au cmaf.AccessUnit) []byte {
	frame := byte(2 << 4)
	if au.Key {
		frame = 1 << 4
	}
	cts := uint32(au.PTS-au.DTS) & 0xffffff
	dst = appendTagHeader(dst, uint32(au.DTS), 5+len(au.Data))
	dst = append(dst, frame|codecAVC, packetUnit, byte(cts>>16), byte(cts>>8), byte(cts))
	return appendTrailer(append(dst, au.Data...), 5+len(au.Data))
}

func appendTagHeader(dst []byte, ms uint32, size int) []byte {
	return append(dst, tagVideo, byte(size>>16), byte(size>>8), byte(size), byte(ms>>16), byte(ms>>8), byte(ms), byte(ms>>24), 0, 0, 0)
}

func appendTrailer(dst []byte, size int) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(tagHeaderSize+size))
}

// Reader reads video from FLV.
type Reader struct {
	r       io.Reader
	max     int
	started bool
	config  *cmaf.VideoConfig
}

// NewReader reads from r, which should be buffered; a frame is at most max bytes.
func NewReader(r io.Reader, max int) *Reader { return &Reader{r: r, max: max} }

// Config is the newest decoder configuration, nil before the first.
func (r *Reader) Config() *cmaf.VideoConfig { return r.config }

// Next returns the next frame; Config may have changed before it. Its error is
// io.EOF at an orderly end.
func (r *Reader) Next() (cmaf.AccessUnit, error) {
	if !r.started {
		if err := r.readHeader(); err != nil {
			return cmaf.AccessUnit{}, err
		}
		r.started = true
	}
	for {
		var h [tagHeaderSize]byte
		if _, err := io.ReadFull(r.r, h[:]); err != nil {
			return cmaf.AccessUnit{}, err // EOF between tags is the end
		}
		size := int(h[1])<<16 | int(h[2])<<8 | int(h[3])
		if size > r.max {
			return cmaf.AccessUnit{}, fmt.Errorf("tag of %d bytes, limit %d: %w", size, r.max, ErrFormat)
		}
		body := make([]byte, size+trailerSize)
		if _, err := io.ReadFull(r.r, body); err != nil {
			return cmaf.AccessUnit{}, fmt.Errorf("tag cut short: %w", noEOF(err))
		}
		if h[0]&0x1f != tagVideo {
			continue // metadata
		}
		ms := int64(h[7])<<24 | int64(h[4])<<16 | int64(h[5])<<8 | int64(h[6])
		au, ok, err := r.video(ms, body[:size])
		if err != nil || ok {
			return au, err
		}
	}
}

func (r *Reader) readHeader() error {
	var h [fileHeaderSize + trailerSize]byte
	if _, err := io.ReadFull(r.r, h[:]); err != nil {
		return err
	}
	if string(h[:3]) != "FLV" || binary.BigEndian.Uint32(h[5:]) != fileHeaderSize {
		return fmt.Errorf("file header: %w", ErrFormat)
	}
	return nil
}

func (r *Reader) video(ms int64, b []byte) (au cmaf.AccessUnit, ok bool, err error) {
	v, err := ParseVideo(b)
	switch {
	case err != nil:
		return au, false, err
	case v.Config != nil:
		r.config, err = cmaf.ParseAVCC(v.Config)
		return au, false, err
	case v.Unit == nil:
		return au, false, nil
	case r.config == nil:
		return au, false, fmt.Errorf("frame before the decoder configuration: %w", ErrFormat)
	}
	return v.unit(r.config, ms)
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
