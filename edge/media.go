package edge

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"starling/internal/hls"
	"starling/internal/media"
	"starling/internal/store"
)

// immutable is the cache header of media: an address is never used for other
// bytes.
const immutable = "public, max-age=86400, immutable"

// PartHeaderField is the field of a part's HTTP answer that has its signed
// header, base64url without padding, so that a viewer can verify the part and
// pass it on (docs/hls.md).
const PartHeaderField = "Starling-Part-Header"

// maxHeaderField bounds the header that is sent so: proxies take 4 KiB for all
// fields of an answer. It is enough for parts of 1.8 MB.
const maxHeaderField = 2 << 10

// writeChunk is what a client must take within the write timeout.
const writeChunk = 128 << 10

// Errors that say how a request for media is answered.
var (
	errGone   = errors.New("it has left this edge and is not to be had from upstream")
	errAbsent = errors.New("there is no such media")
	errGap    = errors.New("this media is missing from the stream (EXT-X-GAP)")
	errEarly  = errors.New("it is not there yet, and neither is the one before it")
	errEnded  = errors.New("the stream has ended before it")
	errLate   = errors.New("it has not come within three target durations")
	errStop   = errors.New(stopping)

	errNotComing = errors.New("the track cannot be brought from upstream now")
	errUpstream  = errors.New("it has left this edge and upstream cannot give it now")
)

func mediaStatus(err error) int {
	switch {
	case errors.Is(err, errGone):
		return http.StatusGone
	case errors.Is(err, errAbsent), errors.Is(err, errGap), errors.Is(err, errEarly), errors.Is(err, errEnded):
		return http.StatusNotFound
	}
	return http.StatusServiceUnavailable
}

func (s *Server) serveInit(q *request, track *media.TrackInfo, id uint64) {
	in, ok := track.Init(id)
	if !ok {
		q.fail(http.StatusNotFound, fmt.Sprintf("%s has no initialization section %d", track.Name, id))
		return
	}
	s.sendMedia(q, track, [][]byte{in.Data}, nil)
}

func (s *Server) servePart(q *request, v *view, track *media.TrackInfo, id media.PartID) {
	if p, ok := v.track.Snapshot().Part(id); ok && !p.Header.Flags.Has(media.FlagGap) {
		s.sendMedia(q, track, [][]byte{p.Bytes()}, p.Raw)
		return
	}
	s.serveFound(q, v, track, id.String(), true, func(ctx context.Context) ([]*store.Part, error) {
		p, err := s.findPart(ctx, v, id, q.r.RemoteAddr)
		return []*store.Part{p}, err
	})
}

func (s *Server) serveSegment(q *request, v *view, track *media.TrackInfo, msn uint64) {
	s.serveFound(q, v, track, strconv.FormatUint(msn, 10), false, func(ctx context.Context) ([]*store.Part, error) {
		return s.findSegment(ctx, v, msn, q.r.RemoteAddr)
	})
}

// serveFound answers with the parts that find gives, which may wait for three
// target durations. single is set when they are one part and not a segment.
func (s *Server) serveFound(q *request, v *view, track *media.TrackInfo, name string, single bool, find func(context.Context) ([]*store.Part, error)) {
	wait := hls.ReloadTimeout(v.stream.Info())
	ctx, cancel := context.WithTimeoutCause(q.r.Context(), wait, errLate)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	q.allow(wait)
	parts, err := find(ctx)
	if err == nil {
		for _, p := range parts {
			if p.Header.Flags.Has(media.FlagGap) {
				err = errGap
			}
		}
	}
	switch {
	case err == nil:
		bodies := make([][]byte, len(parts))
		for i, p := range parts {
			bodies[i] = p.Bytes()
		}
		var raw []byte
		if single {
			raw = parts[0].Raw
		}
		s.sendMedia(q, track, bodies, raw)
	case s.ctx.Err() != nil:
		q.fail(http.StatusServiceUnavailable, errStop.Error())
	case q.r.Context().Err() != nil: // the client is gone
	default:
		q.fail(mediaStatus(err), track.Name+" "+name+": "+err.Error())
	}
}

