// Package store keeps the live window of every stream that a node carries:
// the origin's packager or an edge's relay session writes it, and relay
// sessions, the HLS server and the feed read it. Readers never block writers.
package store

import (
	"slices"
	"strings"
	"sync"

	"starling/internal/media"
)

// DefaultSegments is the window kept in memory: 16 segments of 2 s.
const DefaultSegments = 16

// Stream is a stream that this node carries: its catalog and track windows.
type Stream struct {
	ID media.StreamID

	maxSegs int
	mu      sync.RWMutex
	info    *media.StreamInfo
	tracks  map[string]*Track
	changed chan struct{}
}

// Info is the current catalog, immutable.
func (s *Stream) Info() *media.StreamInfo {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.info
}

// Changed is closed at the next change of the catalog.
func (s *Stream) Changed() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed
}

// Track is the window of the named track, or false when the catalog has none.
func (s *Stream) Track(name string) (*Track, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.tracks[name]
	return t, ok
}

// SetInfo replaces the catalog: new tracks get a window, and Ended ends or
// resumes them all. A window is never removed, since its media may still be
// listed.
func (s *Stream) SetInfo(info *media.StreamInfo) {
	s.mu.Lock()
	s.info = info
	for i := range info.Tracks {
		name := info.Tracks[i].Name
		if s.tracks[name] == nil {
			s.tracks[name] = NewTrack(name, s.maxSegs)
		}
	}
	tracks := make([]*Track, 0, len(s.tracks))
	for _, t := range s.tracks {
		tracks = append(tracks, t)
	}
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	for _, t := range tracks {
		t.setEnded(info.Ended)
	}
}

// Directory is the set of streams that a node knows. The zero value is ready.
type Directory struct {
	// Segments bounds each track's window; 0 means DefaultSegments.
	Segments int

	mu      sync.RWMutex
	streams map[media.StreamID]*Stream
	changed chan struct{}
}

// Get finds a stream.
func (d *Directory) Get(id media.StreamID) (*Stream, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	s, ok := d.streams[id]
	return s, ok
}

// List gives all streams ordered by id.
func (d *Directory) List() []*Stream {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := make([]*Stream, 0, len(d.streams))
	for _, s := range d.streams {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Stream) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// Changed is closed at the next Put of a new stream or Remove.
func (d *Directory) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	return d.changed
}

// Put creates the stream or replaces its catalog.
func (d *Directory) Put(info *media.StreamInfo) *Stream {
	d.mu.Lock()
	d.init()
	s, ok := d.streams[info.ID]
	if !ok {
		maxSegs := d.Segments
		if maxSegs == 0 {
			maxSegs = DefaultSegments
		}
		s = &Stream{ID: info.ID, maxSegs: maxSegs, info: info, tracks: map[string]*Track{}, changed: make(chan struct{})}
		s.SetInfo(info)
		d.streams[info.ID] = s
		d.broadcast()
		d.mu.Unlock()
		return s
	}
	d.mu.Unlock()
	s.SetInfo(info)
	return s
}

// Remove forgets a stream; readers that hold it see it ended.
func (d *Directory) Remove(id media.StreamID) {
	d.mu.Lock()
	d.init()
	s, ok := d.streams[id]
	delete(d.streams, id)
	if ok {
		d.broadcast()
	}
	d.mu.Unlock()
	if ok && !s.Info().Ended {
		info := *s.Info()
		info.Ended = true
		info.Revision++
		s.SetInfo(&info)
	}
}

func (d *Directory) init() {
	if d.streams == nil {
		d.streams, d.changed = map[media.StreamID]*Stream{}, make(chan struct{})
	}
}

func (d *Directory) broadcast() {
	close(d.changed)
	d.changed = make(chan struct{})
}
