package network

import (
	"time"
)

// event is something that happens at a time.
type event struct {
	at   int64 // ns
	seq  uint64
	what happening
}

// happening is called by the network's goroutine with mu held.
type happening interface {
	happen(now int64)
}

// heap is a binary heap of events by time, those of the same time in the order
// of their making.
type heap struct {
	list []event
	seq  uint64
}

func (h *heap) before(i, j int) bool {
	a, b := &h.list[i], &h.list[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (h *heap) push(at int64, what happening) {
	h.seq++
	h.list = append(h.list, event{at, h.seq, what})
	for i := len(h.list) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h.before(i, parent) {
			return
		}
		h.list[i], h.list[parent] = h.list[parent], h.list[i]
		i = parent
	}
}

func (h *heap) pop() event {
	top, last := h.list[0], len(h.list)-1
	h.list[0] = h.list[last]
	h.list[last] = event{}
	h.list = h.list[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if h.before(child, least) {
				least = child
			}
		}
		if least == i {
			return top
		}
		h.list[i], h.list[least] = h.list[least], h.list[i]
		i = least
	}
}

// at lets something happen at that time or up to a tick later. mu must be held.
func (n *Network) at(t int64, what happening) {
	tick := int64(n.cfg.Tick)
	t = (t + tick - 1) / tick * tick
	first := len(n.events.list) == 0 || t < n.events.list[0].at
	n.events.push(t, what)
	if first {
		select {
		case n.wake <- struct{}{}:
		default:
		}
	}
}

// run lets events happen when they are due.
func (n *Network) run() {
	defer close(n.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-n.wake:
		case <-n.quit:
			return
		}
		timer.Reset(time.Duration(n.due()))
	}
}

// maxBatch bounds how long the lock is held at once.
const maxBatch = 256

// due lets what is due happen and gives the time to the next event, in ns.
func (n *Network) due() int64 {
	for {
		n.mu.Lock()
		now := n.now()
		for range maxBatch {
			if n.closed || len(n.events.list) == 0 {
				n.mu.Unlock()
				return int64(time.Hour)
			}
			if wait := n.events.list[0].at - now; wait > 0 {
				n.mu.Unlock()
				return wait
			}
			// What happens is told the time it was due, so that in real time a
			// late wake-up does not add to delays further on.
			e := n.events.pop()
			e.what.happen(e.at)
		}
		n.mu.Unlock()
	}
}
