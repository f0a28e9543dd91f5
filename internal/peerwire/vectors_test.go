package peerwire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"testing"

	"starling/internal/media"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

const vectorFile = "../../testdata/vectors/peer-frames.json"

// vector is one frame of peer-frames.json. Byte fields are hex.
type vector struct {
	Name    string         `json:"name"`
	Type    string         `json:"type"`
	Fields  map[string]any `json:"fields"`
	Encoded string         `json:"encoded"`
}

type vectors struct {
	Frames    []vector  `json:"frames"`    // encode to these bytes and parse back
	Tolerated []vector  `json:"tolerated"` // parse to these fields, but encode otherwise
	Unknown   []invalid `json:"unknown"`   // to be ignored without an error
	Invalid   []invalid `json:"invalid"`   // protocol errors
}

type invalid struct {
	Name    string `json:"name"`
	Encoded string `json:"encoded"`
}

type sample struct {
	name  string
	frame Frame
}

type badSample struct {
	name string
	b    []byte
}

func samples() []sample {
	at := media.PartID{MSN: 895_000_000, Index: 5}
	return []sample{
		{"hello of a viewer", Hello{Version: 1, ID: "v-7f3a", Stream: "live/demo"}},
		{"hello of an edge with features", Hello{Version: 1, Features: 0x4001, ID: EdgeID, Stream: "a/b-c_d.e"}},
		{"subscribe from the next part", Subscribe{Track: 1, Slices: 0b101}},
		{"subscribe from a part", Subscribe{Track: 255, Slices: 0xffff, Part: at}},
		{"subscribe to chunks without headers", Subscribe{Track: 1, Slices: 2, Part: at, Flags: NoHeaders}},
		{"unsubscribe", Unsubscribe{Track: 1, Slices: 4}},
		{"header", Header{Raw: []byte("a signed part header")}},
		{"chunk", Chunk{Track: 2, Part: at, Index: 63, Data: []byte{0, 1, 2, 0xff}}},
		{"chunk with long numbers", Chunk{Track: 64, Part: media.PartID{MSN: 1<<53 - 1, Index: 16_384}, Index: MaxChunks - 1, Data: []byte{9}}},
		{"have all of ten", Have{Track: 1, Part: at, Chunks: 10, Bitmap: []byte{0xff, 0x03}}},
		{"have the first and the ninth", Have{Track: 1, Part: at, Chunks: 9, Bitmap: []byte{0x01, 0x01}}},
		{"have with set bits after the last chunk", Have{Track: 1, Part: at, Chunks: 1, Bitmap: []byte{0xff}}},
		{"have of a gap", Have{Track: 1, Part: at, Chunks: 0, Bitmap: []byte{}}},
		{"request", Request{Range: Range{Track: 1, Part: at, First: 2, Count: 70}, DeadlineMS: 250}},
		{"cancel", Cancel{Range: Range{Track: 1, Part: at, First: 2, Count: 1}}},
		{"refuse a range", Refuse{Reason: ReasonAbsent, Range: Range{Track: 1, Part: at, First: 2, Count: 3}}},
		{"refuse a subscription", RefuseSubscribe(ReasonBusy, 1, 0b110)},
		{"ping", Ping{Token: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}}},
		{"pong", Pong{Token: [8]byte{8, 7, 6, 5, 4, 3, 2, 1}}},
		{"bye", Bye{Reason: ReasonLeaving, Text: "tab closed"}},
		{"bye without text", Bye{Reason: ReasonBadData}},
		{"want", Want{Track: 1, Part: at}},
	}
}

// tolerated frames carry more, or longer, than this version writes.
func toleratedFrames() []badSample {
	return []badSample{
		{"subscribe with a field of a later version", append(Append(nil, Subscribe{Track: 1, Slices: 1, Flags: 2}), 7, 7)},
		{"subscribe with flags that say nothing", append(Append(nil, Subscribe{Track: 1, Slices: 1}), 0)},
		{"bye with trailing bytes", append(Append(nil, Bye{Reason: 8}), 0xff)},
		{"unsubscribe with varints longer than needed", []byte{0x03, 0x40, 0x01, 0x80, 0, 0, 0x04}},
	}
}

