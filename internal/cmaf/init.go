package cmaf

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
)

// trackID is the same in every section: each has one track.
const trackID = 1

// VideoInit makes the initialization section (ftyp + moov) of a video track.
// The bitrates are bit/s and inform only.
func VideoInit(c *VideoConfig, average, peak int) ([]byte, error) {
	return marshalInit(&fmp4.InitTrack{ID: trackID, TimeScale: VideoTimescale, AvgBitrate: uint32(average), MaxBitrate: uint32(peak),
		Codec: &codecs.H264{SPS: c.SPS, PPS: c.PPS}})
}

// AudioInit makes the initialization section of an audio track.
func AudioInit(c *AudioConfig, average, peak int) ([]byte, error) {
	return marshalInit(&fmp4.InitTrack{ID: trackID, TimeScale: uint32(c.SampleRate), AvgBitrate: uint32(average), MaxBitrate: uint32(peak),
		Codec: &codecs.MPEG4Audio{Config: c.ASC}})
}

func marshalInit(t *fmp4.InitTrack) ([]byte, error) {
	var buf seekablebuffer.Buffer
	if err := (fmp4.Init{Tracks: []*fmp4.InitTrack{t}}).Marshal(&buf); err != nil {
		return nil, fmt.Errorf("writing an initialization section: %w", err)
	}
	return buf.Bytes(), nil
}
