package relay

import (
	"bytes"
	"context"
	"errors"
	"os"
	"time"

	"github.com/quic-go/quic-go"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

// lagCheck is how often a segment stream is checked for being too far behind.
const lagCheck = 250 * time.Millisecond

var errLag = errors.New("downstream is too far behind")

// segmentOut is an open segment stream.
type segmentOut struct {
	str    *quic.SendStream
	msn    uint64
	newest uint64 // newest segment of the window when the stream was opened
	opened time.Time

	// The part being sent, kept when its publisher aborts it.
	id   media.PartID
	raw  []byte // nil between parts
	sent int    // payload bytes
}

// send writes a part as its bytes arrive.
func (p *push) send(ctx context.Context, part *store.Part) error {
	id := part.ID()
	if o := p.out; o != nil && (o.msn != id.MSN || o.raw != nil && (o.id != id || !bytes.Equal(o.raw, part.Raw))) {
		p.endSegment(relaywire.StreamAbandoned)
	}
	if p.out == nil {
		if err := p.openSegment(ctx, id.MSN); err != nil {
			return err
		}
	}
	o := p.out
	if o.raw == nil {
		o.id, o.raw, o.sent = id, part.Raw, 0
		if err := p.write(relaywire.AppendPartHeader(nil, part.Raw)); err != nil {
			return err
		}
	}
	readable := time.Now()
	for o.sent < part.Header.Size {
		b, err := part.Wait(ctx, o.sent)
		if err != nil {
			return err
		}
		if len(b) == part.Header.Size {
			readable = time.Now()
		}
		if err := p.write(b[o.sent:]); err != nil {
			return err
		}
		o.sent = len(b)
	}
	o.raw = nil
	m := p.sess.srv.m
	m.forward.Observe(time.Since(readable).Seconds())
	m.parts.Inc()
	m.bytes.WithLabelValues("live").Add(float64(len(part.Raw) + part.Header.Size))
	return nil
}

func (p *push) openSegment(ctx context.Context, msn uint64) error {
	str, err := p.sess.conn.OpenUniStreamSync(ctx)
	if err != nil {
		return err
	}
	urgency := int8(urgencyVideo)
	if t, ok := p.stream.Info().Track(p.req.Track); ok && t.Kind == media.Audio {
		urgency = urgencyAudio
	}
	str.SetPriority(urgency, true)
	if err := str.SetWriteDeadline(time.Now().Add(lagCheck)); err != nil {
		return err
	}
	p.out = &segmentOut{str: str, msn: msn, newest: msn, opened: time.Now()}
	if last, ok := p.track.Snapshot().Last(); ok {
		p.out.newest = max(msn, last.ID().MSN)
	}
	return p.write(relaywire.AppendSegment(nil, relaywire.Segment{Subscription: p.req.ID, MSN: msn}))
}

// write hands b to QUIC. QUIC buffers less than a packet, so a slow downstream
// holds no memory here but the part in hand; the write deadline exists only to
// look at the lag, and is renewed when it passes.
func (p *push) write(b []byte) error {
	for {
		n, err := p.out.str.Write(b)
		if b = b[n:]; !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if p.lagging() {
			return errLag
		}
		if err := p.out.str.SetWriteDeadline(time.Now().Add(lagCheck)); err != nil {
			return err
		}
		if len(b) == 0 {
			return nil
		}
	}
}

// lagging reports whether too many segments began since the stream was opened.
// Their time must have passed too: after an outage further up many segments
// come at once.
func (p *push) lagging() bool {
	allowed := time.Duration(p.sess.srv.cfg.MaxLag*p.stream.Info().SegmentMS) * time.Millisecond
	if time.Since(p.out.opened) < allowed {
		return false
	}
	segs := p.track.Snapshot().Segments
	behind := 0
	for i := len(segs) - 1; i >= 0 && segs[i].MSN > p.out.newest; i-- {
		behind++
	}
	return behind > p.sess.srv.cfg.MaxLag
}

// endSegment closes the open segment stream: with FIN after a whole part, or
// by a reset with code.
func (p *push) endSegment(code relaywire.StreamCode) {
	o := p.out
	if o == nil {
		return
	}
	p.out = nil
	if o.raw == nil && code == relaywire.StreamAbandoned {
		if err := o.str.Close(); err == nil {
			return
		}
	}
	o.str.CancelWrite(quic.StreamErrorCode(code))
	if code == relaywire.StreamAbandoned {
		p.sess.srv.m.abandoned.Inc()
	}
}
