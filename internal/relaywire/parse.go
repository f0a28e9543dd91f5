package relaywire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/quic-go/quic-go/quicvarint"

	"starling/internal/fields"
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
	r := reader{fields.New(payload)}
	var f Frame
	switch t {
	case TypeHello:
		h := Hello{Version: r.Varint(), Node: r.name()}
		n := r.Varint()
		if h.Version == 0 || n > MaxHops {
			r.Fail()
		}
		for i := uint64(0); i < n && r.OK(); i++ {
			h.Hops = append(h.Hops, r.name())
		}
		f = h
	case TypeCatalog:
		f = Catalog{JSON: payload}
	case TypeGone:
		f = Gone{Stream: r.stream()}
	case TypeSubscribe:
		f = Subscribe{ID: r.Varint(), Stream: r.stream(), Track: r.name(), From: r.id()}
	case TypeUnsubscribe:
		f = Unsubscribe{ID: r.Varint()}
	case TypeSubscribeOK:
		f = SubscribeOK{ID: r.Varint()}
	case TypeSubscribeError:
		f = SubscribeError{ID: r.Varint(), Code: SubscribeCode(r.Varint()), Reason: string(r.Bytes(MaxReason))}
	case TypePing:
		f = Ping{Token: r.token()}
	case TypePong:
		f = Pong{Token: r.token()}
	case TypeDrain:
		f = Drain{In: time.Duration(min(r.Varint(), math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond}
	case TypeSynced:
		f = Synced{}
	case TypeTrackEnd:
		f = TrackEnd{ID: r.Varint(), Last: r.id()}
	default:
		return nil, fmt.Errorf("%w: unknown type %#x", ErrMalformed, uint64(t))
	}
	if !r.OK() {
		return nil, fmt.Errorf("%w: type %#x, %d bytes", ErrMalformed, uint64(t), len(payload))
	}
	return f, nil
}

// reader reads the fields that several frames share.
type reader struct{ fields.Reader }

func (r *reader) name() string {
	s := string(r.Bytes(MaxReason))
	if !media.ValidName(s) {
		r.Fail()
	}
	return s
}

func (r *reader) stream() media.StreamID {
	id, err := media.ParseStreamID(string(r.Bytes(MaxReason)))
	if err != nil {
		r.Fail()
	}
	return id
}

func (r *reader) id() media.PartID { return media.PartID{MSN: r.Varint(), Index: r.Varint()} }

func (r *reader) token() (t [8]byte) {
	copy(t[:], r.Take(8))
	return t
}
