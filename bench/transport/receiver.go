package transport

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"starling/internal/peerstate"
)

const (
	// holdBack is how far behind the newest part the player is: three parts.
	holdBack = 3 * partDuration
	// look is how often a child looks for what is to be repaired.
	look = 5 * time.Millisecond
	// giveUp is after how long a part counts as never complete.
	giveUp = 4 * time.Second
)

// receipt is what a child has of a part.
type receipt struct {
	layout
	begun    time.Time // the parents have it
	held     []bool
	asked    []bool // of the edge
	left     int    // chunks missing
	latest   []time.Time
	newest   []int // highest chunk of each slice that came
	gapSince []time.Time
	parity   []bool // that came, by slice or by place
	done     time.Time
	repaired bool
}

// receiver is a child: it takes slices from its parents, repairs what is
// missing from the edge, and measures.
type receiver struct {
	scheme Scheme
	rtt    time.Duration
	quiet  time.Duration
	edge   net.Conn

	mu     sync.Mutex
	got    []*receipt
	oldest int // before it all is complete or given up
	counts counts
}

// counts of payload bytes.
type counts struct {
	useful, repaired, duplicate, parity int64
}

func newReceiver(s Scheme, rtt, gap time.Duration, edge net.Conn, parts []layout) *receiver {
	quiet := time.Duration(s.QuietMS)*time.Millisecond + time.Duration(s.RTTs*float64(rtt)+s.Gaps*float64(gap))
	r := &receiver{scheme: s, rtt: rtt, quiet: quiet, edge: edge, got: make([]*receipt, len(parts))}
	for i, l := range parts {
		n := l.chunks()
		r.got[i] = &receipt{layout: l, held: make([]bool, n), asked: make([]bool, n), left: n,
			latest: make([]time.Time, l.slices), newest: make([]int, l.slices), gapSince: make([]time.Time, n), parity: make([]bool, max(l.slices, l.longest()))}
		for s := range r.got[i].newest {
			r.got[i].newest[s] = -1
		}
	}
	return r
}

// begin says when the parents have the first part.
func (r *receiver) begin(start time.Time) {
	for i, p := range r.got {
		p.begun = start.Add(time.Duration(i) * partDuration)
	}
}

// receive takes what a parent sends until the association ends.
func (r *receiver) receive(l *link) {
	buf := make([]byte, fullChunk+frameSize)
	for {
		n, err := l.in.Read(buf)
		if err != nil {
			return
		}
		r.onMessage(parseFrame(buf[:n]), time.Now())
	}
}

func (r *receiver) onMessage(f frame, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.got[f.part]
	if f.parity {
		r.counts.parity += int64(min(p.chunk, p.size))
		if f.slice < p.slices { // of one slice
			p.parity[f.slice] = true
			p.latest[f.slice] = now
			_, to := p.of(f.slice)
			p.gap(f.slice, to, now) // it comes last
		} else {
			p.parity[f.chunk] = true
		}
		r.recover(p, now)
		return
	}
	p.latest[f.slice] = now
	p.gap(f.slice, f.chunk, now)
	r.hold(p, f.chunk, now)
	r.recover(p, now)
}

// gap marks the chunks of a slice that are missing before one that came: order
// is kept on the path.
func (p *receipt) gap(slice, chunk int, now time.Time) {
	if chunk <= p.newest[slice] {
		return
	}
	from, _ := p.of(slice)
	for c := max(from, p.newest[slice]); c < chunk; c++ {
		if !p.held[c] && p.gapSince[c].IsZero() {
			p.gapSince[c] = now
		}
	}
	p.newest[slice] = chunk
}

// hold takes note of a chunk, whoever it came from.
func (r *receiver) hold(p *receipt, chunk int, now time.Time) {
	if p.held[chunk] {
		r.counts.duplicate += int64(p.bytes(chunk))
		return
	}
	p.held[chunk] = true
	r.counts.useful += int64(p.bytes(chunk))
	if p.left--; p.left == 0 {
		p.done = now
	}
}

