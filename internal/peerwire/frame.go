// Package peerwire encodes and decodes the frames of the peer protocol
// (docs/peer.md), spoken between viewers over data channels and between a
// viewer and an edge over a WebSocket. It does no I/O and starts no goroutine.
package peerwire

import (
	"fmt"
	"math/bits"

	"starling/internal/media"
)

// Version is the protocol version sent in HELLO.
const Version = 1

// Limits of the format. A field beyond its limit is a protocol error.
const (
	// MaxFrameSize holds the largest part header and the largest chunk with
	// room for fields of later versions.
	MaxFrameSize = 32 << 10
	// MaxSlices bounds a slice mask; a track has at most 8 slices today.
	MaxSlices = 16
	// MaxChunks is the most chunks a part can have: the largest part cut into
	// the smallest chunks of the part header format.
	MaxChunks = media.MaxPartSize >> 10
	// MaxIDLen bounds a viewer id.
	MaxIDLen = 64
	// MaxStreamLen is "app/name" with both components at their longest.
	MaxStreamLen = 129
	// MaxTextLen bounds the text of a BYE.
	MaxTextLen = 256
	// MaxDeadlineMS bounds the deadline of a REQUEST: nothing live is wanted
	// for longer.
	MaxDeadlineMS = 60_000
)

// Subprotocol is the WebSocket subprotocol of the feed.
const Subprotocol = "starling-peer.1"

// EdgeID is the id that an edge gives in its HELLO on the feed.
const EdgeID = "edge"

// Labels and ids of the two negotiated data channels.
const (
	ControlLabel = "control" // ordered, reliable: every frame but CHUNK
	ControlID    = 0
	ChunksLabel  = "chunks" // unordered, reliable: CHUNK
	ChunksID     = 1
)

// Type is the first byte of a frame.
type Type uint8

// The types of frame.
const (
	TypeHello       Type = 0x01
	TypeSubscribe   Type = 0x02
	TypeUnsubscribe Type = 0x03
	TypeHeader      Type = 0x04
	TypeChunk       Type = 0x05
	TypeHave        Type = 0x06
	TypeRequest     Type = 0x07
	TypeCancel      Type = 0x08
	TypeRefuse      Type = 0x09
	TypePing        Type = 0x0a
	TypePong        Type = 0x0b
	TypeBye         Type = 0x0c
	TypeWant        Type = 0x0d
)

// Reason says why a REFUSE or BYE was sent. Unknown values are kept.
type Reason uint8

// The reasons of docs/peer.md.
const (
	ReasonNone        Reason = 0
	ReasonBusy        Reason = 1 // no upload capacity
	ReasonAbsent      Reason = 2 // does not have it
	ReasonLate        Reason = 3 // cannot make the deadline
	ReasonProtocol    Reason = 4 // a frame broke the format or the rules
	ReasonBadData     Reason = 5 // a chunk or header failed verification
	ReasonVersion     Reason = 6
	ReasonWrongStream Reason = 7
	ReasonLeaving     Reason = 8
	ReasonBanned      Reason = 9
)

// String names the reason for logs and metrics.
func (r Reason) String() string {
	names := [...]string{"none", "busy", "absent", "late", "protocol", "bad-data", "version", "wrong-stream", "leaving", "banned"}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("reason-%d", uint8(r))
}

// SliceMask is a set of slices: bit s is slice s.
type SliceMask uint16

// AllSlices is the mask of a track with k slices.
func AllSlices(k int) SliceMask { return SliceMask(1<<min(max(k, 0), MaxSlices) - 1) }

// Has reports whether slice s is in the mask.
func (m SliceMask) Has(s int) bool { return s >= 0 && s < MaxSlices && m&(1<<s) != 0 }

// With is the mask with slice s added.
func (m SliceMask) With(s int) SliceMask { return m | 1<<s }

// Count is the number of slices in the mask.
func (m SliceMask) Count() int { return bits.OnesCount16(uint16(m)) }

// Frame is one message of the protocol: one of the structs of this package,
// by value.
type Frame interface{ Type() Type }

// Hello is the first frame of both sides.
type Hello struct {
	Version  uint64
	Features uint64 // bits of optional abilities; none is defined yet
	ID       string // the tracker's viewer id, or EdgeID
	Stream   media.StreamID
}