// findPart gives a complete part: from the window, from upstream when it is
// older, or by waiting when it is one of the next. It is not sent while it
// still arrives: the draft (section 6.2.6) wants a part's bytes at the full
// speed of the link, or players measure the encoder instead.
func (s *Server) findPart(ctx context.Context, v *view, id media.PartID, from string) (*store.Part, error) {
	for {
		snap := v.track.Snapshot()
		if p, ok := snap.Part(id); ok {
			return p, nil
		}
		last, any := snap.Last()
		if any && id.Compare(last.ID()) < 0 {
			if seg, ok := snap.Segment(id.MSN); ok && id.Index > seg.Parts[0].ID().Index {
				return nil, errAbsent // beyond the end of its segment
			}
			parts, err := s.fetchOld(ctx, v, snap, fetchKey{v.stream.ID, v.track.Name, id.MSN, id.Index, id.Index}, from)
			if err != nil {
				return nil, err
			}
			return parts[0], nil
		}
		if err := s.awaitable(snap, id); err != nil && !s.mayFill(v, err) {
			return nil, err
		}
		after := media.PartID{MSN: id.MSN, Index: id.Index - 1}
		switch {
		case !any:
			after = media.PartID{}
		case id.Index == 0:
			after = media.PartID{MSN: id.MSN - 1, Index: math.MaxUint64}
		}
		if err := s.awaitPart(ctx, v, after); err != nil {
			return nil, err
		}
	}
}

// awaitable says why a part that is newer than all of the window is not worth
// waiting for.
func (s *Server) awaitable(snap *store.Snapshot, id media.PartID) error {
	last, any := snap.Last()
	switch {
	case snap.Ended:
		return errEnded
	case !any:
		return nil
	case id.MSN > last.ID().MSN+1:
		return errEarly
	case id.MSN == last.ID().MSN && last.Header.Flags.Has(media.FlagLast):
		return errAbsent
	}
	return nil
}

// mayFill reports whether media is thought too early only because its track
// was just acquired and the backlog comes first.
func (s *Server) mayFill(v *view, err error) bool {
	return errors.Is(err, errEarly) && v.filling(hls.TargetDuration(v.stream.Info())) > 0
}

// awaitPart waits until the first part behind after is complete, or upstream
// refuses the track.
func (s *Server) awaitPart(ctx context.Context, v *view, after media.PartID) error {
	settled, failure := v.failure()
	if failure != nil {
		return s.notComing(v, failure)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.acct.parked.Add(1)
	defer s.acct.parked.Add(-1)
	if settled != nil {
		// A refusal ends the wait. The watcher ends with this call.
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			select {
			case <-settled:
				if _, err := v.failure(); err != nil {
					cancel(s.notComing(v, err))
				}
			case <-ctx.Done():
			}
		}()
		defer func() { cancel(nil); <-watched }()
	}
	p, err := v.track.Next(ctx, after)
	if errors.Is(err, store.ErrEnded) {
		return errEnded
	}
	if err != nil {
		return err
	}
	_, err = p.Wait(ctx, max(p.Header.Size-1, 0))
	if err != nil && !errors.Is(err, store.ErrAborted) {
		return err
	}
	// Its bytes are there a moment before the snapshot that has it; an aborted
	// part comes again.
	return s.awaitSnapshot(ctx, v, p)
}

// notComing logs why a track does not come, which is no business of viewers.
func (s *Server) notComing(v *view, err error) error {
	s.log.Warn("track does not come", "stream", v.stream.ID, "track", v.track.Name, "err", err)
	return errNotComing
}

