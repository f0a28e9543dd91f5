package relay

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/quic-go/quic-go"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

// push sends the parts of one subscription downstream.
type push struct {
	sess   *serverSession
	req    relaywire.Subscribe
	cancel context.CancelFunc
	done   chan struct{}

	stream *store.Stream
	track  *store.Track
	after  media.PartID // the last part that was sent or passed over
	out    *segmentOut  // the open segment stream, or nil
}

// abortPause keeps a publisher that aborts a part and leaves it there from
// making a busy loop.
const abortPause = 20 * time.Millisecond

func (p *push) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *push) refuse(code relaywire.SubscribeCode, reason string) {
	p.sess.ctl.send(relaywire.SubscribeError{ID: p.req.ID, Code: code, Reason: reason})
}

// run acquires the track and pushes it until ctx ends. Only a fault of the
// whole session is returned.
func (p *push) run(ctx context.Context) error {
	release, ok := p.open(ctx)
	if !ok {
		return nil
	}
	defer release()
	p.sess.srv.m.subscriptions.Inc()
	defer p.sess.srv.m.subscriptions.Dec()
	p.sess.ctl.send(relaywire.SubscribeOK{ID: p.req.ID})
	p.after = startAfter(p.req.From, p.track.Snapshot())
	defer p.endSegment(relaywire.StreamCancelled)
	for ctx.Err() == nil {
		part, err := p.track.Next(ctx, p.after)
		if errors.Is(err, store.ErrEnded) {
			p.waitForMore(ctx)
			continue
		}
		if err != nil {
			return nil
		}
		if !p.step(ctx, part) {
			return nil
		}
	}
	return nil
}

// open finds the track, here and further up.
func (p *push) open(ctx context.Context) (release func(), ok bool) {
	srv := p.sess.srv
	release = func() {}
	if up := srv.cfg.Upstream; up != nil {
		r, err := up.Acquire(ctx, p.req.Stream, p.req.Track)
		if err != nil {
			p.refuse(subscribeCode(err), err.Error())
			return nil, false
		}
		release = r
	}
	var found bool
	if p.stream, found = srv.dir.Get(p.req.Stream); !found {
		release()
		p.refuse(relaywire.SubscribeNoStream, "this node does not carry "+string(p.req.Stream))
		return nil, false
	}
	if p.track, found = p.stream.Track(p.req.Track); !found {
		release()
		p.refuse(relaywire.SubscribeNoTrack, string(p.req.Stream)+" has no track "+p.req.Track)
		return nil, false
	}
	return release, true
}

// step sends one part and decides what comes next; false ends the push.
func (p *push) step(ctx context.Context, part *store.Part) bool {
	err := p.send(ctx, part)
	switch {
	case err == nil:
		p.after = part.ID()
		if part.Header.Flags.Has(media.FlagLast) {
			p.endSegment(relaywire.StreamAbandoned)
		}
		return true
	case ctx.Err() != nil:
		return false
	case errors.Is(err, store.ErrAborted):
		// The same part may come again from its publisher; then its bytes
		// are the same and sending goes on where it stopped.
		select {
		case <-time.After(abortPause):
		case <-ctx.Done():
		}
		return true
	case errors.Is(err, errLag):
		p.endSegment(relaywire.StreamAbandoned)
		if segs := p.track.Snapshot().Segments; len(segs) > 0 {
			p.after = before(segs[len(segs)-1].Parts[0].ID())
		}
		p.sess.log.Warn("downstream is too slow: jumping to the newest segment", "stream", p.req.Stream, "track", p.req.Track, "from", part.ID().String())
		return true
	}
	if se, ok := errors.AsType[*quic.StreamError](err); ok && se.Remote {
		// The downstream has no use for the rest of this segment.
		p.endSegment(relaywire.StreamCancelled)
		p.after = media.PartID{MSN: part.ID().MSN, Index: math.MaxUint64}
		return true
	}
	return false // the connection is gone
}

// waitForMore tells the downstream that the track has ended and waits until
// that changes.
func (p *push) waitForMore(ctx context.Context) {
	snap := p.track.Snapshot()
	var last media.PartID
	if part, ok := snap.Last(); ok {
		last = part.ID()
	}
	if !snap.Ended || last.Compare(p.after) > 0 {
		return // there is more by now
	}
	p.endSegment(relaywire.StreamAbandoned)
	p.sess.ctl.send(relaywire.TrackEnd{ID: p.req.ID, Last: last})
	select {
	case <-snap.Changed:
	case <-ctx.Done():
	}
}

// startAfter gives the part after which a subscription from the given one
// begins, in the window snap (docs/relay.md, SUBSCRIBE).
func startAfter(from media.PartID, snap *store.Snapshot) media.PartID {
	if from.MSN > 0 {
		return before(from)
	}
	n := len(snap.Segments)
	if n == 0 {
		return media.PartID{}
	}
	if from.Index == 0 {
		last, _ := snap.Last()
		return last.ID()
	}
	return before(snap.Segments[n-int(min(from.Index, uint64(n)))].Parts[0].ID())
}

// before gives an id that is before id and not before any part before it.
func before(id media.PartID) media.PartID {
	switch {
	case id.Index > 0:
		return media.PartID{MSN: id.MSN, Index: id.Index - 1}
	case id.MSN > 0:
		return media.PartID{MSN: id.MSN - 1, Index: math.MaxUint64}
	}
	return media.PartID{}
}

// subscribeCode maps an error of Acquire to the wire.
func subscribeCode(err error) relaywire.SubscribeCode {
	switch {
	case errors.Is(err, ErrNoStream):
		return relaywire.SubscribeNoStream
	case errors.Is(err, ErrNoTrack):
		return relaywire.SubscribeNoTrack
	case errors.Is(err, ErrOverloaded):
		return relaywire.SubscribeOverloaded
	}
	return relaywire.SubscribeInternal
}
