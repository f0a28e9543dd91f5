// Package fields takes the fields of a binary message off a buffer. The wire
// formats of Starling (part header, peer and relay frames) are read with it,
// so that a shortfall is handled in one place.
package fields

import "github.com/quic-go/quic-go/quicvarint"

// Reader takes fields off a buffer in order and remembers the first fault:
// after one, every field is zero and OK is false. Go evaluates the calls in a
// composite literal in order, which its users rely on.
type Reader struct {
	b      []byte
	failed bool
}

// New reads from b. Byte fields alias it.
func New(b []byte) Reader { return Reader{b: b} }

// OK reports whether every field so far was there and in range.
func (r *Reader) OK() bool { return !r.failed }

// Fail records a fault that the caller found in a field's value.
func (r *Reader) Fail() { r.failed = true }

// Len is the number of bytes not yet taken.
func (r *Reader) Len() int { return len(r.b) }

// Take takes n bytes.
func (r *Reader) Take(n int) []byte {
	if r.failed || n < 0 || n > len(r.b) {
		r.failed = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if b := r.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// Varint takes a variable-length integer (RFC 9000 section 16).
func (r *Reader) Varint() uint64 {
	v, n, err := quicvarint.Parse(r.b)
	if r.failed || err != nil {
		r.failed = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Bounded takes a varint of at most limit.
func (r *Reader) Bounded(limit int) int {
	v := r.Varint()
	if v > uint64(limit) {
		r.failed = true
		return 0
	}
	return int(v)
}

// Bytes takes a varint length of at most limit, and so many bytes.
func (r *Reader) Bytes(limit int) []byte { return r.Take(r.Bounded(limit)) }
