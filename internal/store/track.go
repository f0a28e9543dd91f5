package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"starling/internal/media"
)

// Errors of a track.
var (
	// ErrOrder reports a part that is not after all that the track holds.
	ErrOrder = errors.New("part is out of order")
	// ErrEnded reports that the stream has ended and no part will follow.
	ErrEnded = errors.New("stream has ended")
)

// Segment is an immutable view of a segment's complete parts.
type Segment struct {
	MSN   uint64
	Parts []*Part // in order; gaps in Index do not occur within a segment
}

// Final reports whether the segment's last part is there.
func (s *Segment) Final() bool {
	return len(s.Parts) > 0 && s.Parts[len(s.Parts)-1].Header.Flags.Has(media.FlagLast)
}

// Snapshot is an immutable view of a track's window of complete parts. Only
// the last segment may lack its final part.
type Snapshot struct {
	Segments []*Segment
	Ended    bool
	// Changed is closed when a newer snapshot exists.
	Changed <-chan struct{}

	changed chan struct{}
}

// Last is the newest complete part.
func (s *Snapshot) Last() (*Part, bool) {
	if len(s.Segments) == 0 {
		return nil, false
	}
	seg := s.Segments[len(s.Segments)-1]
	return seg.Parts[len(seg.Parts)-1], true
}

// Segment finds a segment of the window by number.
func (s *Snapshot) Segment(msn uint64) (*Segment, bool) {
	// Numbers may jump at a discontinuity, so this searches from the live end.
	for i := len(s.Segments) - 1; i >= 0 && s.Segments[i].MSN >= msn; i-- {
		if s.Segments[i].MSN == msn {
			return s.Segments[i], true
		}
	}
	return nil, false
}

// Part finds a complete part of the window.
func (s *Snapshot) Part(id media.PartID) (*Part, bool) {
	seg, ok := s.Segment(id.MSN)
	if !ok {
		return nil, false
	}
	i := id.Index - seg.Parts[0].ID().Index
	if id.Index < seg.Parts[0].ID().Index || i >= uint64(len(seg.Parts)) {
		return nil, false
	}
	return seg.Parts[i], true
}

// Track is a sliding window over the parts of one track. One goroutine adds
// parts in order; any number read snapshots or follow the live end.
type Track struct {
	Name     string
	maxSegs  int
	snapshot atomic.Pointer[Snapshot]

	mu      sync.Mutex
	growing *Part         // begun and not yet complete
	begun   chan struct{} // closed and replaced when growing is set or the track ends
}

// NewTrack makes an empty window that keeps maxSegs segments.
func NewTrack(name string, maxSegs int) *Track {
	t := &Track{Name: name, maxSegs: max(maxSegs, 2), begun: make(chan struct{})}
	ch := make(chan struct{})
	t.snapshot.Store(&Snapshot{Changed: ch, changed: ch})
	return t
}

// Snapshot is the current window; it never blocks.
func (t *Track) Snapshot() *Snapshot { return t.snapshot.Load() }

// Begin announces a part that is about to arrive, so that it can be forwarded
// while it does. The caller writes its bytes and then calls Finish.
func (t *Track) Begin(p *Part) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.newest(); ok && p.ID().Compare(last.ID()) <= 0 {
		return fmt.Errorf("%s %s after %s: %w", t.Name, p.ID(), last.ID(), ErrOrder)
	}
	if t.growing != nil {
		t.growing.Abort()
	}
	t.growing = p
	t.broadcast()
	return nil
}

// Finish publishes the begun part in a new snapshot, or drops it when its
// bytes are incomplete (its readers then get ErrAborted).
func (t *Track) Finish(p *Part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.growing == p {
		t.growing = nil
	}
	if !p.Complete() {
		p.Abort()
		return
	}
	t.publish(p)
}

// Add publishes a part that is already complete.
func (t *Track) Add(p *Part) error {
	if err := t.Begin(p); err != nil {
		return err
	}
	t.Finish(p)
	return nil
}

// End marks the track as ended: readers that follow it get ErrEnded.
func (t *Track) End() { t.setEnded(true) }

// Resume undoes End when the publisher comes back.
func (t *Track) Resume() { t.setEnded(false) }

func (t *Track) setEnded(ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.snapshot.Load()
	if old.Ended == ended {
		return
	}
	t.swap(old, old.Segments, ended)
	t.broadcast()
}

func (t *Track) newest() (*Part, bool) {
	if t.growing != nil {
		return t.growing, true
	}
	return t.snapshot.Load().Last()
}

func (t *Track) publish(p *Part) {
	old := t.snapshot.Load()
	segs := append(make([]*Segment, 0, len(old.Segments)+1), old.Segments...)
	if n := len(segs); n > 0 && segs[n-1].MSN == p.ID().MSN {
		// Appending to the shared backing array is safe: no older snapshot
		// sees beyond its own length, and only this owner appends.
		segs[n-1] = &Segment{MSN: p.ID().MSN, Parts: append(segs[n-1].Parts, p)}
	} else {
		segs = append(segs, &Segment{MSN: p.ID().MSN, Parts: []*Part{p}})
	}
	if extra := len(segs) - t.maxSegs; extra > 0 {
		segs = segs[extra:]
	}
	t.swap(old, segs, false)
}

func (t *Track) swap(old *Snapshot, segs []*Segment, ended bool) {
	ch := make(chan struct{})
	t.snapshot.Store(&Snapshot{Segments: segs, Ended: ended, Changed: ch, changed: ch})
	close(old.changed)
}

func (t *Track) broadcast() {
	close(t.begun)
	t.begun = make(chan struct{})
}

// Next returns the first part after the given one that the window still holds
// or that is arriving, blocking until there is one.
func (t *Track) Next(ctx context.Context, after media.PartID) (*Part, error) {
	for {
		t.mu.Lock()
		snap, growing, begun := t.snapshot.Load(), t.growing, t.begun
		t.mu.Unlock()
		if p := snap.firstAfter(after); p != nil {
			return p, nil
		}
		if growing != nil && growing.ID().Compare(after) > 0 {
			return growing, nil
		}
		if snap.Ended {
			return nil, ErrEnded
		}
		select {
		case <-begun:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (s *Snapshot) firstAfter(after media.PartID) *Part {
	var found *Part
	for i := len(s.Segments) - 1; i >= 0 && s.Segments[i].MSN >= after.MSN; i-- {
		for j := len(s.Segments[i].Parts) - 1; j >= 0; j-- {
			p := s.Segments[i].Parts[j]
			if p.ID().Compare(after) <= 0 {
				return found
			}
			found = p
		}
	}
	return found
}
