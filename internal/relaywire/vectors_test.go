package relaywire

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"reflect"
	"testing"
	"testing/iotest"
	"time"

	"starling/internal/media"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

const vectorFile = "../../testdata/vectors/relay-frames.json"

// vector is one entry of testdata/vectors/relay-frames.json.
type vector struct {
	Name    string          `json:"name"`
	Kind    string          `json:"kind"`             // control, segment, fetch, fetchCode
	Type    uint64          `json:"type,omitempty"`   // of a control frame
	Fields  json.RawMessage `json:"fields,omitempty"` // the decoded values
	Encoded string          `json:"encoded"`          // hex
}

func controlFrames() []Frame {
	return []Frame{
		Hello{Version: 1, Node: "edge-1.example.com"},
		Hello{Version: 2, Node: "edge-2", Hops: []string{"edge-1", "origin"}},
		Catalog{JSON: []byte(`{"id":"live/demo","revision":3}`)},
		Gone{Stream: "live/demo"},
		Subscribe{ID: 1, Stream: "live/demo", Track: "v720", From: media.PartID{MSN: 895_000_000, Index: 5}},
		Subscribe{ID: 70_000, Stream: "a/b-c_d.e", Track: "a128", From: media.PartID{MSN: 0, Index: 6}},
		Unsubscribe{ID: 1},
		SubscribeOK{ID: MaxVarint},
		SubscribeError{ID: 3, Code: SubscribeNoTrack, Reason: "no track v1080"},
		Ping{Token: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}},
		Pong{Token: [8]byte{0xff}},
		Drain{In: 30 * time.Second},
		Synced{},
		TrackEnd{ID: 9, Last: media.PartID{MSN: 895_000_012, Index: 2}},
	}
}

// testPart makes a signed header and its payload.
func testPart(id media.PartID, size int, flags media.Flag) (raw, payload []byte) {
	payload = make([]byte, size)
	for i := range payload {
		payload[i] = byte((uint64(i)*7 + id.MSN + id.Index) % 251)
	}
	cs := media.ChunkSize(size, 2)
	h := media.Header{Flags: flags, Stream: "live/demo", Track: 1, ID: id, PDT: time.UnixMicro(1_790_000_000_000_000), Duration: time.Second / 3,
		Size: size, ChunkSize: cs, Hashes: media.HashChunks(payload, cs)}
	return h.Sign(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{0x42}, 32))), payload
}

func segmentStream() (b []byte, payloads [][]byte) {
	b = AppendSegment(nil, Segment{Subscription: 7, MSN: 895_000_000})
	for i, size := range []int{3000, 0, 120} {
		flags := media.FlagIndependent
		if i == 2 {
			flags = media.FlagLast
		}
		raw, payload := testPart(media.PartID{MSN: 895_000_000, Index: uint64(i)}, size, flags)
		b = append(AppendPartHeader(b, raw), payload...)
		payloads = append(payloads, payload)
	}
	return b, payloads
}

func fetches() []Fetch {
	return []Fetch{
		{Stream: "live/demo", Track: "v720", MSN: 895_000_000, First: 2, Last: 4},
		{Stream: "live/demo", Track: "a128", MSN: 895_000_001, First: 0, Last: MaxVarint},
	}
}

func makeVectors(t *testing.T) []vector {
	var vs []vector
	add := func(kind, name string, typ uint64, fields any, encoded []byte) {
		raw, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		vs = append(vs, vector{Name: name, Kind: kind, Type: typ, Fields: raw, Encoded: hex.EncodeToString(encoded)})
	}
	for _, f := range controlFrames() {
		add("control", reflect.TypeOf(f).Name(), uint64(f.Type()), f, Append(nil, f))
	}
	stream, _ := segmentStream()
	add("segment", "three parts, the second empty", StreamTypeSegment, Segment{Subscription: 7, MSN: 895_000_000}, stream)
	for _, f := range fetches() {
		add("fetch", "FETCH "+f.Track, StreamTypeFetch, f, AppendFetch(nil, f))
	}
	for c := FetchOK; c <= FetchOverloaded; c++ {
		add("fetchCode", c.String(), 0, uint64(c), AppendFetchCode(nil, c))
	}
	return vs
}