// recover makes what parity allows: the one chunk missing of a group.
func (r *receiver) recover(p *receipt, now time.Time) {
	if p.left == 0 {
		return
	}
	for i, have := range p.parity {
		if !have {
			continue
		}
		missing, count := -1, 0
		for _, c := range r.group(p, i) {
			if !p.held[c] {
				missing = c
				count++
			}
		}
		if count == 1 {
			r.hold(p, missing, now)
		}
	}
}

// group gives the chunks that a parity chunk covers.
func (r *receiver) group(p *receipt, i int) []int {
	var out []int
	switch r.scheme.Parity {
	case ChunkParity:
		from, to := p.of(i)
		for c := from; c < to; c++ {
			out = append(out, c)
		}
	case SliceParity:
		for s := range p.slices {
			if from, to := p.of(s); from+i < to {
				out = append(out, from+i)
			}
		}
	}
	return out
}

// due says whether a missing chunk is to be repaired.
func (r *receiver) due(p *receipt, slice, chunk int, now time.Time) bool {
	known := p.begun.Add(r.rtt / 2) // when the header came
	patience := time.Duration(peerstate.DefaultRules().Patience(holdBack.Milliseconds())) * time.Millisecond
	if r.scheme.PatienceMS > 0 {
		patience = time.Duration(r.scheme.PatienceMS) * time.Millisecond
	}
	if now.Sub(known) >= patience {
		return true
	}
	if gap := time.Duration(r.scheme.GapMS) * time.Millisecond; gap > 0 && !p.gapSince[chunk].IsZero() && now.Sub(p.gapSince[chunk]) >= gap {
		return true
	}
	return !p.latest[slice].IsZero() && now.Sub(p.latest[slice]) >= r.quiet
}

// repair asks the edge for what is due until stop is closed.
func (r *receiver) repair(stop <-chan struct{}) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	var ask []byte
	for {
		select {
		case now := <-tick.C:
			ask = r.wanted(ask[:0], now)
		case <-stop:
			return nil
		}
		if len(ask) > 0 {
			if _, err := r.edge.Write(ask); err != nil {
				return fmt.Errorf("ask the edge: %w", err)
			}
		}
	}
}

// wanted appends the requests that are due, frameSize bytes each.
func (r *receiver) wanted(ask []byte, now time.Time) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := r.oldest; i < len(r.got); i++ {
		p := r.got[i]
		if now.Before(p.begun) {
			break
		}
		if p.left == 0 || now.Sub(p.begun) > giveUp {
			if i == r.oldest {
				r.oldest++
			}
			continue
		}
		for s := range p.slices {
			from, to := p.of(s)
			for c := from; c < to; c++ {
				if !p.held[c] && !p.asked[c] && r.due(p, s, c, now) {
					p.asked[c], p.repaired = true, true
					ask = frame{part: i, chunk: c, slice: s}.append(ask, 0)
				}
			}
		}
	}
	return ask
}

// onRepairs takes the edge's answers until the connection ends.
func (r *receiver) onRepairs() {
	in := bufio.NewReader(r.edge)
	var head [frameSize]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		f := parseFrame(head[:])
		p := r.got[f.part]
		if _, err := in.Discard(p.bytes(f.chunk)); err != nil {
			return
		}
		r.mu.Lock()
		r.counts.repaired += int64(p.bytes(f.chunk))
		r.hold(p, f.chunk, time.Now())
		r.recover(p, time.Now())
		r.mu.Unlock()
	}
}

// serveRepairs is the edge: it answers each request with the chunk.
func serveRepairs(c net.Conn, parts []layout) {
	var head [frameSize]byte
	for {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		size := parts[binary.BigEndian.Uint32(head[:])].bytes(int(binary.BigEndian.Uint32(head[4:])))
		if _, err := c.Write(append(head[:], make([]byte, size)...)); err != nil {
			return
		}
	}
}
