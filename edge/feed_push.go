package edge

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"starling/internal/media"
	"starling/internal/peerwire"
	"starling/internal/store"
)

const (
	// A jump passes over about skipCost parts (FeedLag of 333 ms parts) and
	// each part sent takes one off. At maxSlow the viewer has for some time got
	// less than half of what it subscribed to: it does better with plain HLS.
	skipCost, maxSlow = 12, 36
	// abortPause keeps a pusher from spinning on a part that was aborted and
	// not yet replaced.
	abortPause = 20 * time.Millisecond
	// headerMemory is how many parts of a track count as "header already sent".
	headerMemory = 64
)

// subscriptions are the tracks that a feed pushes.
type subscriptions struct {
	mu     sync.Mutex
	tracks map[uint8]*subscription
}

// subscription is one track of a feed, pushed by one goroutine that follows
// the track's live end. There is no queue: a slow reader makes the pusher late,
// and a late pusher jumps to the newest part.
type subscription struct {
	feed   *feed
	view   *view
	number uint8
	slices int
	ctx    context.Context
	cancel context.CancelFunc

	// Guarded by feed.subs.mu.
	mask   peerwire.SliceMask
	until  [peerwire.MaxSlices]media.PartID // where a slice ends; MSN 0: it does not
	at     media.PartID                     // the part being pushed, or the last one
	atMask peerwire.SliceMask               // what is pushed of it
}

// before is the greatest id that is less than p.
func before(p media.PartID) media.PartID {
	switch {
	case p.Index > 0:
		return media.PartID{MSN: p.MSN, Index: p.Index - 1}
	case p.MSN > 0:
		return media.PartID{MSN: p.MSN - 1, Index: math.MaxUint64}
	}
	return p
}

// wanted gives the slices that are to be pushed of a part. subs.mu is held.
func (u *subscription) wanted(id media.PartID) peerwire.SliceMask {
	m := u.mask
	for s, end := range u.until {
		if end.MSN != 0 && end.Compare(id) <= 0 {
			m &^= 1 << s
		}
	}
	return m
}

// end notes where slices end and gives those that had ended by part from and go
// on now. subs.mu is held.
func (u *subscription) end(mask peerwire.SliceMask, from, until media.PartID) (more peerwire.SliceMask) {
	for s, old := range u.until {
		if !mask.Has(s) {
			continue
		}
		if u.mask.Has(s) && old.MSN != 0 && old.Compare(from) <= 0 {
			more = more.With(s)
		}
		u.until[s] = until
	}
	return more
}

// subscribe starts pushing slices of a track or adds slices to those pushed.
// An empty mask asks for the headers alone.
func (f *feed) subscribe(fr peerwire.Subscribe) bool {
	track, ok := f.stream.Info().TrackByNumber(fr.Track)
	if !ok {
		return f.send(peerwire.RefuseSubscribe(peerwire.ReasonAbsent, fr.Track, fr.Slices)) == nil
	}
	window, ok := f.stream.Track(track.Name)
	if !ok {
		return f.send(peerwire.RefuseSubscribe(peerwire.ReasonAbsent, fr.Track, fr.Slices)) == nil
	}
	mask := fr.Slices & peerwire.AllSlices(max(track.Slices, 1))
	f.subs.mu.Lock()
	defer f.subs.mu.Unlock()
	sub := f.subs.tracks[fr.Track]
	if sub == nil {
		f.start(track, window, mask, fr)
		return true
	}
	added := mask&^sub.mask | sub.end(mask, fr.Part, fr.Until)
	sub.mask |= mask
	// The pusher takes the new slices up with its next part. What it has left
	// behind of them, from the part asked for, is caught up apart.
	if added != 0 && fr.Part.MSN != 0 && fr.Part.Compare(sub.at) <= 0 {
		f.answers.add(answer{sub: sub, mask: added, from: fr.Part, to: sub.at})
	}
	return true
}

// start begins a subscription. subs.mu is held.
func (f *feed) start(track *media.TrackInfo, window *store.Track, mask peerwire.SliceMask, fr peerwire.Subscribe) {
	sub := &subscription{feed: f, view: f.s.views.use(f.stream, window), number: track.Number, slices: max(track.Slices, 1), mask: mask}
	sub.ctx, sub.cancel = context.WithCancel(f.ctx)
	sub.end(mask, fr.Part, fr.Until)
	if fr.Part.MSN != 0 {
		sub.at = before(fr.Part)
	} else if last, ok := window.Snapshot().Last(); ok {
		sub.at = last.ID()
	}
	f.subs.tracks[track.Number] = sub
	f.wg.Go(sub.push)
}

func (f *feed) unsubscribe(fr peerwire.Unsubscribe) {
	f.subs.mu.Lock()
	defer f.subs.mu.Unlock()
	sub := f.subs.tracks[fr.Track]
	if sub == nil {
		return
	}
	sub.mask &^= fr.Slices
	if sub.mask == 0 {
		sub.cancel()
		delete(f.subs.tracks, fr.Track)
	}
}

