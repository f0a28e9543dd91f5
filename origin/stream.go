package origin

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"starling/internal/cmaf"
	"starling/internal/media"
	"starling/internal/store"
	"starling/origin/ingest"
	"starling/origin/packager"
)

const (
	// silentPublisher is after how long without a frame another connection may
	// take the stream over: a crashed publisher's connection stays open for long.
	silentPublisher = 3 * time.Second
	// housekeeping is the precision of all waiting below.
	housekeeping = 200 * time.Millisecond
)

// stream owns one stream. Everything but post and attach runs on its goroutine.
type stream struct {
	srv  *Server
	cfg  *Config
	id   media.StreamID
	key  ed25519.PrivateKey
	log  *slog.Logger
	work chan func()
	done chan struct{} // closed when the goroutine takes no more work

	ctx      context.Context
	encoders sync.WaitGroup

	numbers  numbering
	known    bool              // the stream had parts before
	anchor   time.Time         // wall clock of output time 0
	end      time.Duration     // output time that all parts have reached
	info     *media.StreamInfo // nil before the first catalog
	store    *store.Stream
	session  *session
	leftAt   time.Time
	current  *epoch // the publication; nil without one
	draining *epoch // the one before, whose encoder is still finishing
}

func newStream(srv *Server, id media.StreamID, key ed25519.PrivateKey) *stream {
	s := &stream{srv: srv, cfg: &srv.cfg, id: id, key: key, log: srv.log.With("stream", string(id)), work: make(chan func(), 256), done: make(chan struct{}), leftAt: time.Now()}
	s.numbers, s.known = srv.registry.get(id)
	return s
}

// post hands work to the stream's goroutine and waits only while it is behind.
func (s *stream) post(f func()) error {
	select {
	case s.work <- f:
		return nil
	case <-s.done:
		return errGone
	}
}

// run is the stream's goroutine.
func (s *stream) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	s.ctx = ctx
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for {
		select {
		case f := <-s.work:
			f()
		case now := <-tick.C:
			if s.tend(now) {
				cancel()
			}
		case <-ctx.Done():
			close(s.done) // from here on nobody can attach or deliver
			s.srv.forget(s)
			if s.session != nil {
				s.session.end(errGone)
				s.leave()
			}
			s.finishDraining()
			cancel()
			s.encoders.Wait()
			s.srv.metrics.forget(s.id)
			return
		}
	}
}

// tend does what time brings; true ends the stream.
func (s *stream) tend(now time.Time) bool {
	if e := s.current; e != nil {
		s.tryReady(e, now)
		s.measure(e, now)
	}
	if s.session != nil {
		return false
	}
	away := now.Sub(s.leftAt)
	if s.info != nil && !s.info.Ended && away >= s.cfg.Grace {
		s.finishDraining()
		info := *s.info
		info.Ended = true
		s.announce(&info)
		s.log.Info("stream has ended")
	}
	if away < s.cfg.Grace+s.cfg.Keep && s.info != nil || away < s.cfg.Grace {
		return false
	}
	if len(s.work) > 0 {
		return false // perhaps a publisher
	}
	if s.info != nil {
		s.srv.dir.Remove(s.id)
	}
	return true
}

// attach gives the stream to a publisher.
func (s *stream) attach(remote string, m ingest.Media) (*session, error) {
	sess := &session{st: s, remote: remote, breaks: rate.NewLimiter(rate.Every(breakEvery), breakBurst)}
	reply := make(chan error, 1)
	if err := s.post(func() { reply <- s.accept(sess, m) }); err != nil {
		return nil, err
	}
	select {
	case err := <-reply:
		return sess, err
	case <-s.done:
		return nil, errGone
	}
}

func (s *stream) accept(sess *session, m ingest.Media) error {
	now := time.Now()
	if old := s.session; old != nil {
		if silent := now.Sub(old.last); silent < silentPublisher {
			return &ingest.Refusal{Reason: "busy", Err: fmt.Errorf("%s is being published by another connection, choose another name or stop that one", s.id)}
		}
		old.end(&ingest.Refusal{Reason: "replaced", Err: errors.New("another connection took the stream over after a silence")})
		s.detach(old, nil)
	}
	sess.last = now
	s.session = sess
	s.srv.metrics.publishers.Inc()
	s.log.Info("publisher has come", "remote", sess.remote, "video", m.Video.Codec, "size", fmt.Sprintf("%dx%d", m.Video.Width, m.Video.Height), "audio", m.Audio != nil)
	s.begin(m)
	return nil
}

// detach ends a session.
func (s *stream) detach(sess *session, err error) {
	if s.session != sess {
		return
	}
	if err != nil {
		s.log.Debug("publisher was lost", "err", err)
	}
	s.leave()
}

func (s *stream) leave() {
	s.session = nil
	s.leftAt = time.Now()
	s.srv.metrics.publishers.Dec()
	s.endCurrent()
}

// video takes an access unit of the publisher.
func (s *stream) video(sess *session, au cmaf.AccessUnit) {
	if s.session != sess {
		return
	}
	sess.last = time.Now()
	err := s.take(au)
	switch jumped := errors.Is(err, packager.ErrJump); {
	case jumped && !sess.breaks.Allow():
		s.dismiss(sess, errBreaks)
		return
	case jumped:
		s.log.Warn("publisher's clock jumped: going on after a discontinuity", "err", err)
		s.begin(s.current.media)
		s.srv.metrics.breaks.WithLabelValues(string(s.id), "jump").Inc()
		err = s.take(au)
	}
	if err != nil {
		reason := "bitstream"
		if errors.Is(err, packager.ErrKeyframes) {
			reason = "keyframes"
		}
		s.dismiss(sess, &ingest.Refusal{Reason: reason, Err: err})
	}
}

// dismiss ends a session because of what its publisher sent.
func (s *stream) dismiss(sess *session, why *ingest.Refusal) {
	sess.end(why)
	s.detach(sess, why)
}

func (s *stream) take(au cmaf.AccessUnit) error {
	e := s.current
	if e.pack == nil {
		if !au.Key {
			return nil
		}
		s.open(e)
		e.firstDTS = au.DTS
	}
	if err := e.pack.Source(au); err != nil {
		return err
	}
	s.refineAnchor(e, au, time.Now())
	e.videoBytes += len(au.Data)
	if e.encoder != nil {
		e.encoder.Offer(au)
	}
	if !e.ready {
		s.tryReady(e, time.Now())
	}
	return nil
}

func (s *stream) audio(sess *session, f cmaf.AudioFrame) {
	if s.session != sess || s.current.pack == nil {
		return
	}
	s.current.audioBytes += len(f.Data)
	s.current.pack.Audio(f)
}

// change begins anew with other parameters.
func (s *stream) change(sess *session, m ingest.Media) {
	if s.session != sess {
		return
	}
	if !sess.breaks.Allow() {
		s.dismiss(sess, errBreaks)
		return
	}
	s.log.Info("publisher changed its parameters", "video", m.Video.Codec, "size", fmt.Sprintf("%dx%d", m.Video.Width, m.Video.Height), "audio", m.Audio != nil)
	s.srv.metrics.breaks.WithLabelValues(string(s.id), "parameters").Inc()
	s.begin(m)
}
