package relay

import (
	"context"
	"reflect"
	"time"

	"golang.org/x/sync/errgroup"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/wait"
)

// endWait bounds how long the end of a stream waits for its last parts: media
// and catalog travel on different streams.
const endWait = 5 * time.Second

// attach makes sess the session in use.
func (c *Client) attach(sess *clientSession) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sess = sess
	c.m.connected.Set(1)
	c.m.sessions.Inc()
}

// detach forgets sess. Subscriptions stay, to be made again in the next one.
func (c *Client) detach(sess *clientSession) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sess != sess {
		return
	}
	c.sess = nil
	c.m.connected.Set(0)
	select {
	case <-c.up:
		c.up = make(chan struct{})
	default:
	}
	for _, s := range c.subs {
		s.id = 0
	}
	clear(sess.byID)
}

// announce takes a catalog over and subscribes what waits for it.
func (c *Client) announce(ctx context.Context, g *errgroup.Group, sess *clientSession, info *media.StreamInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.owned[info.ID] {
		if len(c.owned) >= c.cfg.MaxStreams {
			c.log.Error("too many streams from upstream: one is not carried", "stream", info.ID, "limit", c.cfg.MaxStreams)
			return
		}
		c.owned[info.ID] = true
	}
	if cancel := c.endings[info.ID]; cancel != nil {
		cancel()
		delete(c.endings, info.ID)
	}
	st, exists := c.dir.Get(info.ID)
	var waiting []<-chan struct{}
	for key, s := range c.subs {
		if key.stream != info.ID || s.id == 0 {
			continue
		}
		if !info.Ended {
			s.reopen()
		}
		waiting = append(waiting, s.whenDrained())
	}
	switch {
	case exists && reflect.DeepEqual(st.Info(), info):
		// The same after a reconnect: nobody needs to be woken.
	case info.Ended && len(waiting) > 0:
		ectx, cancel := context.WithTimeout(ctx, endWait)
		c.endings[info.ID] = cancel
		g.Go(func() error {
			defer cancel()
			c.endLater(ectx, info, waiting)
			return nil
		})
	default:
		c.dir.Put(info)
	}
	for key, s := range c.subs {
		if key.stream == info.ID && s.id == 0 {
			c.subscribeLocked(sess, s)
		}
	}
}

// endLater applies the catalog of an ended stream when its last parts are
// there: a player that sees the end stops asking.
func (c *Client) endLater(ctx context.Context, info *media.StreamInfo, waiting []<-chan struct{}) {
	for _, drained := range waiting {
		select {
		case <-drained:
		case <-ctx.Done():
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owned[info.ID] && ctx.Err() != context.Canceled {
		c.dir.Put(info)
	}
}

// withdraw forgets a stream that the upstream no longer carries.
func (c *Client) withdraw(id media.StreamID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.owned[id] {
		return
	}
	delete(c.owned, id)
	if cancel := c.endings[id]; cancel != nil {
		cancel()
		delete(c.endings, id)
	}
	for key, s := range c.subs {
		if key.stream == id {
			c.removeLocked(s, ErrNoStream)
		}
	}
	c.dir.Remove(id)
	c.log.Info("stream is gone", "stream", id)
}

// synced removes what the upstream did not announce: it ended while there was
// no session.
func (c *Client) synced(sess *clientSession) {
	c.mu.Lock()
	var gone []media.StreamID
	for id := range c.owned {
		if !sess.announced[id] {
			gone = append(gone, id)
		}
	}
	select {
	case <-c.up:
	default:
		close(c.up)
	}
	c.mu.Unlock()
	for _, id := range gone {
		c.withdraw(id)
	}
}

// byID finds the subscription that has id in sess.
func (c *Client) byID(sess *clientSession, id uint64) *subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	return sess.byID[id]
}

// accepted handles SUBSCRIBE_OK.
func (c *Client) accepted(sess *clientSession, id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := sess.byID[id]; s != nil {
		s.settleLocked(nil)
	}
}

// refused handles SUBSCRIBE_ERROR: who waits in Acquire gets the error; a
// subscription that was served before is tried again, since its upstream may
// itself be finding its way.
func (c *Client) refused(ctx context.Context, g *errgroup.Group, sess *clientSession, f relaywire.SubscribeError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := sess.byID[f.ID]
	if s == nil {
		return
	}
	delete(sess.byID, f.ID)
	s.id = 0
	if !s.settled() {
		c.removeLocked(s, refusal(f.Code, f.Reason))
		return
	}
	c.log.Warn("upstream refuses a running subscription", "stream", s.key.stream, "track", s.key.track, "code", f.Code.String(), "reason", f.Reason)
	g.Go(func() error {
		if wait.For(ctx, refusedPause) == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.sess == sess && c.subs[s.key] == s && s.id == 0 {
				c.subscribeLocked(sess, s)
			}
		}
		return nil
	})
}
