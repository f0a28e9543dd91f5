package peerwire

import (
	"errors"
	"fmt"

	"github.com/quic-go/quic-go/quicvarint"

	"starling/internal/fields"
	"starling/internal/media"
)

// ErrFrame reports a truncated frame or a field out of range. The answer to it
// is BYE(protocol) and close.
var ErrFrame = errors.New("malformed peer frame")

// Append encodes f behind dst. It allocates only when dst is too small. The
// caller keeps the fields within their limits; a longer Bye.Text is cut.
func Append(dst []byte, f Frame) []byte {
	switch f := f.(type) {
	case Hello:
		dst = append(dst, byte(TypeHello))
		dst = quicvarint.Append(dst, f.Version)
		dst = quicvarint.Append(dst, f.Features)
		dst = appendString(dst, f.ID)
		return appendString(dst, string(f.Stream))
	case Subscribe:
		dst = append(dst, byte(TypeSubscribe))
		dst = quicvarint.Append(dst, uint64(f.Track))
		dst = quicvarint.Append(dst, uint64(f.Slices))
		dst = quicvarint.Append(dst, f.Part.MSN)
		dst = quicvarint.Append(dst, f.Part.Index)
		if f.Flags == 0 { // what version 1 began with
			return dst
		}
		dst = quicvarint.Append(dst, uint64(f.Flags))
		if f.Flags&Ends == 0 {
			return dst
		}
		dst = quicvarint.Append(dst, f.Until.MSN)
		return quicvarint.Append(dst, f.Until.Index)
	case Unsubscribe:
		dst = append(dst, byte(TypeUnsubscribe))
		dst = quicvarint.Append(dst, uint64(f.Track))
		return quicvarint.Append(dst, uint64(f.Slices))
	case Header:
		return append(append(dst, byte(TypeHeader)), f.Raw...)
	case Chunk:
		return append(AppendChunkPrefix(dst, f.Track, f.Part, f.Index), f.Data...)
	case Have:
		dst = appendPart(append(dst, byte(TypeHave)), f.Track, f.Part)
		dst = quicvarint.Append(dst, uint64(f.Chunks))
		return append(dst, f.Bitmap[:bitmapLen(f.Chunks)]...)
	case Request:
		dst = appendRange(append(dst, byte(TypeRequest)), f.Range)
		return quicvarint.Append(dst, uint64(f.DeadlineMS))
	case Cancel:
		return appendRange(append(dst, byte(TypeCancel)), f.Range)
	case Refuse:
		dst = quicvarint.Append(append(dst, byte(TypeRefuse)), uint64(f.Reason))
		return appendRange(dst, f.Range)
	case Ping:
		return append(append(dst, byte(TypePing)), f.Token[:]...)
	case Pong:
		return append(append(dst, byte(TypePong)), f.Token[:]...)
	case Bye:
		dst = quicvarint.Append(append(dst, byte(TypeBye)), uint64(f.Reason))
		return appendString(dst, f.Text[:min(len(f.Text), MaxTextLen)])
	case Want:
		return appendPart(append(dst, byte(TypeWant)), f.Track, f.Part)
	case Unknown:
		return append(dst, byte(f.Code))
	}
	return dst
}

// AppendChunkPrefix encodes a CHUNK up to its data, for senders that keep the
// data elsewhere.
func AppendChunkPrefix(dst []byte, track uint8, part media.PartID, index int) []byte {
	dst = appendPart(append(dst, byte(TypeChunk)), track, part)
	return quicvarint.Append(dst, uint64(index))
}

func appendString(dst []byte, s string) []byte {
	return append(quicvarint.Append(dst, uint64(len(s))), s...)
}

func appendPart(dst []byte, track uint8, part media.PartID) []byte {
	dst = quicvarint.Append(dst, uint64(track))
	dst = quicvarint.Append(dst, part.MSN)
	return quicvarint.Append(dst, part.Index)
}

