package edge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"starling/internal/media"
	"starling/internal/peerwire"
	"starling/internal/store"
)

// maxAnswers bounds the answers that wait; more REQUESTs are refused.
const maxAnswers = 128

// errDeadline ends the wait for a chunk that cannot make its deadline.
var errDeadline = errors.New("the deadline of the request has passed")

// answer is one thing to send besides what is pushed: a REQUEST, or the
// catching-up of slices added to a subscription (sub is set).
type answer struct {
	request  peerwire.Range
	deadline time.Time

	sub      *subscription
	mask     peerwire.SliceMask
	from, to media.PartID
}

// answers is the bounded queue of the responder.
type answers struct {
	mu   sync.Mutex
	list []answer
	wake chan struct{} // holds one token while list may have something
}

func (a *answers) add(x answer) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) >= maxAnswers {
		return false
	}
	a.list = append(a.list, x)
	select {
	case a.wake <- struct{}{}:
	default:
	}
	return true
}

func (a *answers) next() (x answer, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) == 0 {
		return answer{}, false
	}
	x = a.list[0]
	a.list = slices.Delete(a.list, 0, 1)
	return x, true
}

// cancel removes what waits and lies wholly within r.
func (a *answers) cancel(r peerwire.Range) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = slices.DeleteFunc(a.list, func(x answer) bool {
		q := x.request
		return x.sub == nil && q.Track == r.Track && q.Part == r.Part && q.First >= r.First && q.First+q.Count <= r.First+r.Count
	})
}

// request queues a REQUEST, or refuses it at once.
func (f *feed) request(fr peerwire.Request) bool {
	deadline := time.Now().Add(time.Duration(fr.DeadlineMS) * time.Millisecond)
	if f.answers.add(answer{request: fr.Range, deadline: deadline}) {
		return true
	}
	return f.send(peerwire.Refuse{Reason: peerwire.ReasonBusy, Range: fr.Range}) == nil
}

// respond works off the answers, one after the other.
func (f *feed) respond() {
	var buf []byte
	for {
		select {
		case <-f.answers.wake:
		case <-f.ctx.Done():
			return
		}
		for x, ok := f.answers.next(); ok; x, ok = f.answers.next() {
			var err error
			if x.sub != nil {
				buf, err = f.catchUp(buf, x)
			} else {
				buf, err = f.answer(buf, x)
			}
			if err != nil {
				return
			}
		}
	}
}

// answer sends the chunks of a REQUEST, or refuses the rest of it. The edge
// does not fetch old media for a feed: that is for HLS.
func (f *feed) answer(buf []byte, x answer) ([]byte, error) {
	r := x.request
	p := f.find(r.Track, r.Part)
	if p == nil || r.First+r.Count > p.Header.Chunks() {
		return buf, f.send(peerwire.Refuse{Reason: peerwire.ReasonAbsent, Range: r})
	}
	if !time.Now().Before(x.deadline) {
		return buf, f.send(peerwire.Refuse{Reason: peerwire.ReasonLate, Range: r})
	}
	ctx, cancel := context.WithDeadlineCause(f.ctx, x.deadline, errDeadline)
	defer cancel()
	if err := f.headers.send(f, r.Track, p); err != nil {
		return buf, err
	}
	for i := r.First; i < r.First+r.Count; i++ {
		var err error
		if buf, err = f.sendChunk(ctx, buf, r.Track, p, i); err != nil {
			rest := r
			rest.First, rest.Count = i, r.First+r.Count-i
			switch {
			case errors.Is(err, errDeadline):
				return buf, f.send(peerwire.Refuse{Reason: peerwire.ReasonLate, Range: rest})
			case errors.Is(err, store.ErrAborted):
				return buf, f.send(peerwire.Refuse{Reason: peerwire.ReasonAbsent, Range: rest})
			}
			return buf, err
		}
	}
	return buf, nil
}

// find gives a part that is in the window or arriving.
func (f *feed) find(number uint8, id media.PartID) *store.Part {
	track, ok := f.stream.Info().TrackByNumber(number)
	if !ok {
		return nil
	}
	window, ok := f.stream.Track(track.Name)
	if !ok {
		return nil
	}
	if p, ok := window.Snapshot().Part(id); ok {
		return p
	}
	// Next with an ended context gives what is there without waiting.
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	if p, err := window.Next(ctx, before(id)); err == nil && p.ID() == id {
		return p
	}
	return nil
}

// catchUp sends the slices that a SUBSCRIBE added, for the parts that the
// pusher had reached by then.
func (f *feed) catchUp(buf []byte, x answer) ([]byte, error) {
	// It ends with the last part: the one after it may be long in coming.
	for after := before(x.from); after.Compare(x.to) < 0; {
		p, err := x.sub.view.track.Next(x.sub.ctx, after)
		if err != nil || p.ID().Compare(x.to) > 0 {
			return buf, f.ctx.Err()
		}
		after = p.ID()
		if _, late := x.sub.lag(p); late {
			continue
		}
		wanted := func(s int) bool { return x.mask.Has(s) && x.sub.wantedNow(p.ID()).Has(s) }
		buf, err = f.sendPart(x.sub.ctx, buf, x.sub.number, x.sub.slices, p, wanted)
		if err != nil && !errors.Is(err, store.ErrAborted) {
			return buf, f.ctx.Err()
		}
	}
	return buf, nil
}
