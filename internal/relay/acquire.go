package relay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"starling/internal/media"
	"starling/internal/relaywire"
)

// Acquire makes the track flow into the directory until release is called; the
// upstream is asked once however many acquire it, and left Linger after the
// last release. It returns when the upstream has accepted, or with ErrNoStream,
// ErrNoTrack, ErrOverloaded, or ErrNoUpstream after Grace.
func (c *Client) Acquire(ctx context.Context, stream media.StreamID, track string) (release func(), err error) {
	grace := time.NewTimer(c.cfg.Grace)
	defer grace.Stop()
	if err := c.waitForCatalog(ctx, stream, grace.C); err != nil {
		return nil, fmt.Errorf("acquiring %s %s: %w", stream, track, err)
	}
	s, err := c.retain(stream, track)
	if err != nil {
		return nil, fmt.Errorf("acquiring %s %s: %w", stream, track, err)
	}
	release = sync.OnceFunc(func() { c.release(s) })
	select {
	case <-s.ready:
		if s.err == nil {
			return release, nil
		}
		err = s.err
	case <-grace.C:
		err = ErrNoUpstream
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	release()
	return nil, fmt.Errorf("acquiring %s %s: %w", stream, track, err)
}

// waitForCatalog gives a node that just started time to learn its streams.
func (c *Client) waitForCatalog(ctx context.Context, stream media.StreamID, grace <-chan time.Time) error {
	c.mu.Lock()
	up := c.up
	c.mu.Unlock()
	if _, ok := c.dir.Get(stream); ok {
		up = nil
	}
	select {
	case <-c.running:
	case <-grace:
		return ErrNoUpstream
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if up == nil {
		return nil
	}
	select {
	case <-up:
		return nil
	case <-grace:
		return ErrNoUpstream
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retain finds or makes the subscription and counts a reader.
func (c *Client) retain(stream media.StreamID, track string) (*subscription, error) {
	st, ok := c.dir.Get(stream)
	if !ok {
		return nil, ErrNoStream
	}
	tr, ok := st.Track(track)
	if !ok {
		return nil, ErrNoTrack
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	key := subKey{stream, track}
	s := c.subs[key]
	if s != nil && s.stream != st {
		c.removeLocked(s, ErrNoStream) // of a stream that was removed and came back
		s = nil
	}
	if s == nil {
		s = newSubscription(c, key, st, tr)
		c.subs[key] = s
		c.m.subscriptions.Inc()
		before := c.tails[key]
		c.wg.Go(func() { s.run(before) })
		if c.sess != nil {
			c.subscribeLocked(c.sess, s)
		}
	}
	s.refs++
	if s.linger != nil {
		s.linger.Stop()
		s.linger = nil
	}
	return s, nil
}

func (c *Client) release(s *subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.refs--
	if s.refs > 0 || c.subs[s.key] != s {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(c.cfg.Linger, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if s.linger == timer && s.refs == 0 && c.subs[s.key] == s {
			s.expired = true
			c.removeLocked(s, ErrClosed)
		}
	})
	s.linger = timer
}

// removeLocked ends a subscription; who still waits for it gets err.
func (c *Client) removeLocked(s *subscription, err error) {
	if c.subs[s.key] != s {
		return
	}
	delete(c.subs, s.key)
	c.m.subscriptions.Dec()
	if s.linger != nil {
		s.linger.Stop()
		s.linger = nil
	}
	if c.sess != nil && s.id != 0 {
		delete(c.sess.byID, s.id)
		c.sess.ctl.send(relaywire.Unsubscribe{ID: s.id})
	}
	s.id = 0
	s.settleLocked(err)
	// Its goroutine may still be writing; the next one of the track waits.
	c.tails[s.key] = s.done
	s.cancel()
}

// subscribeLocked asks the upstream for s, from the part after the last
// complete one.
func (c *Client) subscribeLocked(sess *clientSession, s *subscription) {
	if s.id != 0 {
		delete(sess.byID, s.id)
		sess.ctl.send(relaywire.Unsubscribe{ID: s.id})
	}
	c.nextID++
	s.id = c.nextID
	sess.byID[s.id] = s
	sess.ctl.send(relaywire.Subscribe{ID: s.id, Stream: s.key.stream, Track: s.key.track, From: s.from()})
}

// resubscribe begins s anew in sess, when both are still in use.
func (c *Client) resubscribe(sess *clientSession, s *subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sess == sess && c.subs[s.key] == s {
		c.subscribeLocked(sess, s)
	}
}