// push follows the live end of the track until the subscription ends.
func (u *subscription) push() {
	defer u.view.done()
	defer u.cancel()
	slow := 0
	buf := make([]byte, 0, media.MaxChunkSize+64)
	for {
		p, err := u.view.track.Next(u.ctx, u.at)
		if errors.Is(err, store.ErrEnded) {
			if !u.awaitResume() {
				return
			}
			continue
		}
		if err != nil {
			return
		}
		if newest, late := u.lag(p); late {
			u.feed.s.acct.feedSkips.Add(1)
			if slow += skipCost; slow >= maxSlow {
				u.feed.s.acct.feedSlow.Add(1)
				u.feed.end(peerwire.ReasonLate, "this path is too slow for the slices subscribed")
				return
			}
			u.begin(before(newest), 0)
			continue
		}
		u.begin(p.ID(), u.wantedNow(p.ID()))
		buf, err = u.feed.sendPart(u.ctx, buf, u.number, u.slices, p, u.wants)
		if errors.Is(err, store.ErrAborted) {
			u.begin(before(p.ID()), 0) // it comes again
			select {
			case <-time.After(abortPause):
			case <-u.ctx.Done():
			}
			continue
		}
		if err != nil {
			return
		}
		slow = max(slow-1, 0)
	}
}

// begin notes which part is pushed now and what of it.
func (u *subscription) begin(id media.PartID, mask peerwire.SliceMask) {
	u.feed.subs.mu.Lock()
	defer u.feed.subs.mu.Unlock()
	u.at, u.atMask = id, mask
}

func (u *subscription) wantedNow(id media.PartID) peerwire.SliceMask {
	u.feed.subs.mu.Lock()
	defer u.feed.subs.mu.Unlock()
	return u.wanted(id)
}

// wants reports whether slice s of the part being pushed is still wanted.
func (u *subscription) wants(s int) bool {
	u.feed.subs.mu.Lock()
	defer u.feed.subs.mu.Unlock()
	return (u.atMask & u.mask).Has(s)
}

// lag reports whether p is so old that the viewer is better served by the
// newest part (docs/peer.md, rule 4).
func (u *subscription) lag(p *store.Part) (newest media.PartID, late bool) {
	last, ok := u.view.track.Snapshot().Last()
	if !ok || last.Header.PDT.Sub(p.Header.PDT) <= u.feed.s.cfg.FeedLag {
		return media.PartID{}, false
	}
	return last.ID(), true
}

// awaitResume waits for a publisher to come back; the keeper ends the feed when
// the stream is removed.
func (u *subscription) awaitResume() bool {
	snap := u.view.track.Snapshot()
	if !snap.Ended {
		return true
	}
	select {
	case <-snap.Changed:
		return true
	case <-u.ctx.Done():
		return false
	}
}

// sendPart sends a part's header and those of its chunks whose slice is
// wanted, each as soon as its bytes are there. buf is reused and given back.
func (f *feed) sendPart(ctx context.Context, buf []byte, track uint8, slices int, p *store.Part, wanted func(slice int) bool) ([]byte, error) {
	if err := f.headers.send(f, track, p); err != nil {
		return buf, err
	}
	n := p.Header.Chunks()
	for i := range n {
		if !wanted(media.SliceOf(n, slices, i)) {
			continue
		}
		var err error
		if buf, err = f.sendChunk(ctx, buf, track, p, i); err != nil {
			return buf, err
		}
	}
	return buf, nil
}

func (f *feed) sendChunk(ctx context.Context, buf []byte, track uint8, p *store.Part, i int) ([]byte, error) {
	from, to := p.Header.ChunkRange(i)
	b := p.Bytes()
	for len(b) < to {
		var err error
		if b, err = p.Wait(ctx, len(b)); err != nil {
			return buf, err
		}
	}
	buf = peerwire.AppendChunkPrefix(buf[:0], track, p.ID(), i)
	buf = append(buf, b[from:to]...)
	if err := f.write(buf); err != nil {
		return buf, err
	}
	f.acct.feedBytes.Add(uint64(to - from))
	return buf, nil
}

// headerLog sends each part's header once, before its first chunk.
type headerLog struct {
	turn chan struct{}            // of capacity 1: whoever has put a token in may write
	sent map[uint8][]media.PartID // the newest headerMemory of each track
}

func (l *headerLog) send(f *feed, track uint8, p *store.Part) error {
	// The turn is held while writing, so that no chunk overtakes the header. It
	// is no mutex, because writing waits for the viewer.
	select {
	case l.turn <- struct{}{}:
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
	defer func() { <-l.turn }()
	if slices.Contains(l.sent[track], p.ID()) {
		return nil
	}
	if err := f.send(peerwire.Header{Raw: p.Raw}); err != nil {
		return err
	}
	s := append(l.sent[track], p.ID())
	l.sent[track] = s[max(len(s)-headerMemory, 0):]
	return nil
}
