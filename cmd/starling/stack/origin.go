package stack

import (
	"path/filepath"

	"starling/internal/config"
	"starling/origin"
)

func (s *Stack) buildOrigin() (runner, error) {
	var err error
	s.origin, err = origin.New(originConfig(s.cfg), s.published, s.log, s.reg)
	return s.origin, err
}

// originConfig is the origin's part of the configuration.
func originConfig(c *config.Config) origin.Config {
	o := origin.Config{
		RTMPAddr: c.Addr(c.Origin.RTMPListen),
		StateDir: filepath.Join(c.StateDir, "origin"),
		Segment:  c.Origin.SegmentDuration,
		Part:     c.Origin.PartDuration,
		FFmpeg:   c.Origin.FFmpeg,
		Preset:   c.Origin.Preset,

		EncodeSource: c.Origin.EncodeSource,
	}
	if !c.Origin.Transcode {
		// An empty list is no ladder, nil the usual one.
		o.Rungs = []origin.Rung{}
		return o
	}
	for _, r := range c.Origin.Ladder {
		o.Rungs = append(o.Rungs, origin.Rung{Height: r.Height, Bitrate: r.Bitrate})
	}
	return o
}
