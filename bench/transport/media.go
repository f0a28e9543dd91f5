package transport

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// The stream's shape: parts of a third of a second, in segments of two seconds
// whose first part holds the IDR and is three times as large as the others.
const (
	partDuration = 333 * time.Millisecond
	partsASeg    = 6
	idrWeight    = 3
	// spread is by how much sizes vary, as a share.
	spread = 0.15
)

// partSizes draws the sizes of a stream's parts, bytes.
func partSizes(count int, bitrate int64, seed uint64) []int {
	rng := rand.New(rand.NewPCG(seed, 0x706172))
	unit := float64(bitrate) / 8 * partDuration.Seconds() * partsASeg / (partsASeg - 1 + idrWeight)
	out := make([]int, count)
	for i := range out {
		size := unit
		if i%partsASeg == 0 {
			size *= idrWeight
		}
		out[i] = int(size * (1 - spread + 2*spread*rng.Float64()))
	}
	return out
}

// layout is how a part is cut.
type layout struct {
	size, chunk, slices int
}

// cut makes chunks of one size, at most most bytes, so that every slice has as
// many, as media.ChunkSize does.
func cut(size, most, slices int) layout {
	n := slices * ((size + slices*most - 1) / (slices * most))
	return layout{size, (size + n - 1) / n, slices}
}

func (l layout) chunks() int { return (l.size + l.chunk - 1) / l.chunk }

// of gives the bounds of a slice, in chunks: contiguous runs whose lengths
// differ by one at most.
func (l layout) of(slice int) (from, to int) {
	n := l.chunks()
	return slice * n / l.slices, (slice + 1) * n / l.slices
}

// bytes is the size of a chunk.
func (l layout) bytes(chunk int) int {
	return min(l.chunk, l.size-chunk*l.chunk)
}

// longest is the number of chunks of the longest slice.
func (l layout) longest() int {
	most := 0
	for s := range l.slices {
		from, to := l.of(s)
		most = max(most, to-from)
	}
	return most
}

// frame heads a message: what a CHUNK frame's fields take on the wire.
const frameSize = 10

// frame names a chunk, or a parity chunk. Parity of slices is numbered from 0
// within the part, parity of chunks by its slice.
type frame struct {
	part   int
	chunk  int
	slice  int
	parity bool
}

func (f frame) append(b []byte, payload int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(f.part))
	b = binary.BigEndian.AppendUint32(b, uint32(f.chunk))
	b = append(b, byte(f.slice), 0)
	if f.parity {
		b[len(b)-1] = 1
	}
	return append(b, make([]byte, payload)...)
}

func parseFrame(b []byte) frame {
	return frame{part: int(binary.BigEndian.Uint32(b)), chunk: int(binary.BigEndian.Uint32(b[4:])), slice: int(b[8]), parity: b[9] == 1}
}
