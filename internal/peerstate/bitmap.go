package peerstate

import "math/bits"

// Bitmap is a set of chunk numbers of one part. Its bytes are in the order of
// the HAVE frame: bit i of byte i/8, least significant first, is chunk i.
type Bitmap struct {
	b     []byte
	n     int
	count int
}

// NewBitmap makes an empty set over n chunks.
func NewBitmap(n int) Bitmap { return Bitmap{b: make([]byte, (n+7)/8), n: n} }

// BitmapOf copies the bitmap of a HAVE frame; bits beyond n are dropped.
func BitmapOf(n int, raw []byte) Bitmap {
	m := NewBitmap(n)
	copy(m.b, raw)
	if extra := n % 8; extra != 0 {
		m.b[n/8] &= 1<<extra - 1
	}
	for _, x := range m.b {
		m.count += bits.OnesCount8(x)
	}
	return m
}

// Len is the number of chunks that the set ranges over.
func (m *Bitmap) Len() int { return m.n }

// Count is the number of chunks in the set.
func (m *Bitmap) Count() int { return m.count }

// Full reports whether every chunk is in the set.
func (m *Bitmap) Full() bool { return m.count == m.n }

// Has reports whether chunk i is in the set.
func (m *Bitmap) Has(i int) bool { return i >= 0 && i < m.n && m.b[i/8]>>(i%8)&1 == 1 }

// Set adds chunk i and reports whether it is new.
func (m *Bitmap) Set(i int) bool {
	if i < 0 || i >= m.n || m.Has(i) {
		return false
	}
	m.b[i/8] |= 1 << (i % 8)
	m.count++
	return true
}

// HasRange reports whether all of [first, end) is in the set.
func (m *Bitmap) HasRange(first, end int) bool {
	for i := first; i < end; i++ {
		if !m.Has(i) {
			return false
		}
	}
	return true
}

// Bytes is the bitmap of a HAVE frame. It must not be modified.
func (m *Bitmap) Bytes() []byte { return m.b }
