package relay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

// catalogWait bounds how long a part waits for the catalog that describes it:
// the two travel on different streams.
const catalogWait = 300 * time.Millisecond

const (
	// badPerSession failures at one part end the session: the upstream was
	// asked for it three times.
	badPerSession = 3
	// badForever failures show that the part is bad at its source, and it is
	// passed over, so that one bad part cannot end session after session.
	badForever = 5
)

// source says where parts come from.
type source struct {
	sess *clientSession
	msn  uint64
	live bool // a segment stream, not a FETCH
}

func (s source) kind() string {
	if s.live {
		return "live"
	}
	return "fetch"
}

// readParts takes parts from r into the track until the stream ends.
func (s *subscription) readParts(r *relaywire.PartReader, src source) error {
	for {
		raw, err := r.Header()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		h, err := s.verifyHeader(raw, src.msn)
		if err != nil {
			// The size is not to be trusted either, so the stream is of no
			// more use.
			want, _ := s.wanted()
			s.failed(src.sess, "header", want, err)
			return fmt.Errorf("%w: %w", errVerify, err)
		}
		r.Payload(h.Size)
		if err := s.take(r, src, h, raw); err != nil {
			return err
		}
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
	}
}

// verifyHeader checks a header against the catalog and the place where it came.
func (s *subscription) verifyHeader(raw []byte, msn uint64) (*media.Header, error) {
	deadline := time.NewTimer(catalogWait)
	defer deadline.Stop()
	for {
		changed := s.stream.Changed()
		info := s.stream.Info()
		h, err := media.VerifyHeader(raw, info.Key)
		t, known := info.Track(s.key.track)
		switch {
		case errors.Is(err, media.ErrHeader):
			return nil, err
		case err == nil && (h.Stream != s.key.stream || h.ID.MSN != msn || known && h.Track != t.Number):
			return nil, fmt.Errorf("%w: %s track %d part %s where %s %s segment %d belongs", media.ErrHeader, h.Stream, h.Track, h.ID, s.key.stream, s.key.track, msn)
		case err == nil && known:
			if _, ok := t.Init(h.Init); ok || h.Flags.Has(media.FlagGap) {
				return h, nil
			}
		}
		// A new key or initialization section may be on its way.
		select {
		case <-changed:
			continue
		case <-deadline.C:
		case <-s.ctx.Done():
		}
		if err == nil {
			err = fmt.Errorf("%w: initialization section %d is not in the catalog", media.ErrHeader, h.Init)
		}
		return nil, err
	}
}

// take places one part: repeated ones are skipped, a gap before it is repaired.
func (s *subscription) take(r *relaywire.PartReader, src source, h *media.Header, raw []byte) error {
	want, known := s.wanted()
	if known && !src.live && h.ID.Compare(want) > 0 {
		return fmt.Errorf("answer skips to part %s: %w", h.ID, ErrGone)
	}
	if known && h.ID.Compare(want) > 0 {
		if err := s.repair(src.sess, want, h.ID); err != nil {
			return err
		}
		want, known = s.wanted()
	}
	if known && h.ID.Compare(want) < 0 {
		s.c.m.duplicates.Add(float64(h.Size))
		return nil // Header skips the payload
	}
	part := s.begin(h, raw)
	if part == nil {
		return nil
	}
	err := s.fill(r, part)
	if errors.Is(err, media.ErrChunk) {
		s.failed(src.sess, "chunk", h.ID, err)
		if src.live {
			err = s.fetchInto(src.sess, h.ID.MSN, h.ID.Index, h.ID.Index)
		}
		if err != nil || s.growing == part {
			return fmt.Errorf("%w: part %s: %w", errVerify, h.ID, errors.Join(err, store.ErrAborted))
		}
		return nil
	}
	if err != nil {
		return err
	}
	s.c.m.bytes.WithLabelValues(src.kind()).Add(float64(len(raw) + h.Size))
	return nil
}

// begin announces the part to this node's readers, or goes on with it when it
// had begun before.
func (s *subscription) begin(h *media.Header, raw []byte) *store.Part {
	if p := s.growing; p != nil {
		if p.ID() == h.ID && bytes.Equal(p.Raw, raw) {
			return p
		}
		s.abandon()
	}
	p := store.NewPart(h, raw)
	if err := s.track.Begin(p); err != nil {
		s.c.log.Debug("part does not fit", "stream", s.key.stream, "track", s.key.track, "err", err)
		return nil
	}
	s.growing = p
	return p
}

// fill reads what p lacks, chunk by chunk: each is readable as soon as it is
// verified.
func (s *subscription) fill(r *relaywire.PartReader, p *store.Part) error {
	h := p.Header
	have := len(p.Bytes()) // whole chunks
	if have > 0 {
		s.c.m.duplicates.Add(float64(have))
		if err := r.Skip(have); err != nil {
			return err
		}
	}
	for i := have / h.ChunkSize; i < h.Chunks(); i++ {
		from, to := h.ChunkRange(i)
		buf := p.Reserve(to - from)
		s.hurry()
		if _, err := io.ReadFull(r, buf); err != nil {
			return err
		}
		if err := h.VerifyChunk(i, buf); err != nil {
			return err
		}
		p.Commit(len(buf))
	}
	s.growing = nil
	s.track.Finish(p)
	s.c.m.parts.Inc()
	s.c.m.age.Observe(max(time.Since(h.PDT.Add(h.Duration)).Seconds(), 0))
	s.checkEnd()
	return nil
}

// failed counts a verification failure at a part and decides what it costs.
func (s *subscription) failed(sess *clientSession, kind string, at media.PartID, err error) {
	s.c.m.failures.WithLabelValues(kind).Inc()
	if at != s.bad {
		s.bad, s.badN = at, 0
	}
	s.badN++
	sess.log.Warn("media from upstream does not verify", "stream", s.key.stream, "track", s.key.track, "part", at.String(), "kind", kind, "times", s.badN, "err", err)
	switch {
	case s.badN == badPerSession:
		sess.fail(closeWith(relaywire.CloseVerification, "part %s of %s %s does not verify", at, s.key.stream, s.key.track))
	case s.badN >= badForever && at.Index < math.MaxUint64-1:
		s.pass(media.PartID{MSN: at.MSN, Index: at.Index + 1})
	}
}
