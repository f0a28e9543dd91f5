package peerstate

import (
	"cmp"
	"slices"
)

// Bucket is the token bucket that every upload passes: the hard limit of what
// this viewer gives. It is not for concurrent use.
type Bucket struct {
	bytesPerSec int64
	burst       int64
	tokens      int64 // may be negative by one chunk
	rest        int64 // thousandths of a byte not yet credited
	at          int64 // ms
}

// NewBucket makes a full bucket for bitsPerSec.
func NewBucket(bitsPerSec int, now int64) *Bucket {
	rate := int64(bitsPerSec) / 8
	burst := burstOf(rate)
	return &Bucket{bytesPerSec: rate, burst: burst, tokens: burst, at: now}
}

// burstOf is what may leave at once beside the one chunk that may overdraw: what
// comes in from one tick of the shell to the next, so that a part's push is
// paced and not a burst that overflows a queue on the path.
func burstOf(bytesPerSec int64) int64 { return max(bytesPerSec/30, 4<<10) }

// SetRate changes the rate from now on; what was saved up stays, as far as the
// new rate lets it.
func (b *Bucket) SetRate(bitsPerSec, now int64) {
	b.fill(now)
	b.bytesPerSec = bitsPerSec / 8
	b.burst = burstOf(b.bytesPerSec)
	b.tokens = min(b.tokens, b.burst)
}

// Take pays for n bytes if the bucket is not empty. A chunk may overdraw it:
// what is owed is waited for by the next.
func (b *Bucket) Take(n int, now int64) bool {
	b.fill(now)
	if b.bytesPerSec <= 0 || b.tokens <= 0 {
		return false
	}
	b.tokens -= int64(n)
	return true
}

// Wait is the time in ms until Take can succeed, given that queued bytes go
// first; a negative result means never.
func (b *Bucket) Wait(queued int, now int64) int64 {
	if b.bytesPerSec <= 0 {
		return -1
	}
	b.fill(now)
	need := int64(queued) + 1 - b.tokens
	if need <= 0 {
		return 0
	}
	return (need*1000 + b.bytesPerSec - 1) / b.bytesPerSec
}

func (b *Bucket) fill(now int64) {
	if now <= b.at {
		return
	}
	credit := min(now-b.at, 60_000)*b.bytesPerSec + b.rest
	b.at = now
	b.tokens, b.rest = b.tokens+credit/1000, credit%1000
	if b.tokens >= b.burst {
		b.tokens, b.rest = b.burst, 0
	}
}

// Marks of a child's data channel (docs/peer.md rule 4).
const (
	HighWater = 256 << 10 // most bufferedAmount above which sending stops
	LowWater  = 32 << 10  // and at which it resumes at the latest
	// highWaterMS of what a child is pushed is its own mark: what is in the
	// channel can be cancelled no more, and delays all that follows.
	highWaterMS = 500
	// QueueUsefulMS is how long a chunk may wait to be sent: players are about
	// a second behind, and who waits longer has repaired it.
	QueueUsefulMS = 1500
)

// QueuedChunk is a chunk that waits to be sent to one child.
type QueuedChunk struct {
	Key   Key
	Chunk int
	Size  int
	At    int64 // when it was queued, ms
}

// ChildQueue orders what is sent to one child by deadline: older parts first,
// and within a part first in, first out. What has waited too long is dropped,
// and what was cancelled is taken out.
type ChildQueue struct {
	q      []QueuedChunk
	bytes  int
	paused bool
	high   int // mark above which sending stops; 0: HighWater
}

// MarkOf is the high mark of a channel on which a child is pushed bitsPerSec.
func MarkOf(bitsPerSec int) int {
	return min(max(bitsPerSec/8*highWaterMS/1000, LowWater), HighWater)
}

// SetMark sets the high mark of the channel.
func (c *ChildQueue) SetMark(bytes int) { c.high = bytes }

// Push queues a chunk, unless the same one waits already.
func (c *ChildQueue) Push(x QueuedChunk) bool {
	for i := len(c.q) - 1; i >= 0; i-- {
		if c.q[i].Key == x.Key && c.q[i].Chunk == x.Chunk {
			return false
		}
	}
	at := len(c.q)
	for at > 0 && before(x.Key.ID, c.q[at-1].Key.ID) {
		at--
	}
	c.q = slices.Insert(c.q, at, x)
	c.bytes += x.Size
	return true
}

// Cancel takes chunks [first, first+count) of a part out.
func (c *ChildQueue) Cancel(k Key, first, count int) {
	c.remove(func(x QueuedChunk) bool { return x.Key == k && x.Chunk >= first && x.Chunk < first+count })
}

// Drop takes the chunks that a child no longer subscribes to out.
func (c *ChildQueue) Drop(gone func(Key, int) bool) {
	c.remove(func(x QueuedChunk) bool { return gone(x.Key, x.Chunk) })
}

// Expire drops what has waited too long and gives the number of chunks.
func (c *ChildQueue) Expire(now int64) int {
	return c.remove(func(x QueuedChunk) bool { return now-x.At >= QueueUsefulMS })
}

func (c *ChildQueue) remove(gone func(QueuedChunk) bool) int {
	kept := c.q[:0]
	for _, x := range c.q {
		if gone(x) {
			c.bytes -= x.Size
		} else {
			kept = append(kept, x)
		}
	}
	n := len(c.q) - len(kept)
	c.q = kept
	return n
}

// Ready reports whether something waits that the channel would take: not while
// it is above its high mark, until it has fallen to the low one.
func (c *ChildQueue) Ready(buffered int) bool {
	high := cmp.Or(c.high, HighWater)
	c.paused = buffered > high || c.paused && buffered > min(high/2, LowWater)
	return !c.paused && len(c.q) > 0
}

// Next gives the chunk to send now: none while the child is not ready, or while
// the bucket is empty.
func (c *ChildQueue) Next(b *Bucket, buffered int, now int64) (QueuedChunk, bool) {
	if !c.Ready(buffered) {
		return QueuedChunk{}, false
	}
	x := c.q[0]
	if !b.Take(x.Size, now) {
		return QueuedChunk{}, false
	}
	c.q = append(c.q[:0], c.q[1:]...)
	c.bytes -= x.Size
	return x, true
}

// Bytes is how much waits.
func (c *ChildQueue) Bytes() int { return c.bytes }

// Len is the number of chunks that wait.
func (c *ChildQueue) Len() int { return len(c.q) }
