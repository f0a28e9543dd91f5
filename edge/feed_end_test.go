package edge

import (
	"testing"

	"starling/internal/media"
	"starling/internal/peerwire"
)

// A subscription with an end brings the headers of all parts, and the chunks of
// those before the end; a later one goes on from there.
func TestFeedEndsAndGoesOn(t *testing.T) {
	r := newRig(t, Config{}, nil).listen()
	r.video.parts(7)
	first := media.PartID{MSN: firstMSN + 1, Index: 1}
	at := func(i int) media.PartID { return media.PartID{MSN: first.MSN, Index: first.Index + uint64(i)} }
	r.video.parts(4)
	v := r.dial(t)
	v.send(peerwire.Subscribe{Track: 1, Slices: 0b111, Part: first, Flags: peerwire.Ends, Until: at(2)})
	chunks := media.ChunkCount(r.video.size, r.video.header().ChunkSize)
	for i := range 2 {
		for c := range chunks {
			if got := v.chunk(); got.Part != at(i) || got.Index != c {
				t.Fatalf("chunk %d of %s instead of %d of %s", got.Index, got.Part, c, at(i))
			}
		}
	}
	for i := 2; i < 4; i++ { // the headers alone
		h, ok := v.read().(peerwire.Header)
		if !ok {
			t.Fatalf("%T after the end", h)
		}
		p, err := media.VerifyHeader(h.Raw, streamInfo().Key)
		if err != nil || p.ID != at(i) {
			t.Fatalf("header of %s, %v", p.ID, err)
		}
		v.seen[p.ID] = p
	}
	// Slice 0 for one part more, slice 1 for good, slice 2 not.
	v.send(peerwire.Subscribe{Track: 1, Slices: 0b001, Part: at(2), Flags: peerwire.Ends, Until: at(3)})
	for _, c := range sliceOf(chunks, 0) {
		if got := v.chunk(); got.Part != at(2) || got.Index != c {
			t.Fatalf("chunk %d of %s instead of %d of %s", got.Index, got.Part, c, at(2))
		}
	}
	v.send(peerwire.Subscribe{Track: 1, Slices: 0b010, Part: at(2)})
	for i := 2; i < 4; i++ {
		for _, c := range sliceOf(chunks, 1) {
			if got := v.chunk(); got.Part != at(i) || got.Index != c {
				t.Fatalf("chunk %d of %s instead of %d of %s", got.Index, got.Part, c, at(i))
			}
		}
	}
	r.video.parts(1)
	for _, c := range sliceOf(chunks, 1) {
		if got := v.chunk(); got.Index != c || media.SliceOf(chunks, 3, got.Index) != 1 {
			t.Fatalf("chunk %d of %s after the ends", got.Index, got.Part)
		}
	}
}