// Subscribe asks for slices of a track to be pushed, with the headers, from
// Part on. MSN 0 means from the next part.
type Subscribe struct {
	Track  uint8
	Slices SliceMask
	Part   media.PartID
	Flags  SubscribeFlags // left out on the wire when 0
	Until  media.PartID   // with Ends: the first part that is not wanted any more
}

// SubscribeFlags are options of a Subscribe; they hold for the whole track
// until the next one. Unknown bits are kept and mean nothing.
type SubscribeFlags uint64

// NoHeaders asks for the chunks alone: the headers come from another parent.
const NoHeaders SubscribeFlags = 1

// Ends says that Until is there: the slices are wanted of the parts before it
// alone, as the feed of a viewer is that waits for its parents. The headers go
// on. Bit 1 is left unused.
const Ends SubscribeFlags = 4

// Unsubscribe ends the pushing of slices.
type Unsubscribe struct {
	Track  uint8
	Slices SliceMask
}

// Header carries a signed part header. Raw aliases the parsed buffer.
type Header struct{ Raw []byte }

// Chunk carries one chunk. Data aliases the parsed buffer.
type Chunk struct {
	Track uint8
	Part  media.PartID
	Index int // of the chunk in its part
	Data  []byte
}

// Have tells which chunks of a part the sender holds. Bitmap aliases the
// parsed buffer; bits at Chunks and beyond mean nothing.
type Have struct {
	Track  uint8
	Part   media.PartID
	Chunks int
	Bitmap []byte
}

// Has reports whether the bit of chunk i is set.
func (h *Have) Has(i int) bool {
	return i >= 0 && i < h.Chunks && i/8 < len(h.Bitmap) && h.Bitmap[i/8]>>(i%8)&1 == 1
}

// Range is a run of chunks of a part: [First, First+Count).
type Range struct {
	Track uint8
	Part  media.PartID
	First int
	Count int
}

// Request asks for a range of chunks.
type Request struct {
	Range
	DeadlineMS int // milliseconds from now, after which it is useless
}

// Cancel withdraws a Request.
type Cancel struct{ Range }

// Refuse says that a range will not be sent. For a whole SUBSCRIBE the part
// and First are 0 and Count is the slice mask.
type Refuse struct {
	Reason Reason
	Range
}

// RefuseSubscribe builds the REFUSE of a SUBSCRIBE.
func RefuseSubscribe(why Reason, track uint8, slices SliceMask) Refuse {
	return Refuse{Reason: why, Range: Range{Track: track, Count: int(slices)}}
}

// Subscription gives the slices when the REFUSE is of a SUBSCRIBE.
func (r *Refuse) Subscription() (SliceMask, bool) {
	if r.Part != (media.PartID{}) || r.First != 0 {
		return 0, false
	}
	return SliceMask(r.Count), true
}

// Want asks for the header of a part, which a NoHeaders subscription left out.
type Want struct {
	Track uint8
	Part  media.PartID
}

// Ping asks for a Pong with the same token.
type Ping struct{ Token [8]byte }

// Pong answers a Ping.
type Pong struct{ Token [8]byte }

// Bye announces that the sender closes.
type Bye struct {
	Reason Reason
	Text   string // for logs, at most MaxTextLen bytes
}

// Unknown stands for a frame of a later version: it is ignored.
type Unknown struct{ Code Type }

// Type gives the type byte of the frame.
func (Hello) Type() Type       { return TypeHello }
func (Subscribe) Type() Type   { return TypeSubscribe }
func (Unsubscribe) Type() Type { return TypeUnsubscribe }
func (Header) Type() Type      { return TypeHeader }
func (Chunk) Type() Type       { return TypeChunk }
func (Have) Type() Type        { return TypeHave }
func (Request) Type() Type     { return TypeRequest }
func (Cancel) Type() Type      { return TypeCancel }
func (Refuse) Type() Type      { return TypeRefuse }
func (Ping) Type() Type        { return TypePing }
func (Pong) Type() Type        { return TypePong }
func (Bye) Type() Type         { return TypeBye }
func (Want) Type() Type        { return TypeWant }
func (u Unknown) Type() Type   { return u.Code }
