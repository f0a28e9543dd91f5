package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"starling/internal/media"
)

// ErrAborted ends a part whose sender stopped before its last byte.
var ErrAborted = errors.New("part was aborted before its last byte")

// Part is a part whose bytes may still be arriving. One goroutine writes;
// any number read the filled prefix while it grows.
type Part struct {
	Header *media.Header
	Raw    []byte // signed encoding of Header, immutable

	buf    []byte // len = Header.Size; bytes below filled are immutable
	filled atomic.Int64

	mu   sync.Mutex
	wake chan struct{} // closed and replaced when filled grows or the part ends
	err  error         // why no more bytes will come before Size
}

// NewPart starts an empty part. raw is kept, not copied.
func NewPart(h *media.Header, raw []byte) *Part {
	return &Part{Header: h, Raw: raw, buf: make([]byte, h.Size), wake: make(chan struct{})}
}

// CompletePart makes a part of bytes that are all there. payload is kept.
func CompletePart(h *media.Header, raw, payload []byte) *Part {
	p := &Part{Header: h, Raw: raw, buf: payload, wake: make(chan struct{})}
	p.filled.Store(int64(len(payload)))
	return p
}

// ID is the part's address in its track.
func (p *Part) ID() media.PartID { return p.Header.ID }

// Write appends verified bytes. Only the part's owner calls it.
func (p *Part) Write(b []byte) (int, error) {
	at := int(p.filled.Load())
	if at+len(b) > len(p.buf) {
		return 0, fmt.Errorf("part %s: %d bytes at %d of %d", p.ID(), len(b), at, len(p.buf))
	}
	copy(p.buf[at:], b)
	p.filled.Store(int64(at + len(b)))
	p.signal(nil)
	return len(b), nil
}

// Abort ends a part that will not be completed: its waiters get ErrAborted.
func (p *Part) Abort() { p.signal(ErrAborted) }

func (p *Part) signal(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && !p.Complete() {
		p.err = err
	}
	close(p.wake)
	p.wake = make(chan struct{})
}

// Complete reports whether every byte is there.
func (p *Part) Complete() bool { return int(p.filled.Load()) == len(p.buf) }

// Bytes is the filled prefix. It must not be modified.
func (p *Part) Bytes() []byte { return p.buf[:p.filled.Load()] }

// Wait blocks until more than have bytes are filled, or the part is complete,
// and returns the filled prefix.
func (p *Part) Wait(ctx context.Context, have int) ([]byte, error) {
	for {
		p.mu.Lock()
		wake, err := p.wake, p.err
		p.mu.Unlock()
		if b := p.Bytes(); len(b) > have || len(b) == len(p.buf) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
