package media

// MaxChunkSize bounds a chunk, the unit of hashing and of sending between
// peers. 16 KiB is the largest data channel message that every implementation
// takes without fragmenting it at the message layer (RFC 8831 section 6.6).
const MaxChunkSize = 16 << 10

// minChunkSize keeps a hash (16 bytes) and a frame small beside its payload.
const minChunkSize = 1 << 10

const (
	// sliceBitrate is what one parent is asked to carry: an association
	// brings only 1 to 3 Mbit/s on a path with loss.
	sliceBitrate = 500_000
	minSlices    = 2
	maxSlices    = 8
)

// SliceCount gives K, the number of slices of a track, from its average
// bitrate in bit/s. Audio travels whole.
func SliceCount(kind Kind, bitrate int) int {
	if kind == Audio {
		return 1
	}
	return min(max((bitrate+sliceBitrate/2)/sliceBitrate, minSlices), maxSlices)
}

// ChunkSize chooses the chunk size for a part of size bytes so that its chunks
// divide evenly among slices, within the bounds of a chunk.
func ChunkSize(size, slices int) int {
	if size <= 0 {
		return minChunkSize
	}
	slices = max(slices, 1)
	perSlice := (size + slices*MaxChunkSize - 1) / (slices * MaxChunkSize)
	n := perSlice * slices
	return min(max((size+n-1)/n, minChunkSize), MaxChunkSize)
}

// ChunkCount gives the number of chunks of a part.
func ChunkCount(size, chunkSize int) int { return (size + chunkSize - 1) / chunkSize }

// SliceChunks gives the chunks [first, end) of a part with n chunks that
// belong to slice s of k. Slices are contiguous, disjoint and cover the part.
func SliceChunks(n, k, s int) (first, end int) { return n * s / k, n * (s + 1) / k }

// SliceOf gives the slice of k to which chunk i of n belongs.
func SliceOf(n, k, i int) int { return ((i+1)*k - 1) / n }
