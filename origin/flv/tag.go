package flv

import (
	"errors"
	"fmt"

	"starling/internal/cmaf"
)

// ErrCodec reports media in a codec that is not carried.
var ErrCodec = errors.New("codec is not supported, publish H.264 video and AAC audio")

// Video is the content of a video tag, which is also that of an RTMP video
// message. At most one of Config and Unit is set.
type Video struct {
	Config []byte // AVC decoder configuration record
	Unit   []byte // access unit as it is in the source
	Offset int64  // composition time minus decode time, ms
}

// Audio is the content of an audio tag or RTMP audio message.
type Audio struct {
	Config []byte // AudioSpecificConfig
	Frame  []byte
}

// The enhanced forms (Enhanced RTMP v1) name the codec by four characters.
const (
	enhancedVideo = 0x80
	enhancedAudio = 9 << 4

	packetFramesX  = 3 // as packetUnit, without composition offset
	packetMetadata = 4

	codecAAC = 10 << 4

	fourAVC = "avc1"
	fourAAC = "mp4a"
)

// ParseVideo reads the body of a video tag. Unit and Config alias b.
func ParseVideo(b []byte) (Video, error) {
	if len(b) < 5 {
		return Video{}, fmt.Errorf("video tag of %d bytes: %w", len(b), ErrFormat)
	}
	packet, rest := b[1], b[2:]
	if b[0]&enhancedVideo != 0 {
		if four := string(b[1:5]); four != fourAVC {
			return Video{}, fmt.Errorf("video in %q: %w", four, ErrCodec)
		}
		packet, rest = b[0]&0x0f, b[5:]
		switch packet {
		case packetFramesX:
			return Video{Unit: rest}, nil
		case packetConfig:
			return Video{Config: rest}, nil
		case packetMetadata, packetEnd:
			return Video{}, nil
		}
	} else if b[0]&0x0f != codecAVC {
		return Video{}, fmt.Errorf("video codec number %d: %w", b[0]&0x0f, ErrCodec)
	}
	switch packet {
	case packetConfig:
		return Video{Config: b[5:]}, nil
	case packetEnd:
		return Video{}, nil
	case packetUnit:
	default:
		return Video{}, fmt.Errorf("video packet type %d: %w", packet, ErrFormat)
	}
	if len(rest) < 3 {
		return Video{}, fmt.Errorf("video tag of %d bytes: %w", len(b), ErrFormat)
	}
	offset := int32(uint32(rest[0])<<24|uint32(rest[1])<<16|uint32(rest[2])<<8) >> 8 // signed, 24 bits
	return Video{Unit: rest[3:], Offset: int64(offset)}, nil
}

// ParseAudio reads the body of an audio tag. Frame and Config alias b.
func ParseAudio(b []byte) (Audio, error) {
	if len(b) < 2 {
		return Audio{}, nil // an empty tag ends the sound in some publishers
	}
	packet, rest := b[1], b[2:]
	switch b[0] & 0xf0 {
	case codecAAC:
	case enhancedAudio:
		if len(b) < 5 {
			return Audio{}, fmt.Errorf("audio tag of %d bytes: %w", len(b), ErrFormat)
		}
		if four := string(b[1:5]); four != fourAAC {
			return Audio{}, fmt.Errorf("audio in %q: %w", four, ErrCodec)
		}
		packet, rest = b[0]&0x0f, b[5:]
	default:
		return Audio{}, fmt.Errorf("audio codec number %d: %w", b[0]>>4, ErrCodec)
	}
	switch packet {
	case packetConfig:
		return Audio{Config: rest}, nil
	case packetUnit:
		return Audio{Frame: rest}, nil
	}
	return Audio{}, nil
}

// unit cleans an access unit; false when it has no picture.
func (v Video) unit(c *cmaf.VideoConfig, ms int64) (cmaf.AccessUnit, bool, error) {
	u, err := c.Clean(v.Unit)
	if err != nil || !u.Picture {
		return cmaf.AccessUnit{}, false, err
	}
	return cmaf.AccessUnit{DTS: ms, PTS: ms + v.Offset, Key: u.Key, Data: u.Data}, true, nil
}
