package ladder

import (
	"sync"
	"time"

	"starling/internal/cmaf"
)

// feed is the queue between the publisher and the encoder's input. Putting in
// never blocks: when the encoder falls behind, the newest group of pictures is
// dropped and so is everything up to a keyframe at which there is room again.
type feed struct {
	maxSpan  time.Duration
	maxBytes int

	mu      sync.Mutex
	queue   []cmaf.AccessUnit
	bytes   int
	waitKey bool
	closed  bool
	dropped uint64
	wake    chan struct{} // has room for one: there may be something to take
}

func newFeed(maxSpan time.Duration, maxBytes int) *feed {
	return &feed{maxSpan: maxSpan, maxBytes: maxBytes, waitKey: true, wake: make(chan struct{}, 1)}
}

// put queues an access unit, or drops it.
func (f *feed) put(au cmaf.AccessUnit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if f.waitKey && (!au.Key || f.over(au)) {
		f.dropped++
		return
	}
	f.waitKey = false
	f.queue = append(f.queue, au)
	f.bytes += len(au.Data)
	if f.over(au) {
		f.dropNewestGroup()
	}
	f.signal()
}

func (f *feed) over(au cmaf.AccessUnit) bool {
	return len(f.queue) > 0 && time.Duration(au.DTS-f.queue[0].DTS)*time.Millisecond > f.maxSpan || f.bytes > f.maxBytes
}

// dropNewestGroup drops the newest group of pictures, or what is left of the
// one that the encoder is reading: it can decode the beginning of a group.
func (f *feed) dropNewestGroup() {
	keep := 0
	for i := len(f.queue) - 1; i > 0; i-- {
		if f.queue[i].Key {
			keep = i
			break
		}
	}
	for _, au := range f.queue[keep:] {
		f.bytes -= len(au.Data)
	}
	f.dropped += uint64(len(f.queue) - keep)
	clear(f.queue[keep:])
	f.queue = f.queue[:keep]
	f.waitKey = true
}

// take gives the oldest access unit. more is false after close, when all has
// been taken; ok is false when there is nothing at the moment.
func (f *feed) take() (au cmaf.AccessUnit, ok, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return au, false, !f.closed
	}
	au = f.queue[0]
	f.queue[0] = cmaf.AccessUnit{}
	f.queue = f.queue[1:]
	f.bytes -= len(au.Data)
	return au, true, true
}

// restart empties the queue for a new encoder.
func (f *feed) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dropped += uint64(len(f.queue))
	f.queue, f.bytes, f.waitKey = nil, 0, true
}

// close ends the queue; what is in it can still be taken.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.signal()
}

func (f *feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *feed) droppedFrames() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dropped
}

func (f *feed) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}
