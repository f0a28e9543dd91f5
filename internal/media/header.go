package media

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/quic-go/quic-go/quicvarint"

	"starling/internal/fields"
)

// Limits of the part header format (docs/part-header.md).
const (
	HeaderVersion = 1
	// MaxPartSize is over two seconds at 30 Mbit/s: larger is not a part.
	MaxPartSize = 8 << 20
	// MaxHeaderSize holds the hashes of the largest part and its extensions.
	MaxHeaderSize = 16 << 10
	// HashSize is the length of a truncated SHA-256 (collision work 2^64 is
	// irrelevant: only the origin chooses both inputs; second preimage 2^128).
	HashSize = 16
)

// Flag bits of a part header.
type Flag uint8

// The flags of a part header. Unknown bits are kept and ignored.
const (
	FlagIndependent   Flag = 1 << iota // starts with an IDR, or is audio
	FlagLast                           // last part of its segment
	FlagGap                            // no media: rendered as EXT-X-GAP, size 0
	FlagDiscontinuity                  // timestamps or parameters break before this part
)

// Has reports whether all bits of g are set.
func (f Flag) Has(g Flag) bool { return f&g == g }

// Header is the signed description of a part.
type Header struct {
	Flags         Flag
	Stream        StreamID
	Track         uint8 // TrackInfo.Number
	ID            PartID
	Discontinuity uint64        // discontinuity sequence number of the segment
	Init          uint64        // id of the initialization section
	PDT           time.Time     // wall clock of the first sample, µs precision
	Duration      time.Duration // µs precision
	Size          int           // bytes of the part
	ChunkSize     int
	Hashes        [][HashSize]byte // one a chunk
	Extensions    []byte           // signed, ignored by this version
}

// signContext separates part signatures from any other use of the key.
const signContext = "starling-part/1\x00"

// Errors of the header format.
var (
	ErrHeader    = errors.New("malformed part header")
	ErrSignature = errors.New("part header signature does not verify")
	ErrChunk     = errors.New("chunk does not match the signed hash")
)

// Chunks is the number of chunks of the part.
func (h *Header) Chunks() int { return len(h.Hashes) }

// ChunkRange gives the bytes [from, to) of chunk i in the part.
func (h *Header) ChunkRange(i int) (from, to int) {
	return i * h.ChunkSize, min((i+1)*h.ChunkSize, h.Size)
}

// VerifyChunk checks the bytes of chunk i against the header.
func (h *Header) VerifyChunk(i int, b []byte) error {
	if i < 0 || i >= len(h.Hashes) {
		return fmt.Errorf("%w: chunk %d of %d", ErrChunk, i, len(h.Hashes))
	}
	from, to := h.ChunkRange(i)
	if len(b) != to-from || HashChunk(b) != h.Hashes[i] {
		return fmt.Errorf("%w: %s chunk %d", ErrChunk, h.ID, i)
	}
	return nil
}

// HashChunk is SHA-256 truncated to HashSize bytes.
func HashChunk(b []byte) (out [HashSize]byte) {
	sum := sha256.Sum256(b)
	copy(out[:], sum[:])
	return out
}

// HashChunks hashes every chunk of a part.
func HashChunks(part []byte, chunkSize int) [][HashSize]byte {
	out := make([][HashSize]byte, 0, ChunkCount(len(part), chunkSize))
	for from := 0; from < len(part); from += chunkSize {
		out = append(out, HashChunk(part[from:min(from+chunkSize, len(part))]))
	}
	return out
}

// Sign encodes h with its signature.
func (h *Header) Sign(key ed25519.PrivateKey) []byte {
	b := h.appendUnsigned(make([]byte, 0, 160+HashSize*len(h.Hashes)))
	return append(b, ed25519.Sign(key, signedMessage(b))...)
}

func signedMessage(unsigned []byte) []byte { return append([]byte(signContext), unsigned...) }

func (h *Header) appendUnsigned(b []byte) []byte {
	b = append(b, HeaderVersion, byte(h.Flags), byte(len(h.Stream)))
	b = append(b, h.Stream...)
	b = append(b, h.Track)
	b = quicvarint.Append(b, h.ID.MSN)
	b = quicvarint.Append(b, h.ID.Index)
	b = quicvarint.Append(b, h.Discontinuity)
	b = quicvarint.Append(b, h.Init)
	b = binary.BigEndian.AppendUint64(b, uint64(h.PDT.UnixMicro()))
	b = quicvarint.Append(b, uint64(h.Duration.Microseconds()))
	b = quicvarint.Append(b, uint64(h.Size))
	b = quicvarint.Append(b, uint64(h.ChunkSize))
	for i := range h.Hashes {
		b = append(b, h.Hashes[i][:]...)
	}
	b = quicvarint.Append(b, uint64(len(h.Extensions)))
	return append(b, h.Extensions...)
}

// VerifyHeader parses raw and checks its signature.
func VerifyHeader(raw []byte, key ed25519.PublicKey) (*Header, error) {
	h, err := ParseHeader(raw)
	if err != nil {
		return nil, err
	}
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: public key of %d bytes", ErrSignature, len(key))
	}
	n := len(raw) - ed25519.SignatureSize
	if !ed25519.Verify(key, signedMessage(raw[:n]), raw[n:]) {
		return nil, ErrSignature
	}
	return h, nil
}

// ParseHeader decodes raw without checking its signature: only for a header
// that came over an authenticated session with the origin or an edge.
func ParseHeader(raw []byte) (*Header, error) {
	if len(raw) > MaxHeaderSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrHeader, len(raw))
	}
	r := fields.New(raw)
	if v := r.Byte(); v != HeaderVersion {
		return nil, fmt.Errorf("%w: version %d", ErrHeader, v)
	}
	h := &Header{Flags: Flag(r.Byte())}
	h.Stream = StreamID(r.Take(int(r.Byte())))
	h.Track = r.Byte()
	h.ID = PartID{MSN: r.Varint(), Index: r.Varint()}
	h.Discontinuity = r.Varint()
	h.Init = r.Varint()
	if b := r.Take(8); b != nil {
		h.PDT = time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	}
	h.Duration = time.Duration(r.Bounded(int(time.Hour/time.Microsecond))) * time.Microsecond
	h.Size = int(r.Bounded(MaxPartSize))
	h.ChunkSize = int(r.Bounded(MaxChunkSize))
	if !r.OK() || h.ChunkSize < minChunkSize {
		return nil, ErrHeader
	}
	n := ChunkCount(h.Size, h.ChunkSize)
	if n*HashSize > r.Len() {
		return nil, ErrHeader
	}
	h.Hashes = make([][HashSize]byte, n)
	for i := range h.Hashes {
		copy(h.Hashes[i][:], r.Take(HashSize))
	}
	h.Extensions = r.Take(int(r.Bounded(MaxHeaderSize)))
	if !r.OK() || r.Len() != ed25519.SignatureSize {
		return nil, ErrHeader
	}
	if _, err := ParseStreamID(string(h.Stream)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	return h, nil
}
