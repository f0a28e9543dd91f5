package relay

import (
	"context"
	"errors"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/sync/errgroup"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

// fetchTimeout bounds a FETCH at both ends: media that comes later than this
// is of no use to anybody who waits for it.
const fetchTimeout = 10 * time.Second

// acceptFetches answers the bidirectional streams after the control stream.
func (s *serverSession) acceptFetches(ctx context.Context, g *errgroup.Group) error {
	for {
		str, err := s.conn.AcceptStream(ctx)
		if err != nil {
			return causeOf(ctx, err)
		}
		g.Go(func() error { return s.serveFetch(ctx, str) })
	}
}

// serveFetch answers one request. Only a malformed one is returned, and ends
// the session.
func (s *serverSession) serveFetch(ctx context.Context, str *quic.Stream) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	str.SetPriority(urgencyFetch, true)
	cancelStream := func(code relaywire.StreamCode) {
		str.CancelRead(quic.StreamErrorCode(code))
		str.CancelWrite(quic.StreamErrorCode(code))
	}
	if err := str.SetDeadline(time.Now().Add(fetchTimeout)); err != nil {
		cancelStream(relaywire.StreamCancelled)
		return nil
	}
	br := relaywire.NewReader(str)
	typ, err := relaywire.ReadStreamType(br)
	if err == nil && typ != relaywire.StreamTypeFetch {
		// Of a later version, or garbage: the downstream learns that it is
		// not understood, and its session goes on.
		cancelStream(relaywire.StreamUnknown)
		return nil
	}
	var f relaywire.Fetch
	if err == nil {
		f, err = relaywire.ReadFetch(br)
	}
	if err != nil {
		cancelStream(relaywire.StreamCancelled)
		if errors.Is(err, relaywire.ErrMalformed) || errors.Is(err, relaywire.ErrTooLarge) {
			return err
		}
		return nil
	}
	// Nothing that matters follows the request.
	defer str.CancelRead(quic.StreamErrorCode(relaywire.StreamCancelled))
	code, err := s.answer(ctx, str, f)
	s.srv.m.fetches.WithLabelValues(code.String()).Inc()
	if err == nil {
		err = str.Close()
	}
	if err != nil {
		cancelStream(relaywire.StreamAbandoned)
	}
	return nil
}

// answer writes the code and the parts.
func (s *serverSession) answer(ctx context.Context, str *quic.Stream, f relaywire.Fetch) (relaywire.FetchCode, error) {
	refuse := func(code relaywire.FetchCode) (relaywire.FetchCode, error) {
		_, err := str.Write(relaywire.AppendFetchCode(nil, code))
		return code, err
	}
	st, ok := s.srv.dir.Get(f.Stream)
	if !ok {
		return refuse(relaywire.FetchNoStream)
	}
	tr, ok := st.Track(f.Track)
	if !ok {
		return refuse(relaywire.FetchNoTrack)
	}
	want := media.PartID{MSN: f.MSN, Index: f.First}
	part := firstAfter(tr, before(want))
	if part == nil || part.ID() != want {
		if s.srv.cfg.Upstream == nil {
			return refuse(missing(tr, want))
		}
		parts, err := s.srv.cfg.Upstream.Fetch(ctx, f.Stream, f.Track, f.MSN, f.First, f.Last)
		if err != nil {
			return refuse(fetchCode(err))
		}
		if _, err := str.Write(relaywire.AppendFetchCode(nil, relaywire.FetchOK)); err != nil {
			return relaywire.FetchOK, err
		}
		for _, part := range parts {
			if err := s.writePart(ctx, str, part); err != nil {
				return relaywire.FetchOK, err
			}
		}
		return relaywire.FetchOK, nil
	}
	if _, err := str.Write(relaywire.AppendFetchCode(nil, relaywire.FetchOK)); err != nil {
		return relaywire.FetchOK, err
	}
	for part != nil && part.ID().MSN == f.MSN && part.ID().Index <= f.Last {
		if err := s.writePart(ctx, str, part); err != nil {
			return relaywire.FetchOK, err
		}
		part = firstAfter(tr, part.ID())
	}
	return relaywire.FetchOK, nil
}

// writePart writes a part as its bytes arrive.
func (s *serverSession) writePart(ctx context.Context, str *quic.Stream, part *store.Part) error {
	if _, err := str.Write(relaywire.AppendPartHeader(nil, part.Raw)); err != nil {
		return err
	}
	for sent := 0; sent < part.Header.Size; {
		b, err := part.Wait(ctx, sent)
		if err != nil {
			return err
		}
		if _, err := str.Write(b[sent:]); err != nil {
			return err
		}
		sent = len(b)
	}
	s.srv.m.bytes.WithLabelValues("fetch").Add(float64(len(part.Raw) + part.Header.Size))
	return nil
}

// firstAfter is the first part after the given one that the window holds or
// that is arriving now, or nil.
func firstAfter(tr *store.Track, after media.PartID) *store.Part {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	part, err := tr.Next(now, after)
	if err != nil {
		return nil
	}
	return part
}

// missing says why a part is not there: before or after the live end.
func missing(tr *store.Track, want media.PartID) relaywire.FetchCode {
	if last, ok := tr.Snapshot().Last(); ok && want.Compare(last.ID()) > 0 {
		return relaywire.FetchNotYet
	}
	return relaywire.FetchGone
}

// fetchCode maps an error of Fetch to the wire.
func fetchCode(err error) relaywire.FetchCode {
	switch {
	case errors.Is(err, ErrNoStream):
		return relaywire.FetchNoStream
	case errors.Is(err, ErrNoTrack):
		return relaywire.FetchNoTrack
	case errors.Is(err, ErrGone):
		return relaywire.FetchGone
	case errors.Is(err, ErrNotYet):
		return relaywire.FetchNotYet
	}
	return relaywire.FetchOverloaded
}