func invalidFrames() []badSample {
	part := []byte{7, 0} // msn 7, index 0
	cat := func(bs ...[]byte) []byte { return bytes.Join(bs, nil) }
	return []badSample{
		{"empty", nil},
		{"hello without its stream", []byte{0x01, 1, 0, 1, 'x'}},
		{"hello with an id too long", cat([]byte{0x01, 1, 0, 0x40, 65}, bytes.Repeat([]byte{'x'}, 65), []byte{1, 'x'})},
		{"subscribe with a track beyond 255", cat([]byte{0x02, 0x41, 0x00, 1}, part)},
		{"subscribe with a mask beyond 16 bits", cat([]byte{0x02, 1, 0x80, 1, 0, 0}, part)},
		{"subscribe with truncated flags", cat([]byte{0x02, 1, 1}, part, []byte{0x40})},
		{"want without its index", []byte{0x0d, 1, 7}},
		{"header without bytes", []byte{0x04}},
		{"chunk without bytes", cat([]byte{0x05, 1}, part, []byte{3})},
		{"chunk index beyond the limit", cat([]byte{0x05, 1}, part, []byte{0x60, 0x00, 1})},
		{"chunk of 16385 bytes", cat([]byte{0x05, 1}, part, []byte{0}, make([]byte, media.MaxChunkSize+1))},
		{"have with a short bitmap", cat([]byte{0x06, 1}, part, []byte{9, 0xff})},
		{"request of no chunk", cat([]byte{0x07, 1}, part, []byte{0, 0, 1})},
		{"request beyond the last chunk", cat([]byte{0x07, 1}, part, []byte{1, 0x60, 0x00, 1})},
		{"request with a deadline over a minute", cat([]byte{0x07, 1}, part, []byte{0, 1, 0x80, 0, 0xea, 0x61})},
		{"ping with a short token", []byte{0x0a, 1, 2, 3}},
		{"bye with a truncated text", []byte{0x0c, 8, 3, 'a', 'b'}},
		{"bye with a reason beyond 255", []byte{0x0c, 0x41, 0x00, 0}},
		{"more than 32 KiB", append([]byte{0x0c, 8, 0}, make([]byte, MaxFrameSize)...)},
	}
}

func unknownFrames() []badSample {
	return []badSample{{"type 0", []byte{0}}, {"a type of a later version", []byte{0x3f, 1, 2, 3}}}
}

func describe(name string, f Frame, encoded []byte) vector {
	v := vector{Name: name, Encoded: hex.EncodeToString(encoded)}
	part := func(track uint8, p media.PartID) map[string]any {
		return map[string]any{"track": track, "msn": p.MSN, "index": p.Index}
	}
	chunks := func(r Range) map[string]any {
		m := part(r.Track, r.Part)
		m["first"], m["count"] = r.First, r.Count
		return m
	}
	switch f := f.(type) {
	case Hello:
		v.Type, v.Fields = "hello", map[string]any{"version": f.Version, "features": f.Features, "id": f.ID, "stream": f.Stream}
	case Subscribe:
		v.Type, v.Fields = "subscribe", part(f.Track, f.Part)
		v.Fields["slices"], v.Fields["flags"] = f.Slices, f.Flags
	case Unsubscribe:
		v.Type, v.Fields = "unsubscribe", map[string]any{"track": f.Track, "slices": f.Slices}
	case Header:
		v.Type, v.Fields = "header", map[string]any{"raw": hex.EncodeToString(f.Raw)}
	case Chunk:
		v.Type, v.Fields = "chunk", part(f.Track, f.Part)
		v.Fields["chunk"], v.Fields["data"] = f.Index, hex.EncodeToString(f.Data)
	case Have:
		v.Type, v.Fields = "have", part(f.Track, f.Part)
		v.Fields["chunks"], v.Fields["bitmap"] = f.Chunks, hex.EncodeToString(f.Bitmap)
	case Request:
		v.Type, v.Fields = "request", chunks(f.Range)
		v.Fields["deadlineMs"] = f.DeadlineMS
	case Cancel:
		v.Type, v.Fields = "cancel", chunks(f.Range)
	case Refuse:
		v.Type, v.Fields = "refuse", chunks(f.Range)
		v.Fields["reason"] = f.Reason
	case Ping:
		v.Type, v.Fields = "ping", map[string]any{"token": hex.EncodeToString(f.Token[:])}
	case Pong:
		v.Type, v.Fields = "pong", map[string]any{"token": hex.EncodeToString(f.Token[:])}
	case Bye:
		v.Type, v.Fields = "bye", map[string]any{"reason": f.Reason, "text": f.Text}
	case Want:
		v.Type, v.Fields = "want", part(f.Track, f.Part)
	}
	return v
}

func TestVectors(t *testing.T) {
	var vs vectors
	for _, s := range samples() {
		vs.Frames = append(vs.Frames, describe(s.name, s.frame, Append(nil, s.frame)))
	}
	for _, s := range toleratedFrames() {
		f, err := Parse(s.b)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if bytes.Equal(Append(nil, f), s.b) {
			t.Errorf("%s: is a plain frame", s.name)
		}
		vs.Tolerated = append(vs.Tolerated, describe(s.name, f, s.b))
	}
	for _, s := range unknownFrames() {
		f, err := Parse(s.b)
		if _, ok := f.(Unknown); err != nil || !ok {
			t.Fatalf("%s: %#v, %v", s.name, f, err)
		}
		vs.Unknown = append(vs.Unknown, invalid{s.name, hex.EncodeToString(s.b)})
	}
	for _, s := range invalidFrames() {
		if f, err := Parse(s.b); !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %#v, %v", s.name, f, err)
		}
		if len(s.b) <= 1024 { // the larger ones would bloat the file
			vs.Invalid = append(vs.Invalid, invalid{s.name, hex.EncodeToString(s.b)})
		}
	}
	got, err := json.MarshalIndent(vs, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(vectorFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("the codec no longer matches %s: if the format was meant to change, run go test -update", vectorFile)
	}
}
