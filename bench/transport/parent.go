package transport

import (
	"fmt"
	"time"

	"starling/internal/peerstate"
)

// message is a chunk that waits to be sent.
type message struct {
	frame frame
	size  int // payload
}

// child is one of a parent's children.
type child struct {
	link   *link
	queue  []message
	paused bool
}

// parent pushes a slice, or the parity of all, to its children.
type parent struct {
	scheme   Scheme
	slice    int // Scheme.Slices is the parity slice
	children []*child
	turn     int

	rate   float64 // bytes/s
	burst  float64
	tokens float64
	at     time.Time

	wake chan struct{}
	buf  []byte
}

func newParent(s Scheme, slice int, uplink int64) *parent {
	pace := s.Pace
	if pace == 0 {
		pace = 1
	}
	p := &parent{scheme: s, slice: slice, rate: pace * float64(uplink) / 8, at: time.Now(), wake: make(chan struct{}, 1)}
	// As peerstate.Bucket has it.
	p.burst = max(p.rate/20, 32<<10)
	if s.Burst > 0 {
		p.burst = float64(s.Burst)
	}
	p.tokens = p.burst
	return p
}

func (p *parent) add(l *link) {
	p.children = append(p.children, &child{link: l})
	l.out.SetBufferedAmountLowThreshold(peerstate.LowWater)
	l.out.OnBufferedAmountLow(func() {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	})
}

// messages are what the parent sends of a part.
func (p *parent) messages(part int, l layout) []message {
	var out []message
	if p.slice == l.slices {
		for i := range l.longest() {
			out = append(out, message{frame{part: part, chunk: i, slice: p.slice, parity: true}, min(l.chunk, l.size)})
		}
		return out
	}
	from, to := l.of(p.slice)
	for c := from; c < to; c++ {
		out = append(out, message{frame{part: part, chunk: c, slice: p.slice}, l.bytes(c)})
	}
	if p.scheme.Parity == ChunkParity && to > from {
		out = append(out, message{frame{part: part, slice: p.slice, parity: true}, min(l.chunk, l.size)})
	}
	return out
}

// run sends each part when it is due until stop is closed.
func (p *parent) run(start time.Time, parts []layout, stop <-chan struct{}) error {
	next := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		for next < len(parts) && !now.Before(start.Add(time.Duration(next)*partDuration)) {
			all := p.messages(next, parts[next])
			for _, c := range p.children {
				c.queue = append(c.queue, all...)
			}
			if p.scheme.Drawn { // all parents count the parts alike
				p.turn = next
			}
			next++
		}
		wait, err := p.pump(now)
		if err != nil {
			return err
		}
		if next < len(parts) {
			due := start.Add(time.Duration(next) * partDuration).Sub(now)
			if wait == 0 || due < wait {
				wait = due
			}
		}
		if wait == 0 {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-stop:
			return nil
		}
	}
}

// pump sends a chunk to each child in turn (or all there is, child after child), as far as the bucket and the
// channels let it. It gives the time until the bucket lets the next through, 0
// when something else is waited for.
func (p *parent) pump(now time.Time) (time.Duration, error) {
	p.tokens = min(p.burst, p.tokens+now.Sub(p.at).Seconds()*p.rate)
	p.at = now
	for sent := true; sent; {
		sent = false
		for i := range p.children {
			c := p.children[(i+p.turn)%len(p.children)]
			if len(c.queue) == 0 {
				continue
			}
			if p.scheme.Paced {
				buffered := c.link.out.BufferedAmount()
				c.paused = buffered > peerstate.HighWater || c.paused && buffered > peerstate.LowWater
				if c.paused {
					continue
				}
				if p.tokens <= 0 {
					if !p.scheme.Drawn {
						p.turn += i // who was not served comes first
					}
					return time.Duration(-p.tokens/p.rate*float64(time.Second)) + time.Millisecond, nil
				}
			}
			m := c.queue[0]
			c.queue = c.queue[1:]
			p.buf = m.frame.append(p.buf[:0], m.size)
			if _, err := c.link.out.Write(p.buf); err != nil {
				return 0, fmt.Errorf("send a chunk: %w", err)
			}
			p.tokens -= float64(len(p.buf))
			sent = true
			if p.scheme.Drawn { // from the first one again
				break
			}
		}
		if !p.scheme.Drawn {
			p.turn++
		}
	}
	return 0, nil
}
