// Package ladder makes the lower rungs of a stream with one supervised ffmpeg.
// Access units go in and come out as FLV over pipes, with the publisher's very
// timestamps and with IDRs where the source has its own.
package ladder

import "math"

// Rung is one encoded rendition.
type Rung struct {
	Height  int // pixels; the width follows the source's shape
	Bitrate int // average, bit/s; 0: from the source's
}

// SourceInfo is what a plan needs to know of the source.
type SourceInfo struct {
	Width, Height int
	FrameRate     float64 // 0: unknown
	Bitrate       int     // bit/s; 0: unknown
}

// MaxRungs bounds the pictures that one encoder makes: the track numbers of a
// stream are a byte and every rung costs CPU.
const MaxRungs = 8

// Plan decides which rungs are made from a source, best first. wanted nil
// means about two thirds and one third of the source's height. A rung is never
// larger than the source; one of the source's own height is made only when
// encodeSource is set, and then always.
func Plan(src SourceInfo, wanted []Rung, encodeSource bool) []Rung {
	if wanted == nil {
		wanted = []Rung{{Height: src.Height * 2 / 3}, {Height: src.Height / 3}}
	}
	if encodeSource {
		wanted = append([]Rung{{Height: src.Height}}, wanted...)
	}
	var out []Rung
	for _, r := range wanted {
		r.Height = (r.Height + 1) / 2 * 2 // chroma has half the lines
		if r.Height < minHeight || r.Height > src.Height+1 || r.Height >= src.Height && !encodeSource {
			continue
		}
		if r.Bitrate <= 0 {
			r.Bitrate = bitrateFor(src, r.Height)
		}
		out = insert(out, r)
	}
	return out[:min(len(out), MaxRungs)]
}

// minHeight is the least picture that encoders take without complaint.
const minHeight = 64

// insert keeps the list ordered by height without duplicates; the one with a
// bitrate of the configuration replaces a derived one.
func insert(rs []Rung, r Rung) []Rung {
	for i := range rs {
		switch {
		case rs[i].Height == r.Height:
			rs[i] = r
			return rs
		case rs[i].Height < r.Height:
			return append(rs[:i], append([]Rung{r}, rs[i:]...)...)
		}
	}
	return append(rs, r)
}

// bitrateFor scales the source's bitrate with the power 1.5 of the height:
// smaller pictures need more bits a pixel. Of an unknown source it assumes
// 0.09 bits a pixel, which is 2.5 Mbit/s for 720p30.
func bitrateFor(src SourceInfo, height int) int {
	bits := float64(src.Bitrate)
	if bits <= 0 {
		rate := src.FrameRate
		if rate <= 0 {
			rate = 30
		}
		bits = 0.09 * float64(src.Width*src.Height) * rate
	}
	bits *= math.Pow(min(float64(height)/float64(src.Height), 1), 1.5)
	return max(int(math.Round(bits/10_000))*10_000, 100_000)
}

// PeakBitrate is the bound that the encoder's rate control keeps over a
// segment: the average plus half a second of buffer in two.
func (r Rung) PeakBitrate() int { return r.Bitrate * 5 / 4 }