func (s *Server) awaitSnapshot(ctx context.Context, v *view, p *store.Part) error {
	for {
		snap := v.track.Snapshot()
		if last, ok := snap.Last(); ok && last.ID().Compare(p.ID()) >= 0 {
			return nil
		}
		if snap.Ended {
			return errEnded
		}
		select {
		case <-snap.Changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// findSegment gives all parts of a segment. One that is growing, or the next,
// is waited for: on another edge it may have been listed already.
func (s *Server) findSegment(ctx context.Context, v *view, msn uint64, from string) ([]*store.Part, error) {
	for {
		snap := v.track.Snapshot()
		last, any := snap.Last()
		if seg, ok := snap.Segment(msn); ok && seg.Parts[0].ID().Index == 0 && (seg.Final() || snap.Ended || last.ID().MSN > msn) {
			return seg.Parts, nil
		}
		if any && (last.ID().MSN > msn || last.ID().MSN == msn && last.Header.Flags.Has(media.FlagLast)) {
			return s.fetchOld(ctx, v, snap, fetchKey{v.stream.ID, v.track.Name, msn, 0, wholeSegment}, from)
		}
		if err := s.awaitable(snap, media.PartID{MSN: msn}); err != nil && !errors.Is(err, errAbsent) && !s.mayFill(v, err) {
			return nil, err
		}
		after := media.PartID{}
		if any {
			after = last.ID()
		}
		if err := s.awaitPart(ctx, v, after); err != nil {
			return nil, err
		}
	}
}

// fetchOld brings media from upstream that the window does not hold. from is
// the address of the viewer who asks.
func (s *Server) fetchOld(ctx context.Context, v *view, snap *store.Snapshot, key fetchKey, from string) ([]*store.Part, error) {
	parts, err := s.fetch.get(ctx, key, from)
	switch {
	case err == nil:
		return parts, nil
	case errors.Is(err, errFetchBusy), ctx.Err() != nil:
		return nil, err
	case !absent(err):
		s.log.Warn("fetching old media from upstream", "stream", key.stream, "track", key.track, "msn", key.msn, "err", err)
		return nil, errUpstream
	case key.msn < snap.Segments[0].MSN:
		return nil, errGone
	}
	return nil, errAbsent
}

// sendMedia answers with the concatenation of bodies, or a byte range of it.
// raw is the signed header of a part, nil for other media.
func (s *Server) sendMedia(q *request, track *media.TrackInfo, bodies [][]byte, raw []byte) {
	size := 0
	for _, b := range bodies {
		size += len(b)
	}
	header := q.r.Header.Get("Range")
	if q.r.Header.Get("If-Range") != "" {
		header = "" // there is no validator that could match (RFC 9110 section 13.1.5)
	}
	rng, partial, ok := parseRange(header, size)
	h := q.Header()
	if !ok {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		q.fail(http.StatusRequestedRangeNotSatisfiable, fmt.Sprintf("it has %d bytes", size))
		return
	}
	h.Set("Content-Type", string(track.Kind)+"/mp4")
	h.Set("Cache-Control", immutable)
	h.Set("Accept-Ranges", "bytes")
	if len(raw) > 0 && len(raw) <= maxHeaderField {
		h.Set(PartHeaderField, base64.RawURLEncoding.EncodeToString(raw))
	}
	h.Set("Content-Length", strconv.Itoa(rng.to-rng.from))
	status := http.StatusOK
	if partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", rng.contentRange(size))
	}
	q.allow(0)
	q.WriteHeader(status)
	if q.r.Method == http.MethodHead {
		return
	}
	at := 0
	for _, b := range bodies {
		from, to := max(rng.from-at, 0), min(rng.to-at, len(b))
		at += len(b)
		if from < to && !s.sendBytes(q, b[from:to]) {
			return
		}
	}
}

// sendBytes writes media in pieces that each get the write timeout, so that
// only a reader slower than that is cut, and counts what was taken.
func (s *Server) sendBytes(q *request, b []byte) bool {
	for len(b) > 0 {
		q.allow(0)
		n, err := q.Write(b[:min(writeChunk, len(b))])
		q.acct.httpBytes.Add(uint64(n))
		if err != nil {
			return false
		}
		b = b[n:]
	}
	return true
}
