package media

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSlicesPartitionEveryPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, MaxPartSize).Draw(t, "size")
		k := rapid.IntRange(1, 8).Draw(t, "k")
		cs := ChunkSize(size, k)
		if cs < minChunkSize || cs > MaxChunkSize {
			t.Fatalf("chunk size %d", cs)
		}
		n := ChunkCount(size, cs)
		next := 0
		for s := range k {
			first, end := SliceChunks(n, k, s)
			if first != next || end < first {
				t.Fatalf("slice %d of %d over %d chunks is [%d,%d), want start %d", s, k, n, first, end, next)
			}
			for i := first; i < end; i++ {
				if got := SliceOf(n, k, i); got != s {
					t.Fatalf("SliceOf(%d,%d,%d) = %d, want %d", n, k, i, got, s)
				}
			}
			next = end
		}
		if next != n {
			t.Fatalf("slices cover %d of %d chunks", next, n)
		}
	})
}

func TestSliceCount(t *testing.T) {
	for _, c := range []struct {
		kind    Kind
		bitrate int
		want    int
	}{{Audio, 128_000, 1}, {Video, 100_000, 2}, {Video, 1_500_000, 3}, {Video, 2_500_000, 5}, {Video, 20_000_000, 8}} {
		if got := SliceCount(c.kind, c.bitrate); got != c.want {
			t.Errorf("SliceCount(%s, %d) = %d, want %d", c.kind, c.bitrate, got, c.want)
		}
	}
}
