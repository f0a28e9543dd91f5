package simulation

import (
	"crypto/ed25519"
	"time"

	"starling/internal/media"
	"starling/internal/peerwire"
)

// firstPart is the number of the part that begins at time 0. The broadcast has
// been on for some time then.
const firstPart = 600

// streamName is as long as usual ones: HELLO and headers have it.
const streamName = media.StreamID("live/demo")

// stream is what is broadcast. Parts are numbered from the broadcast's start,
// the same for all tracks; a PartID follows from the number.
type stream struct {
	tracks   []strack
	part     int64 // µs
	perSeg   int32
	jitter   uint64
	keyframe float64
	delay    int64 // µs from the end of the media to the edge having it

	base   int32     // number of the first shape
	shapes [][]shape // by track and part
}

// strack is a track of the stream.
type strack struct {
	number  uint8 // its index + 1
	name    string
	bitrate int
	slices  int
	video   bool
}

// newStream makes the parts of a broadcast that goes on for so long after
// time 0.
func newStream(o *Options, length time.Duration) *stream {
	s := &stream{
		tracks: []strack{
			{1, "v720", o.Bitrate, media.SliceCount(media.Video, o.Bitrate), true},
			{2, "a128", o.AudioBitrate, 1, false},
		},
		part: o.Part.Microseconds(), perSeg: int32(o.SegmentParts), jitter: o.Seed, keyframe: o.Keyframe,
		delay: o.Network.Packaging.Microseconds(), base: firstPart - 100,
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	last := firstPart + int32(length.Microseconds()/s.part) + 20
	for _, t := range s.tracks {
		parts := make([]shape, 0, last-s.base)
		for n := s.base; n <= last; n++ {
			parts = append(parts, s.cut(&t, n, key))
		}
		s.shapes = append(s.shapes, parts)
	}
	return s
}

func (s *stream) names() []string {
	var out []string
	for i := range s.tracks {
		out = append(out, s.tracks[i].name)
	}
	return out
}

// id of part n. Media sequence numbers begin with 1.
func (s *stream) id(n int32) media.PartID {
	return media.PartID{MSN: uint64(n/s.perSeg) + 1, Index: uint64(n % s.perSeg)}
}

// number of a part. An index beyond its segment names a part of the next one.
func (s *stream) number(id media.PartID) int32 {
	return (int32(id.MSN)-1)*s.perSeg + int32(id.Index)
}

// end is number for the end of a range of parts: 0 when there is none.
func (s *stream) end(id media.PartID) int32 {
	if id.MSN == 0 {
		return 0
	}
	return s.number(id)
}

// pdt is when the media of part n begins, µs.
func (s *stream) pdt(n int32) int64 { return int64(n-firstPart) * s.part }

// published is when the edge has part n.
func (s *stream) published(n int32) int64 { return s.pdt(n+1) + s.delay }

// newest is the last part that the edge has.
func (s *stream) newest(now int64) int32 {
	n := int32((now-s.delay)/s.part) + firstPart
	for s.published(n) > now {
		n--
	}
	return n
}

// size draws the bytes of part n of a track: a tenth more or less than the mean,
// and more for the first of a segment.
func (s *stream) size(t *strack, n int32) int {
	mean := float64(t.bitrate) / 8 * float64(s.part) / 1e6
	r := rng{s.jitter ^ uint64(t.number)<<40 ^ uint64(n)}
	if t.video {
		rest := float64(s.perSeg) / (float64(s.perSeg) - 1 + s.keyframe)
		if n%s.perSeg == 0 {
			rest *= s.keyframe
		}
		mean *= rest * (0.9 + 0.2*r.float())
	}
	return int(mean)
}

// shape is how a part is cut.
type shape struct {
	size, chunkSize, chunks int
	header                  int // bytes of the signed header
}

func (s *stream) cut(t *strack, n int32, key ed25519.PrivateKey) shape {
	p := shape{size: s.size(t, n)}
	p.chunkSize = media.ChunkSize(p.size, t.slices)
	p.chunks = media.ChunkCount(p.size, p.chunkSize)
	h := media.Header{Stream: streamName, Track: t.number, ID: s.id(n), Init: 1, PDT: time.UnixMicro(1_700_000_000_000_000 + s.pdt(n)),
		Duration: time.Duration(s.part) * time.Microsecond, Size: p.size, ChunkSize: p.chunkSize, Hashes: make([][media.HashSize]byte, p.chunks)}
	p.header = len(h.Sign(key))
	return p
}

func (s *stream) shape(track uint8, n int32) *shape { return &s.shapes[track-1][n-s.base] }

// chunk gives the size of chunk i.
func (s *shape) chunk(i int) int { return min((i+1)*s.chunkSize, s.size) - i*s.chunkSize }

// bytes gives the size of chunks [first, first+count).
func (s *shape) bytes(first, count int) int {
	return min((first+count)*s.chunkSize, s.size) - first*s.chunkSize
}

// frameSize is the length of a frame as internal/peerwire encodes it.
func frameSize(f peerwire.Frame, buf *[]byte) int {
	*buf = peerwire.Append((*buf)[:0], f)
	return len(*buf)
}