func appendRange(dst []byte, r Range) []byte {
	dst = appendPart(dst, r.Track, r.Part)
	dst = quicvarint.Append(dst, uint64(r.First))
	return quicvarint.Append(dst, uint64(r.Count))
}

func bitmapLen(chunks int) int { return (chunks + 7) / 8 }

// Parse decodes one frame. Bytes after the last field are ignored and an
// unknown type gives Unknown, so that later versions can add to both. Byte
// slices of the result alias b.
func Parse(b []byte) (Frame, error) {
	if len(b) == 0 || len(b) > MaxFrameSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrFrame, len(b))
	}
	r := reader{fields.New(b[1:])}
	var f Frame
	switch t := Type(b[0]); t {
	case TypeHello:
		f = Hello{Version: r.Varint(), Features: r.Varint(), ID: r.str(MaxIDLen), Stream: media.StreamID(r.str(MaxStreamLen))}
	case TypeSubscribe:
		s := Subscribe{Track: r.track(), Slices: r.mask(), Part: r.part()}
		if r.Len() > 0 {
			s.Flags = SubscribeFlags(r.Varint())
		}
		if s.Flags&Ends != 0 {
			s.Until = r.part()
		}
		f = s
	case TypeUnsubscribe:
		f = Unsubscribe{Track: r.track(), Slices: r.mask()}
	case TypeHeader:
		f = Header{Raw: r.rest(media.MaxHeaderSize)}
	case TypeChunk:
		f = Chunk{Track: r.track(), Part: r.part(), Index: r.Bounded(MaxChunks - 1), Data: r.rest(media.MaxChunkSize)}
	case TypeHave:
		h := Have{Track: r.track(), Part: r.part(), Chunks: r.Bounded(MaxChunks)}
		h.Bitmap = r.Take(bitmapLen(h.Chunks))
		f = h
	case TypeRequest:
		f = Request{Range: r.chunks(), DeadlineMS: r.Bounded(MaxDeadlineMS)}
	case TypeCancel:
		f = Cancel{Range: r.chunks()}
	case TypeRefuse:
		// Count is a slice mask when a whole SUBSCRIBE is refused, so it may
		// be larger than a count of chunks.
		f = Refuse{Reason: r.reason(), Range: Range{Track: r.track(), Part: r.part(), First: r.Bounded(MaxChunks - 1), Count: r.Bounded(1<<MaxSlices - 1)}}
	case TypePing:
		f = Ping{Token: r.token()}
	case TypePong:
		f = Pong{Token: r.token()}
	case TypeBye:
		f = Bye{Reason: r.reason(), Text: r.str(MaxTextLen)}
	case TypeWant:
		f = Want{Track: r.track(), Part: r.part()}
	default:
		return Unknown{Code: t}, nil
	}
	if !r.OK() {
		return nil, fmt.Errorf("%w: type %#02x, %d bytes", ErrFrame, b[0], len(b))
	}
	return f, nil
}

// reader reads the fields that several frames share.
type reader struct{ fields.Reader }

func (r *reader) rest(limit int) []byte {
	if r.Len() == 0 || r.Len() > limit {
		r.Fail()
	}
	return r.Take(r.Len())
}

func (r *reader) str(limit int) string { return string(r.Bytes(limit)) }
func (r *reader) track() uint8         { return uint8(r.Bounded(255)) }
func (r *reader) reason() Reason       { return Reason(r.Bounded(255)) }
func (r *reader) mask() SliceMask      { return SliceMask(r.Bounded(1<<MaxSlices - 1)) }
func (r *reader) part() media.PartID   { return media.PartID{MSN: r.Varint(), Index: r.Varint()} }
func (r *reader) token() (out [8]byte) { copy(out[:], r.Take(8)); return out }

func (r *reader) chunks() Range {
	g := Range{Track: r.track(), Part: r.part(), First: r.Bounded(MaxChunks - 1), Count: r.Bounded(MaxChunks)}
	if g.Count == 0 || g.First+g.Count > MaxChunks {
		r.Fail()
	}
	return g
}