func TestVectors(t *testing.T) {
	want := makeVectors(t)
	if *update {
		out, err := json.MarshalIndent(want, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(out, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var got []vector
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d vectors in the file, %d in the code", len(got), len(want))
	}
	for i, w := range want {
		if got[i].Encoded != w.Encoded || got[i].Name != w.Name {
			t.Errorf("%s: encoding differs from the vector", w.Name)
		}
	}
	for i, f := range controlFrames() {
		b, _ := hex.DecodeString(got[i].Encoded)
		back, err := ReadFrame(NewReader(bytes.NewReader(b)))
		if err != nil || !reflect.DeepEqual(back, f) {
			t.Errorf("%s: decoded %+v, %v", got[i].Name, back, err)
		}
	}
}

func TestPartsArriveByteByByte(t *testing.T) {
	b, payloads := segmentStream()
	r := NewReader(iotest.OneByteReader(bytes.NewReader(b)))
	if typ, err := ReadStreamType(r); err != nil || typ != StreamTypeSegment {
		t.Fatal(typ, err)
	}
	if s, err := ReadSegment(r); err != nil || s != (Segment{7, 895_000_000}) {
		t.Fatal(s, err)
	}
	p := NewPartReader(r)
	for i, want := range payloads {
		raw, err := p.Header()
		if err != nil {
			t.Fatal(err)
		}
		h, err := media.ParseHeader(raw)
		if err != nil {
			t.Fatal(err)
		}
		p.Payload(h.Size)
		if i == 0 { // half of it read, the rest skipped by Header
			half := make([]byte, 1000)
			if _, err := io.ReadFull(p, half); err != nil || !bytes.Equal(half, want[:1000]) || p.Left() != 2000 {
				t.Fatalf("half a payload: %v, %d left", err, p.Left())
			}
			continue
		}
		got, err := io.ReadAll(p)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("part %d: %v", i, err)
		}
	}
	if _, err := p.Header(); err != io.EOF {
		t.Fatalf("end: %v", err)
	}
}

func TestTruncatedStreamsAreNotCleanEnds(t *testing.T) {
	whole, _ := segmentStream()
	ends := 0
	for n := range len(whole) {
		r := NewReader(bytes.NewReader(whole[:n]))
		if err := readAll(r); err == nil {
			ends++
		} else if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	// Only the cuts between parts look whole: after the head, and after two of the three parts.
	if ends != 3 {
		t.Fatalf("%d truncations were taken as complete", ends)
	}
	frame := Append(nil, controlFrames()[1])
	for n := 1; n < len(frame); n++ {
		if _, err := ReadFrame(NewReader(bytes.NewReader(frame[:n]))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("frame cut at %d: %v", n, err)
		}
	}
	if _, err := ReadFrame(NewReader(bytes.NewReader(nil))); err != io.EOF {
		t.Fatalf("no frame: %v", err)
	}
}

func TestUnknownTypesAndTrailingBytesAreSkipped(t *testing.T) {
	b := []byte{0x3f, 3, 1, 2, 3}                    // unknown type 0x3f
	b = append(b, 0x7f, 0xff, 0x00)                  // unknown two-byte type, empty
	b = append(b, byte(TypeUnsubscribe), 3, 9, 8, 7) // id 9 and two bytes of a later version
	f, err := ReadFrame(NewReader(bytes.NewReader(b)))
	if err != nil || f != (Unsubscribe{ID: 9}) {
		t.Fatalf("%+v, %v", f, err)
	}
}

func TestMalformedIsRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"oversized":         {0x02, 0x80, 0x10, 0x00, 0x01},
		"oversized unknown": {0x3f, 0x80, 0x10, 0x00, 0x01},
		"version 0":         {0x01, 4, 0, 1, 'a', 0},
		"node name":         {0x01, 4, 1, 1, '/', 0},
		"hops missing":      {0x01, 4, 1, 1, 'a', 2},
		"many hops":         append([]byte{0x01, 38, 1, 1, 'a', 17}, bytes.Repeat([]byte{1, 'h'}, 17)...),
		"stream name":       {0x03, 4, 3, 'a', 'b', 'c'},
		"short token":       {0x08, 3, 1, 2, 3},
		"empty subscribe":   {0x04, 0},
	} {
		if f, err := ReadFrame(NewReader(bytes.NewReader(b))); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	for name, b := range map[string][]byte{
		"reversed range": AppendFetch(nil, Fetch{Stream: "a/b", Track: "v", First: 3, Last: 2}),
		"track":          AppendFetch(nil, Fetch{Stream: "a/b", Track: "v/w"}),
		"stream":         AppendFetch(nil, Fetch{Stream: "ab", Track: "v"}),
		"long name":      {0x30, 0x44, 0x00},
	} {
		if _, err := ReadFetch(NewReader(bytes.NewReader(b[1:]))); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := NewPartReader(NewReader(bytes.NewReader([]byte{0x80, 0x00, 0x40, 0x01})))
	if _, err := p.Header(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large part header: %v", err)
	}
}

// readAll reads a stream that begins with its type as its receiver would.
func readAll(r io.Reader) error {
	br := NewReader(r)
	typ, err := ReadStreamType(br)
	if err != nil {
		return err
	}
	switch typ {
	case StreamTypeSegment:
		if _, err := ReadSegment(br); err != nil {
			return err
		}
	case StreamTypeFetch:
		_, err := ReadFetch(br)
		return err
	default:
		return ErrMalformed
	}
	p := NewPartReader(br)
	for {
		raw, err := p.Header()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		h, err := media.ParseHeader(raw)
		if err != nil {
			return err
		}
		p.Payload(h.Size)
		if _, err := io.Copy(io.Discard, p); err != nil {
			return err
		}
	}
}
