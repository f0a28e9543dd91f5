package relaywire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/quic-go/quic-go/quicvarint"

	"starling/internal/media"
)

// ReadFrame reads the next control frame of a known type; frames of unknown
// types are skipped, so that a newer peer can be understood. io.EOF is
// returned only between frames.
func ReadFrame(r *bufio.Reader) (Frame, error) {
	for {
		if _, err := r.Peek(1); err != nil {
			return nil, err // io.EOF before the first byte is a clean end
		}
		typ, err := readVarint(r)
		if err != nil {
			return nil, err
		}
		n, err := readVarint(r)
		if err != nil {
			return nil, err
		}
		if n > MaxPayload {
			return nil, fmt.Errorf("%w: type %#x with %d bytes", ErrTooLarge, typ, n)
		}
		if !known(Type(typ)) {
			if _, err := r.Discard(int(n)); err != nil {
				return nil, unexpected(err)
			}
			continue
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(r, payload); err != nil {
			return nil, unexpected(err)
		}
		return Parse(Type(typ), payload)
	}
}

// unexpected turns an end inside a frame into io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func readVarint(r *bufio.Reader) (uint64, error) {
	v, err := quicvarint.Read(r)
	return v, unexpected(err)
}

func known(t Type) bool { return t >= TypeHello && t <= TypeTrackEnd }

// Parse decodes the payload of a control frame. Trailing bytes are ignored;
// an unknown type is ErrMalformed. A Catalog aliases payload.
func Parse(t Type, payload []byte) (Frame, error) {
	r := fields{b: payload}
	var f Frame
	switch t {
	case TypeHello:
		h := Hello{Version: r.varint(), Node: r.name()}
		n := r.varint()
		if h.Version == 0 || n > MaxHops {
			r.failed = true
		}
		for i := uint64(0); i < n && !r.failed; i++ {
			h.Hops = append(h.Hops, r.name())
		}
		f = h
	case TypeCatalog:
		f = Catalog{JSON: payload}
	case TypeGone:
		f = Gone{Stream: r.stream()}
	case TypeSubscribe:
		f = Subscribe{ID: r.varint(), Stream: r.stream(), Track: r.name(), From: r.id()}
	case TypeUnsubscribe:
		f = Unsubscribe{ID: r.varint()}
	case TypeSubscribeOK:
		f = SubscribeOK{ID: r.varint()}
	case TypeSubscribeError:
		f = SubscribeError{ID: r.varint(), Code: SubscribeCode(r.varint()), Reason: string(r.bytes(MaxReason))}
	case TypePing:
		f = Ping{Token: r.token()}
	case TypePong:
		f = Pong{Token: r.token()}
	case TypeDrain:
		f = Drain{In: time.Duration(min(r.varint(), math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond}
	case TypeSynced:
		f = Synced{}
	case TypeTrackEnd:
		f = TrackEnd{ID: r.varint(), Last: r.id()}
	default:
		return nil, fmt.Errorf("%w: unknown type %#x", ErrMalformed, uint64(t))
	}
	if r.failed {
		return nil, fmt.Errorf("%w: type %#x, %d bytes", ErrMalformed, uint64(t), len(payload))
	}
	return f, nil
}

// fields takes fields off a payload and remembers the first shortfall.
type fields struct {
	b      []byte
	failed bool
}

func (r *fields) varint() uint64 {
	v, n, err := quicvarint.Parse(r.b)
	if r.failed || err != nil {
		r.failed = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *fields) take(n uint64) []byte {
	if r.failed || n > uint64(len(r.b)) {
		r.failed = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *fields) bytes(limit uint64) []byte {
	n := r.varint()
	if n > limit {
		r.failed = true
		return nil
	}
	return r.take(n)
}

func (r *fields) name() string {
	s := string(r.bytes(MaxReason))
	if !media.ValidName(s) {
		r.failed = true
	}
	return s
}

func (r *fields) stream() media.StreamID {
	id, err := media.ParseStreamID(string(r.bytes(MaxReason)))
	if err != nil {
		r.failed = true
	}
	return id
}

func (r *fields) id() media.PartID { return media.PartID{MSN: r.varint(), Index: r.varint()} }

func (r *fields) token() (t [8]byte) {
	copy(t[:], r.take(8))
	return t
}
