package media

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

// headerVector is one entry of testdata/vectors/part-header.json.
type headerVector struct {
	Name          string   `json:"name"`
	Seed          string   `json:"seed"`      // Ed25519 seed, hex
	PublicKey     string   `json:"publicKey"` // hex
	Flags         uint8    `json:"flags"`
	Stream        string   `json:"stream"`
	Track         uint8    `json:"track"`
	MSN           uint64   `json:"msn"`
	Index         uint64   `json:"index"`
	Discontinuity uint64   `json:"discontinuity"`
	Init          uint64   `json:"init"`
	PDTMicros     int64    `json:"pdtMicros"`
	DurationUS    int64    `json:"durationMicros"`
	Size          int      `json:"size"`
	ChunkSize     int      `json:"chunkSize"`
	Hashes        []string `json:"hashes"`  // hex
	Payload       string   `json:"payload"` // byte i of the part is (i*7+msn) mod 251; given when short, hex
	Encoded       string   `json:"encoded"` // hex
}

func patternPart(size int, msn uint64) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte((uint64(i)*7 + msn) % 251)
	}
	return b
}

func vectorHeaders() []*Header {
	pdt := time.UnixMicro(1_790_000_000_123_456).UTC()
	mk := func(flags Flag, stream StreamID, track uint8, id PartID, size, slices int) *Header {
		cs := ChunkSize(size, slices)
		return &Header{Flags: flags, Stream: stream, Track: track, ID: id, Discontinuity: 1, Init: 2, PDT: pdt,
			Duration: 333_333 * time.Microsecond, Size: size, ChunkSize: cs, Hashes: HashChunks(patternPart(size, id.MSN), cs)}
	}
	return []*Header{
		mk(FlagIndependent, "live/demo", 1, PartID{895_000_000, 0}, 62_500, 3),
		mk(FlagLast, "live/demo", 4, PartID{895_000_000, 5}, 40, 1),
		mk(FlagGap|FlagDiscontinuity, "a/b-c_d.e", 255, PartID{1 << 40, 63}, 0, 2),
		mk(0, "live/demo", 2, PartID{7, 300}, 400_000, 8),
	}
}

const vectorFile = "../../testdata/vectors/part-header.json"

func TestHeaderVectors(t *testing.T) {
	seed := bytes.Repeat([]byte{0x42}, ed25519.SeedSize)
	key := ed25519.NewKeyFromSeed(seed)
	if *update {
		var vs []headerVector
		for _, h := range vectorHeaders() {
			v := headerVector{Name: string(h.Stream) + " " + h.ID.String(), Seed: hex.EncodeToString(seed), PublicKey: hex.EncodeToString(key.Public().(ed25519.PublicKey)),
				Flags: uint8(h.Flags), Stream: string(h.Stream), Track: h.Track, MSN: h.ID.MSN, Index: h.ID.Index, Discontinuity: h.Discontinuity, Init: h.Init,
				PDTMicros: h.PDT.UnixMicro(), DurationUS: h.Duration.Microseconds(), Size: h.Size, ChunkSize: h.ChunkSize, Hashes: []string{}, Encoded: hex.EncodeToString(h.Sign(key))}
			for _, x := range h.Hashes {
				v.Hashes = append(v.Hashes, hex.EncodeToString(x[:]))
			}
			if h.Size < 100 {
				v.Payload = hex.EncodeToString(patternPart(h.Size, h.ID.MSN))
			}
			vs = append(vs, v)
		}
		out, err := json.MarshalIndent(vs, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(vectorFile), 0o755); err != nil {
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
	var vs []headerVector
	if err := json.Unmarshal(raw, &vs); err != nil {
		t.Fatal(err)
	}
	hs := vectorHeaders()
	if len(vs) != len(hs) {
		t.Fatalf("%d vectors for %d headers", len(vs), len(hs))
	}
	for i, h := range hs {
		enc := h.Sign(key)
		if hex.EncodeToString(enc) != vs[i].Encoded {
			t.Errorf("%s: encoding differs from the vector", vs[i].Name)
		}
		got, err := VerifyHeader(enc, key.Public().(ed25519.PublicKey))
		if err != nil {
			t.Fatalf("%s: %v", vs[i].Name, err)
		}
		if re := got.Sign(key); !bytes.Equal(re, enc) {
			t.Errorf("%s: parse and sign does not give the same bytes", vs[i].Name)
		}
		part := patternPart(h.Size, h.ID.MSN)
		for c := range got.Chunks() {
			from, to := got.ChunkRange(c)
			if err := got.VerifyChunk(c, part[from:to]); err != nil {
				t.Error(err)
			}
			bad := bytes.Clone(part[from:to])
			bad[len(bad)/2] ^= 1
			if err := got.VerifyChunk(c, bad); !errors.Is(err, ErrChunk) {
				t.Errorf("altered chunk: %v", err)
			}
		}
	}
}

func TestEveryAlteredHeaderByteIsRejected(t *testing.T) {
	_, key, _ := ed25519.GenerateKey(nil)
	raw := vectorHeaders()[0].Sign(key)
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 0x10
		if _, err := VerifyHeader(bad, key.Public().(ed25519.PublicKey)); err == nil {
			t.Fatalf("byte %d altered and accepted", i)
		}
	}
	for n := range raw {
		if _, err := ParseHeader(raw[:n]); !errors.Is(err, ErrHeader) {
			t.Fatalf("%d of %d bytes: %v", n, len(raw), err)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	for _, h := range vectorHeaders() {
		f.Add(h.Sign(key))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := ParseHeader(raw)
		if err != nil {
			return
		}
		for i := range h.Chunks() {
			if from, to := h.ChunkRange(i); from >= to || to > h.Size {
				t.Fatalf("chunk %d is [%d,%d) of %d", i, from, to, h.Size)
			}
		}
	})
}
