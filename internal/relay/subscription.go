package relay

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

type subKey struct {
	stream media.StreamID
	track  string
}

// subscription fills one track. Its goroutine is the track's only writer, over
// all sessions.
type subscription struct {
	c      *Client
	key    subKey
	stream *store.Stream
	track  *store.Track
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned
	ready  chan struct{} // closed when the upstream answered; then err is set
	err    error

	// Guarded by c.mu.
	refs    int
	linger  *time.Timer
	expired bool   // ended because nobody reads the track
	id      uint64 // in the current session; 0 while not subscribed

	mu      sync.Mutex
	queue   []*incoming   // segment streams in the order of opening
	wake    chan struct{} // holds a token when the queue grew
	reading *incoming
	passed  media.PartID  // given up: the next part wanted is after it
	end     *media.PartID // last part of an ended track
	drained chan struct{} // closed when end is there

	// Used by run only.
	growing *store.Part // begun and not complete
	bad     media.PartID
	badN    int // failures at bad
}

func newSubscription(c *Client, key subKey, st *store.Stream, tr *store.Track) *subscription {
	s := &subscription{c: c, key: key, stream: st, track: tr, done: make(chan struct{}), ready: make(chan struct{}), wake: make(chan struct{}, 1), drained: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(c.base)
	return s
}

// settleLocked answers those who wait in Acquire, once.
func (s *subscription) settleLocked(err error) {
	if !s.settled() {
		s.err = err
		close(s.ready)
	}
}

func (s *subscription) settled() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// wanted is the part that must come next; false when the window is empty.
func (s *subscription) wanted() (media.PartID, bool) {
	s.mu.Lock()
	passed := s.passed
	s.mu.Unlock()
	last, ok := s.track.Snapshot().Last()
	switch {
	case ok && last.ID().Compare(passed) >= 0:
		if last.Header.Flags.Has(media.FlagLast) {
			return media.PartID{MSN: last.ID().MSN + 1}, true
		}
		return media.PartID{MSN: last.ID().MSN, Index: last.ID().Index + 1}, true
	case passed.Index == math.MaxUint64:
		return media.PartID{MSN: passed.MSN + 1}, true
	case passed != media.PartID{}:
		return media.PartID{MSN: passed.MSN, Index: passed.Index + 1}, true
	}
	return media.PartID{}, false
}

// from is where a subscription begins: after what is there, where the stream's
// other tracks begin, so that players may align their playlists by number, or
// with what a new viewer needs.
func (s *subscription) from() media.PartID {
	if want, ok := s.wanted(); ok {
		return want
	}
	if msn, ok := s.othersFrom(); ok {
		return media.PartID{MSN: msn}
	}
	return media.PartID{Index: uint64(s.c.cfg.Backlog)}
}

// othersFrom is the first segment in the windows of the stream's other tracks.
func (s *subscription) othersFrom() (msn uint64, ok bool) {
	info := s.stream.Info()
	for i := range info.Tracks {
		tr, known := s.stream.Track(info.Tracks[i].Name)
		if !known || tr == s.track {
			continue
		}
		if segs := tr.Snapshot().Segments; len(segs) > 0 && segs[0].MSN > 0 && (!ok || segs[0].MSN < msn) {
			msn, ok = segs[0].MSN, true
		}
	}
	return msn, ok
}

// enqueue adds a segment stream. From now on the stream before it is waited
// for only as long as its bytes keep coming.
func (s *subscription) enqueue(in *incoming) {
	s.mu.Lock()
	if s.ctx.Err() != nil {
		s.mu.Unlock()
		in.cancel()
		return
	}
	s.queue = append(s.queue, in)
	s.mu.Unlock()
	s.hurry()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// hurry bounds the wait for the next byte while a newer segment waits.
func (s *subscription) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading != nil && len(s.queue) > 0 {
		// An error means that the stream is done, which its reader sees.
		_ = s.reading.str.SetReadDeadline(time.Now().Add(s.c.cfg.HoldBack))
	}
}

// run fills the track until the subscription ends, beginning when the one
// before it has left the track.
func (s *subscription) run(before <-chan struct{}) {
	defer s.c.forget(s)
	defer close(s.done)
	if before != nil {
		<-before
	}
	for {
		in := s.next()
		if in == nil {
			break
		}
		s.consume(in)
	}
	s.mu.Lock()
	queue := s.queue
	s.queue = nil
	s.mu.Unlock()
	for _, in := range queue {
		in.cancel()
	}
	s.abandon()
	if s.expired { // set before the cancel that ended the loop
		s.track.Clear()
	}
}

// forget lets the next subscription of the track begin without waiting.
func (c *Client) forget(s *subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tails[s.key] == (<-chan struct{})(s.done) {
		delete(c.tails, s.key)
	}
}

// next waits for a segment stream; nil when the subscription ends. A part that
// stopped half way is given up after the grace, so that its readers do not
// wait for ever.
func (s *subscription) next() *incoming {
	var grace <-chan time.Time
	if s.growing != nil {
		t := time.NewTimer(s.c.cfg.Grace)
		defer t.Stop()
		grace = t.C
	}
	for s.ctx.Err() == nil {
		s.mu.Lock()
		if len(s.queue) > 0 {
			in := s.queue[0]
			s.queue = s.queue[1:]
			s.reading = in
			s.mu.Unlock()
			return in
		}
		s.mu.Unlock()
		select {
		case <-s.wake:
		case <-grace:
			s.abandon()
		case <-s.ctx.Done():
		}
	}
	return nil
}

// consume reads one segment stream to its end.
func (s *subscription) consume(in *incoming) {
	stop := context.AfterFunc(s.ctx, in.cancel)
	defer stop()
	defer in.cancel()
	defer func() {
		s.mu.Lock()
		s.reading = nil
		s.mu.Unlock()
	}()
	if s.c.byID(in.sess, in.id) != s {
		return // of a session or subscription that is over
	}
	s.hurry()
	err := s.readParts(in.parts, source{sess: in.sess, msn: in.msn, live: true})
	switch {
	case err == nil, s.ctx.Err() != nil:
	case errors.Is(err, errVerify):
		s.c.resubscribe(in.sess, s)
	case errors.Is(err, os.ErrDeadlineExceeded):
		// What is missing is fetched when the next segment shows the gap.
		s.c.log.Debug("segment stream was overtaken", "stream", s.key.stream, "track", s.key.track, "msn", in.msn)
	case isStreamReset(err):
		s.c.log.Debug("segment stream was abandoned by the upstream", "stream", s.key.stream, "track", s.key.track, "msn", in.msn, "err", err)
	case errors.Is(err, relaywire.ErrMalformed), errors.Is(err, relaywire.ErrTooLarge), errors.Is(err, io.ErrUnexpectedEOF):
		in.sess.fail(closeWith(relaywire.CloseMalformed, "segment stream %d of %s %s: %v", in.msn, s.key.stream, s.key.track, err))
	}
}

func isStreamReset(err error) bool {
	_, ok := errors.AsType[*quic.StreamError](err)
	return ok
}

// abandon gives up the part that is not complete; its readers see the abort.
func (s *subscription) abandon() {
	if p := s.growing; p != nil {
		s.growing = nil
		s.track.Finish(p)
	}
}

// pass gives up everything before id. A segment never has a hole (store.Segment),
// so when some of id's segment is published already, the rest of it is given
// up too.
func (s *subscription) pass(id media.PartID) {
	s.abandon()
	to := before(id)
	if last, ok := s.track.Snapshot().Last(); ok && last.ID().MSN == id.MSN && last.ID().Compare(to) < 0 {
		to = media.PartID{MSN: id.MSN, Index: math.MaxUint64}
	}
	s.mu.Lock()
	if to.Compare(s.passed) > 0 {
		s.passed = to
	}
	s.mu.Unlock()
	s.c.m.gaps.Inc()
}

// noteEnd takes a TRACK_END.
func (s *subscription) noteEnd(last media.PartID) {
	s.mu.Lock()
	s.end = &last
	s.mu.Unlock()
	s.checkEnd()
}

// reopen forgets an end that was reached: the stream goes on.
func (s *subscription) reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.drained:
		s.end, s.drained = nil, make(chan struct{})
	default:
	}
}

// whenDrained is closed when the last part of an ended track is there.
func (s *subscription) whenDrained() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drained
}

// checkEnd compares the window with the announced end.
func (s *subscription) checkEnd() {
	var at media.PartID
	if last, ok := s.track.Snapshot().Last(); ok {
		at = last.ID()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	closed := false
	select {
	case <-s.drained:
		closed = true
	default:
	}
	switch {
	case s.end != nil && at.Compare(*s.end) > 0: // the publisher came back
		s.end = nil
		if closed {
			s.drained = make(chan struct{})
		}
	case s.end != nil && at.Compare(*s.end) == 0:
		if !closed {
			close(s.drained)
		}
		// Publishing a part of a stream that had ended reopened its track.
		if s.stream.Info().Ended {
			s.track.End()
		}
	}
}
