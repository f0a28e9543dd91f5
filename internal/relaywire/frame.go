// Package relaywire frames the relay protocol of docs/relay.md: the control
// frames, the head and parts of a segment stream, and FETCH. It encodes and
// decodes only; it opens no connection and starts no goroutine.
package relaywire

import (
	"errors"
	"time"

	"github.com/quic-go/quic-go/quicvarint"

	"starling/internal/media"
)

// Names and limits of the protocol.
const (
	// ALPN names the protocol in the TLS handshake (RFC 7301).
	ALPN = "starling-relay/1"
	// Version is the newest version that this package speaks.
	Version = 1
	// MaxPayload bounds a control frame: a catalog with the initialization
	// sections of a wide ladder is some tens of kilobytes.
	MaxPayload = 1 << 20
	// MaxHops bounds a hop list. A cascade deeper than this adds more delay
	// than any live profile allows.
	MaxHops = 16
	// MaxReason bounds the text of SUBSCRIBE_ERROR in bytes.
	MaxReason = 256
	// MaxVarint is the largest value of a QUIC varint (RFC 9000 section 16);
	// as FETCH's last index it means the last part of the segment.
	MaxVarint = 1<<62 - 1
)

// Type is the type of a control frame.
type Type uint64

// The control frame types.
const (
	TypeHello          Type = 0x01
	TypeCatalog        Type = 0x02
	TypeGone           Type = 0x03
	TypeSubscribe      Type = 0x04
	TypeUnsubscribe    Type = 0x05
	TypeSubscribeOK    Type = 0x06
	TypeSubscribeError Type = 0x07
	TypePing           Type = 0x08
	TypePong           Type = 0x09
	TypeDrain          Type = 0x0a
	TypeSynced         Type = 0x0b
	TypeTrackEnd       Type = 0x0c
)

// Errors of the framing.
var (
	// ErrMalformed reports bytes that are not what the protocol asks for.
	ErrMalformed = errors.New("malformed relay frame")
	// ErrTooLarge reports a length over the protocol's limit.
	ErrTooLarge = errors.New("relay frame is over the size limit")
)

// Frame is a control frame.
type Frame interface {
	// Type is the frame's type on the wire.
	Type() Type
	appendPayload(dst []byte) []byte
}

// Hello opens the control stream in both directions. An upstream sends it
// again when its hop list changes.
type Hello struct {
	Version uint64
	Node    string   // media.ValidName
	Hops    []string // nodes through which this node gets its media, nearest first
}

// Catalog announces a stream or a change of it.
type Catalog struct {
	JSON []byte // media.StreamInfo
}

// Gone withdraws a stream.
type Gone struct {
	Stream media.StreamID
}

// Subscribe asks for every part of a track from one on. MSN 0 means: from the
// oldest of the last Index segments.
type Subscribe struct {
	ID     uint64
	Stream media.StreamID
	Track  string
	From   media.PartID
}

// Unsubscribe ends a subscription.
type Unsubscribe struct{ ID uint64 }

// SubscribeOK accepts a subscription: its parts follow.
type SubscribeOK struct{ ID uint64 }

// SubscribeError refuses a subscription, or ends one that was accepted.
type SubscribeError struct {
	ID     uint64
	Code   SubscribeCode
	Reason string // for the log, at most MaxReason bytes
}

// Ping asks for a Pong with the same token.
type Ping struct{ Token [8]byte }

// Pong answers a Ping.
type Pong struct{ Token [8]byte }

// Drain announces that the upstream stops.
type Drain struct {
	In time.Duration // ms precision
}

// Synced follows the catalogs that are sent after HELLO: what was not
// announced by then is not carried.
type Synced struct{}

// TrackEnd reports that the stream has ended and that Last is the last part
// that the subscription gets, unless the publisher comes back.
type TrackEnd struct {
	ID   uint64
	Last media.PartID // zero when there is none
}

// Type implements Frame.
func (Hello) Type() Type { return TypeHello }

// Type implements Frame.
func (Catalog) Type() Type { return TypeCatalog }

// Type implements Frame.
func (Gone) Type() Type { return TypeGone }

// Type implements Frame.
func (Subscribe) Type() Type { return TypeSubscribe }

// Type implements Frame.
func (Unsubscribe) Type() Type { return TypeUnsubscribe }

// Type implements Frame.
func (SubscribeOK) Type() Type { return TypeSubscribeOK }

// Type implements Frame.
func (SubscribeError) Type() Type { return TypeSubscribeError }

// Type implements Frame.
func (Ping) Type() Type { return TypePing }

// Type implements Frame.
func (Pong) Type() Type { return TypePong }

// Type implements Frame.
func (Drain) Type() Type { return TypeDrain }

// Type implements Frame.
func (Synced) Type() Type { return TypeSynced }

// Type implements Frame.
func (TrackEnd) Type() Type { return TypeTrackEnd }

// Append encodes f at the end of dst.
func Append(dst []byte, f Frame) []byte {
	payload := f.appendPayload(nil)
	dst = quicvarint.Append(dst, uint64(f.Type()))
	dst = quicvarint.Append(dst, uint64(len(payload)))
	return append(dst, payload...)
}

// appendVarint clamps: quicvarint panics beyond 2^62-1.
func appendVarint(b []byte, v uint64) []byte { return quicvarint.Append(b, min(v, MaxVarint)) }

func appendString[S ~string](b []byte, s S) []byte {
	b = appendVarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendID(b []byte, id media.PartID) []byte {
	return appendVarint(appendVarint(b, id.MSN), id.Index)
}

func (f Hello) appendPayload(b []byte) []byte {
	b = appendString(appendVarint(b, f.Version), f.Node)
	b = appendVarint(b, uint64(len(f.Hops)))
	for _, h := range f.Hops {
		b = appendString(b, h)
	}
	return b
}

func (f Catalog) appendPayload(b []byte) []byte { return append(b, f.JSON...) }

func (f Gone) appendPayload(b []byte) []byte { return appendString(b, f.Stream) }

func (f Subscribe) appendPayload(b []byte) []byte {
	b = appendString(appendString(appendVarint(b, f.ID), f.Stream), f.Track)
	return appendID(b, f.From)
}

func (f Unsubscribe) appendPayload(b []byte) []byte { return appendVarint(b, f.ID) }

func (f SubscribeOK) appendPayload(b []byte) []byte { return appendVarint(b, f.ID) }

func (f SubscribeError) appendPayload(b []byte) []byte {
	b = appendVarint(appendVarint(b, f.ID), uint64(f.Code))
	return appendString(b, f.Reason[:min(len(f.Reason), MaxReason)])
}

func (f Ping) appendPayload(b []byte) []byte { return append(b, f.Token[:]...) }

func (f Pong) appendPayload(b []byte) []byte { return append(b, f.Token[:]...) }

func (f Drain) appendPayload(b []byte) []byte {
	return appendVarint(b, uint64(max(f.In.Milliseconds(), 0)))
}

func (Synced) appendPayload(b []byte) []byte { return b }

func (f TrackEnd) appendPayload(b []byte) []byte { return appendID(appendVarint(b, f.ID), f.Last) }
