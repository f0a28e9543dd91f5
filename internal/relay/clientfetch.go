package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/quic-go/quic-go"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

// repairTimeout bounds the repair of a gap: live media waits behind it.
const repairTimeout = 2 * time.Second

// maxFetched bounds what one Fetch holds: eight of the largest parts.
const maxFetched = 8 * media.MaxPartSize

// openFetch sends a FETCH and gives a reader of its parts; done ends it.
func (s *clientSession) openFetch(ctx context.Context, f relaywire.Fetch) (parts *relaywire.PartReader, done func(), err error) {
	str, err := s.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, nil, causeOf(ctx, err)
	}
	cancel := func() {
		str.CancelRead(quic.StreamErrorCode(relaywire.StreamCancelled))
		str.CancelWrite(quic.StreamErrorCode(relaywire.StreamCancelled))
	}
	stop := context.AfterFunc(ctx, cancel)
	end := func() { stop(); cancel() }
	defer func() {
		if err != nil {
			end()
		}
	}()
	str.SetPriority(urgencyControl, false)
	if _, err = str.Write(relaywire.AppendFetch(nil, f)); err != nil {
		return nil, nil, causeOf(ctx, err)
	}
	// An upstream that has read enough may refuse the end of the request;
	// its answer is what counts.
	_ = str.Close()
	br := relaywire.NewReader(str)
	code, err := relaywire.ReadFetchCode(br)
	if err != nil {
		s.c.m.fetches.WithLabelValues("failed").Inc()
		return nil, nil, causeOf(ctx, err)
	}
	s.c.m.fetches.WithLabelValues(code.String()).Inc()
	if err = fetchError(code); err != nil {
		return nil, nil, err
	}
	return relaywire.NewPartReader(br), end, nil
}

// fetchInto fetches parts of a segment into the track.
func (s *subscription) fetchInto(sess *clientSession, msn, first, last uint64) error {
	ctx, cancel := context.WithTimeout(s.ctx, repairTimeout)
	defer cancel()
	parts, done, err := sess.openFetch(ctx, relaywire.Fetch{Stream: s.key.stream, Track: s.key.track, MSN: msn, First: first, Last: last})
	if err != nil {
		return err
	}
	defer done()
	return s.readParts(parts, source{sess: sess, msn: msn})
}

// repair fetches what lies between want and upto. What cannot be had is passed
// over: live goes on. Only a verification failure or a lost session is an
// error.
func (s *subscription) repair(sess *clientSession, want, upto media.PartID) error {
	for want.Compare(upto) < 0 && upto.MSN-want.MSN <= uint64(s.c.cfg.MaxRepair) {
		last := uint64(relaywire.MaxVarint)
		if want.MSN == upto.MSN {
			last = upto.Index - 1
		}
		err := s.fetchInto(sess, want.MSN, want.Index, last)
		if err != nil && !definite(err) {
			return err
		}
		next, _ := s.wanted()
		if next.Compare(want) <= 0 {
			s.c.log.Debug("gap cannot be repaired", "stream", s.key.stream, "track", s.key.track, "part", want.String(), "err", err)
			break
		}
		want = next
	}
	if want.Compare(upto) < 0 {
		s.c.log.Warn("media was lost: the window jumps", "stream", s.key.stream, "track", s.key.track, "from", want.String(), "to", upto.String())
		s.pass(upto)
	}
	return nil
}

// definite reports whether err says that the media cannot be had in time, as
// opposed to a session that was lost or an upstream that lies.
func definite(err error) bool {
	for _, e := range []error{ErrNoStream, ErrNoTrack, ErrGone, ErrNotYet, ErrOverloaded, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return true
		}
	}
	return isStreamReset(err) && !errors.Is(err, errVerify)
}

// Fetch gets parts first to last (inclusive, relaywire.MaxVarint for the
// segment's last) of a segment from upstream, verified and complete; fewer
// when the segment is still growing. Errors: ErrNoStream, ErrNoTrack, ErrGone,
// ErrNotYet, ErrOverloaded, ErrNoUpstream.
func (c *Client) Fetch(ctx context.Context, stream media.StreamID, track string, msn, first, last uint64) ([]*store.Part, error) {
	parts, err := c.fetch(ctx, stream, track, msn, first, last)
	if err != nil {
		return nil, fmt.Errorf("fetching %s %s %d.%d: %w", stream, track, msn, first, err)
	}
	return parts, nil
}

func (c *Client) fetch(ctx context.Context, stream media.StreamID, track string, msn, first, last uint64) ([]*store.Part, error) {
	st, ok := c.dir.Get(stream)
	if !ok {
		return nil, ErrNoStream
	}
	info := st.Info()
	t, ok := info.Track(track)
	if !ok {
		return nil, ErrNoTrack
	}
	c.mu.Lock()
	sess := c.sess
	c.mu.Unlock()
	if sess == nil {
		return nil, ErrNoUpstream
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, done, err := sess.openFetch(ctx, relaywire.Fetch{Stream: stream, Track: track, MSN: msn, First: first, Last: min(last, relaywire.MaxVarint)})
	if err != nil {
		return nil, err
	}
	defer done()
	var out []*store.Part
	for total := 0; ; {
		raw, err := r.Header()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, causeOf(ctx, err)
		}
		h, err := media.VerifyHeader(raw, info.Key)
		if err == nil && (h.Stream != stream || h.Track != t.Number || h.ID.MSN != msn || h.ID.Index != first+uint64(len(out)) || h.ID.Index > last) {
			err = fmt.Errorf("%w: got part %s", media.ErrHeader, h.ID)
		}
		if err != nil {
			c.m.failures.WithLabelValues("header").Inc()
			return nil, fmt.Errorf("%w: %w", errVerify, err)
		}
		if total += h.Size; total > maxFetched {
			return nil, fmt.Errorf("answer is over %d bytes", maxFetched)
		}
		r.Payload(h.Size)
		part, err := readPart(r, h, raw)
		if err != nil {
			if errors.Is(err, media.ErrChunk) {
				c.m.failures.WithLabelValues("chunk").Inc()
			}
			return nil, causeOf(ctx, err)
		}
		c.m.bytes.WithLabelValues("fetch").Add(float64(len(raw) + h.Size))
		out = append(out, part)
	}
}

// readPart reads and verifies a whole part.
func readPart(r io.Reader, h *media.Header, raw []byte) (*store.Part, error) {
	payload := make([]byte, h.Size)
	for i := range h.Chunks() {
		from, to := h.ChunkRange(i)
		if _, err := io.ReadFull(r, payload[from:to]); err != nil {
			return nil, err
		}
		if err := h.VerifyChunk(i, payload[from:to]); err != nil {
			return nil, fmt.Errorf("%w: %w", errVerify, err)
		}
	}
	return store.CompletePart(h, raw, payload), nil
}
