package peerwire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"starling/internal/media"
)

func TestAppendAllocatesNothing(t *testing.T) {
	data := make([]byte, media.MaxChunkSize)
	dst := make([]byte, 0, MaxFrameSize)
	if n := testing.AllocsPerRun(100, func() {
		dst = Append(dst[:0], Chunk{Track: 1, Part: media.PartID{MSN: 895_000_000, Index: 5}, Index: 12, Data: data})
		dst = Append(dst[:0], Request{Range: Range{Track: 1, Count: 3}, DeadlineMS: 250})
	}); n != 0 {
		t.Fatalf("%v allocations a frame", n)
	}
}

func TestEveryTruncationIsRejected(t *testing.T) {
	for _, v := range samples() {
		b := Append(nil, v.frame)
		if f, err := Parse(b); err != nil || !reflect.DeepEqual(f, v.frame) {
			t.Fatalf("%s: parsed as %#v, %v", v.name, f, err)
		}
		shortest := len(b)
		switch v.frame.(type) {
		case Header, Chunk: // run to the end of the frame: only an empty rest is short
			shortest = len(b) - len(rest(v.frame)) + 1
		}
		for n := range shortest {
			if s, ok := v.frame.(Subscribe); ok && s.Flags != 0 && n == shortest-1 {
				continue // the flags are the one field that may be missing
			}
			if f, err := Parse(b[:n]); !errors.Is(err, ErrFrame) {
				t.Fatalf("%s cut to %d of %d bytes gave %#v, %v", v.name, n, len(b), f, err)
			}
		}
	}
}

func TestSubscribeWithAnEnd(t *testing.T) {
	want := Subscribe{Track: 1, Slices: 6, Part: media.PartID{MSN: 7, Index: 2}, Flags: Ends, Until: media.PartID{MSN: 7, Index: 5}}
	b := Append(nil, want)
	if got, err := Parse(b); err != nil || got != want {
		t.Fatalf("parsed as %#v, %v", got, err)
	}
	for n := len(b) - 2; n < len(b); n++ {
		if f, err := Parse(b[:n]); !errors.Is(err, ErrFrame) {
			t.Fatalf("cut to %d of %d bytes gave %#v, %v", n, len(b), f, err)
		}
	}
}

func rest(f Frame) []byte {
	switch f := f.(type) {
	case Header:
		return f.Raw
	case Chunk:
		return f.Data
	}
	return nil
}

func TestMasksAndBitmaps(t *testing.T) {
	if m := AllSlices(3); m != 7 || !m.Has(2) || m.Has(3) || m.With(5).Count() != 4 || m.Has(-1) {
		t.Fatalf("AllSlices(3) = %b", m)
	}
	if AllSlices(99) != 1<<MaxSlices-1 {
		t.Fatal("a mask beyond its limit")
	}
	h := Have{Chunks: 10, Bitmap: []byte{0x01, 0xff}}
	for i, want := range []bool{true, false, false, false, false, false, false, false, true, true, false, false} {
		if h.Has(i) != want {
			t.Errorf("chunk %d: %v", i, !want)
		}
	}
	r := RefuseSubscribe(ReasonBusy, 4, 0x8001)
	if m, ok := r.Subscription(); !ok || m != 0x8001 {
		t.Fatalf("refused subscription %b, %v", m, ok)
	}
	r.Part.MSN = 1
	if _, ok := r.Subscription(); ok {
		t.Fatal("the refusal of a range is taken for one of a subscription")
	}
}

func TestByeTextIsCut(t *testing.T) {
	f, err := Parse(Append(nil, Bye{Reason: 200, Text: string(bytes.Repeat([]byte("x"), 999))}))
	if b, ok := f.(Bye); err != nil || !ok || len(b.Text) != MaxTextLen || b.Reason.String() != "reason-200" {
		t.Fatalf("%#v, %v", f, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range samples() {
		f.Add(Append(nil, v.frame))
	}
	for _, v := range invalidFrames() {
		f.Add(v.b)
	}
	f.Add(Append(nil, Subscribe{Track: 1, Slices: 6, Flags: Ends | NoHeaders, Until: media.PartID{MSN: 7, Index: 5}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := Parse(b)
		if err != nil {
			return
		}
		// Varints may be longer than needed on the wire, so bytes may differ;
		// the meaning must not.
		again, err := Parse(Append(nil, fr))
		if err != nil || !reflect.DeepEqual(fr, again) {
			t.Fatalf("%#v encodes to %#v, %v", fr, again, err)
		}
	})
}

func BenchmarkAppendChunk(b *testing.B) {
	data := make([]byte, media.MaxChunkSize)
	dst := make([]byte, 0, MaxFrameSize)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		dst = Append(dst[:0], Chunk{Track: 1, Part: media.PartID{MSN: 1, Index: 2}, Index: 3, Data: data})
	}
}

func BenchmarkParseChunk(b *testing.B) {
	raw := Append(nil, Chunk{Track: 1, Part: media.PartID{MSN: 1, Index: 2}, Index: 3, Data: make([]byte, media.MaxChunkSize)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}
