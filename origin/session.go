package origin

import (
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"starling/internal/cmaf"
	"starling/origin/ingest"
)

// errGone means that the stream's goroutine has ended.
var errGone = errors.New("the stream is shutting down")

// session is a publisher's hold on a stream. Its methods are called by the
// publisher's goroutine and only pass on to the stream's.
type session struct {
	st     *stream
	remote string
	last   time.Time // of the newest frame; the stream's
	ended  atomic.Pointer[error]
	breaks *rate.Limiter // the stream's
}

// A publisher may begin anew breakBurst times at once and then every
// breakEvery: each time an encoder is started and everybody gets a new catalog.
const (
	breakBurst = 10
	breakEvery = 2 * time.Second
)

var errBreaks = &ingest.Refusal{Reason: "bitstream", Err: errors.New("parameters or timestamps change too often")}

func (s *session) post(f func()) error {
	if err := s.ended.Load(); err != nil {
		return *err
	}
	return s.st.post(f)
}

// end makes further frames fail with err, which is told to the publisher.
func (s *session) end(err error) { s.ended.CompareAndSwap(nil, &err) }

func (s *session) Video(au cmaf.AccessUnit) error {
	return s.post(func() { s.st.video(s, au) })
}

func (s *session) Audio(f cmaf.AudioFrame) error {
	return s.post(func() { s.st.audio(s, f) })
}

func (s *session) Change(m ingest.Media) error {
	return s.post(func() { s.st.change(s, m) })
}

// Close ends the publication. It does not wait.
func (s *session) Close(err error) {
	_ = s.st.post(func() { s.st.detach(s, err) }) // if the stream is gone, so is the publication
}

var _ ingest.Session = (*session)(nil)
