package relaywire

import (
	"bufio"
	"fmt"
	"io"

	"starling/internal/media"
)

// Types of streams other than the control stream.
const (
	StreamTypeSegment = 0x20 // unidirectional, upstream to downstream
	StreamTypeFetch   = 0x30 // bidirectional, opened by the downstream
)

// readerSize holds a part header of a usual part, so that header and payload
// cost one read each; larger payload reads pass by the buffer.
const readerSize = 1 << 10

// Segment is the head of a segment stream.
type Segment struct {
	Subscription uint64
	MSN          uint64
}

// Fetch asks for parts [First, Last] of one segment.
type Fetch struct {
	Stream media.StreamID
	Track  string
	MSN    uint64
	First  uint64
	Last   uint64 // inclusive; MaxVarint for the last of the segment
}

// NewReader wraps a stream for the Read functions and for NewPartReader.
func NewReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, readerSize) }

// ReadStreamType reads the type that begins every stream but the control stream.
func ReadStreamType(r *bufio.Reader) (uint64, error) { return readVarint(r) }

// AppendSegment encodes the type and head of a segment stream.
func AppendSegment(dst []byte, s Segment) []byte {
	dst = appendVarint(dst, StreamTypeSegment)
	return appendVarint(appendVarint(dst, s.Subscription), s.MSN)
}

// ReadSegment reads the head of a segment stream after its type.
func ReadSegment(r *bufio.Reader) (s Segment, err error) {
	if s.Subscription, err = readVarint(r); err != nil {
		return s, err
	}
	s.MSN, err = readVarint(r)
	return s, err
}

// AppendFetch encodes a FETCH request with its stream type.
func AppendFetch(dst []byte, f Fetch) []byte {
	dst = appendVarint(dst, StreamTypeFetch)
	dst = appendString(appendString(dst, f.Stream), f.Track)
	return appendVarint(appendVarint(appendVarint(dst, f.MSN), f.First), f.Last)
}

// ReadFetch reads a FETCH request after its stream type.
func ReadFetch(r *bufio.Reader) (f Fetch, err error) {
	stream, err := readString(r)
	if err != nil {
		return f, err
	}
	if f.Stream, err = media.ParseStreamID(stream); err != nil {
		return f, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if f.Track, err = readString(r); err != nil {
		return f, err
	}
	if !media.ValidName(f.Track) {
		return f, fmt.Errorf("%w: track: %w", ErrMalformed, media.ErrName)
	}
	for _, v := range []*uint64{&f.MSN, &f.First, &f.Last} {
		if *v, err = readVarint(r); err != nil {
			return f, err
		}
	}
	if f.First > f.Last {
		return f, fmt.Errorf("%w: FETCH of parts %d to %d", ErrMalformed, f.First, f.Last)
	}
	return f, nil
}

func readString(r *bufio.Reader) (string, error) {
	n, err := readVarint(r)
	if err != nil {
		return "", err
	}
	if n > MaxReason {
		return "", fmt.Errorf("%w: name of %d bytes", ErrTooLarge, n)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), unexpected(err)
}

// AppendFetchCode encodes the code that begins a FETCH answer.
func AppendFetchCode(dst []byte, c FetchCode) []byte { return appendVarint(dst, uint64(c)) }

// ReadFetchCode reads the code that begins a FETCH answer.
func ReadFetchCode(r *bufio.Reader) (FetchCode, error) {
	c, err := readVarint(r)
	return FetchCode(c), err
}

// AppendPartHeader encodes what goes before a part's payload.
func AppendPartHeader(dst, raw []byte) []byte {
	return append(appendVarint(dst, uint64(len(raw))), raw...)
}

// PartReader reads the parts of a segment stream or FETCH answer as their
// bytes arrive: Header, then Payload with the size that the header gives, then
// Read until io.EOF, and so on.
type PartReader struct {
	r    *bufio.Reader
	left int // payload bytes of the current part not read yet
}

// NewPartReader reads parts from r, after the head or code.
func NewPartReader(r *bufio.Reader) *PartReader { return &PartReader{r: r} }

// Header skips what is left of the current payload and reads the next part
// header, unverified. It returns io.EOF after the last part.
func (p *PartReader) Header() ([]byte, error) {
	if err := p.Skip(p.left); err != nil {
		return nil, err
	}
	if _, err := p.r.Peek(1); err != nil {
		return nil, err
	}
	n, err := readVarint(p.r)
	if err != nil {
		return nil, err
	}
	if n > media.MaxHeaderSize {
		return nil, fmt.Errorf("%w: part header of %d bytes", ErrTooLarge, n)
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(p.r, raw); err != nil {
		return nil, unexpected(err)
	}
	return raw, nil
}

// Payload tells the size of the payload that follows the header just read.
func (p *PartReader) Payload(size int) { p.left = size }

// Left is the number of payload bytes of the current part not read yet.
func (p *PartReader) Left() int { return p.left }

// Read gives payload bytes as soon as there are any, and io.EOF at the end of
// the part.
func (p *PartReader) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n, err := p.r.Read(b[:min(len(b), p.left)])
	p.left -= n
	if p.left > 0 {
		err = unexpected(err)
	} else if err == io.EOF {
		err = nil // the end of the stream is the next Header's to report
	}
	return n, err
}

// Skip discards n payload bytes.
func (p *PartReader) Skip(n int) error {
	if n > p.left {
		return fmt.Errorf("%w: skip of %d bytes with %d left", ErrMalformed, n, p.left)
	}
	done, err := p.r.Discard(n)
	p.left -= done
	return unexpected(err)
}
