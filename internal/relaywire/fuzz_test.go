package relaywire

import (
	"bytes"
	"reflect"
	"testing"

	"starling/internal/media"
)

// FuzzControl feeds arbitrary bytes to the control reader: what it accepts
// must survive being encoded and read again.
func FuzzControl(f *testing.F) {
	var all []byte
	for _, fr := range controlFrames() {
		f.Add(Append(nil, fr))
		all = Append(all, fr)
	}
	f.Add(all)
	f.Add([]byte{0x3f, 1, 0, 0x02, 0x80, 0x10, 0x00, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		for {
			fr, err := ReadFrame(r)
			if err != nil {
				return
			}
			back, err := ReadFrame(NewReader(bytes.NewReader(Append(nil, fr))))
			if err != nil || !reflect.DeepEqual(fr, back) {
				t.Fatalf("%+v became %+v, %v", fr, back, err)
			}
		}
	})
}

// FuzzStream feeds arbitrary bytes to the reader of segment and FETCH streams:
// it must end, and never hold more than a header of them.
func FuzzStream(f *testing.F) {
	stream, _ := segmentStream()
	f.Add(stream)
	f.Add(stream[:len(stream)/2])
	for _, fe := range fetches() {
		f.Add(AppendFetch(nil, fe))
	}
	raw, _ := testPart(media.PartID{MSN: 1}, media.MaxChunkSize, 0)
	f.Add(AppendPartHeader(AppendSegment(nil, Segment{1, 1}), raw))
	f.Fuzz(func(_ *testing.T, b []byte) { _ = readAll(bytes.NewReader(b)) })
}

// FuzzFetch checks that an accepted FETCH request survives being encoded.
func FuzzFetch(f *testing.F) {
	for _, fe := range fetches() {
		f.Add(AppendFetch(nil, fe))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		if typ, err := ReadStreamType(r); err != nil || typ != StreamTypeFetch {
			return
		}
		fe, err := ReadFetch(r)
		if err != nil {
			return
		}
		r = NewReader(bytes.NewReader(AppendFetch(nil, fe)))
		if _, err := ReadStreamType(r); err != nil {
			t.Fatal(err)
		}
		if back, err := ReadFetch(r); err != nil || back != fe {
			t.Fatalf("%+v became %+v, %v", fe, back, err)
		}
	})
}
