// Package origin takes broadcasts in, makes the ladder and packages it: RTMP
// to signed CMAF parts in a store.Directory.
package origin

import (
	"fmt"
	"time"

	"starling/origin/ingest"
	"starling/origin/ladder"
)

// Rung is one encoded rendition of the ladder: its height in pixels, and its
// average bitrate in bit/s, where 0 derives it from the source's.
type Rung = ladder.Rung

// Config of a Server. Zero values mean the defaults.
type Config struct {
	// RTMPAddr is where publishers connect (TCP). Default ":1935".
	RTMPAddr string
	// StateDir keeps the signing seed and the numbering of streams, so that a
	// restarted origin goes on where it was. Empty: nothing is kept, keys are
	// new at every start.
	StateDir string
	// Segment is the nominal segment duration, 1 s to 10 s. Publishers must send
	// a keyframe at least every two of them. Default 2 s.
	Segment time.Duration
	// Part is the wanted part duration, 100 ms to 1 s. Default 333 ms.
	Part time.Duration

	// FFmpeg is the program that encodes the ladder, by name or path. Default "ffmpeg".
	FFmpeg string
	// Preset of x264, from ultrafast to placebo. Default "superfast".
	Preset string
	// Rungs below the source, at most 8. nil: about two thirds and one third of
	// its height. Empty but not nil: none, only the source is served.
	Rungs []Rung
	// EncodeSource encodes the top rung too, instead of serving what the
	// publisher sends.
	EncodeSource bool

	// Grace is how long a stream waits for its publisher to return before it is
	// marked as ended. Default 10 s.
	Grace time.Duration
	// Keep is how long an ended stream is kept. Default 60 s.
	Keep time.Duration
	// MaxStreams bounds the streams, those that have lately ended included: names
	// are the publishers' choice. Default 256.
	MaxStreams int
	// LadderWait is how long a new stream waits for the encoder before it is
	// announced without it. Default 3 s.
	LadderWait time.Duration

	// Ingest holds the limits for publishers.
	Ingest ingest.Config
}

func (c Config) withDefaults() (Config, error) {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.Segment, 2*time.Second)
	def(&c.Part, 333*time.Millisecond)
	def(&c.Grace, 10*time.Second)
	def(&c.Keep, 60*time.Second)
	def(&c.LadderWait, 3*time.Second)
	if c.MaxStreams == 0 {
		c.MaxStreams = 256
	}
	if c.RTMPAddr == "" {
		c.RTMPAddr = ":1935"
	}
	if c.FFmpeg == "" {
		c.FFmpeg = "ffmpeg"
	}
	switch {
	case c.Segment < time.Second || c.Segment > 10*time.Second:
		return c, fmt.Errorf("origin: segment duration %v, want 1s to 10s", c.Segment)
	case c.Part < 100*time.Millisecond || c.Part > time.Second || c.Part > c.Segment/2:
		return c, fmt.Errorf("origin: part duration %v, want 100ms to 1s and at most half a segment", c.Part)
	case len(c.Rungs) > ladder.MaxRungs:
		return c, fmt.Errorf("origin: %d rungs, at most %d", len(c.Rungs), ladder.MaxRungs)
	}
	for _, r := range c.Rungs {
		if r.Height < 64 || r.Height > 4320 || r.Bitrate < 0 || r.Bitrate > 200_000_000 {
			return c, fmt.Errorf("origin: rung of height %d and bitrate %d, want 64 to 4320 and at most 200 Mbit/s", r.Height, r.Bitrate)
		}
	}
	return c, nil
}
