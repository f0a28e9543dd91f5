package edge

import (
	"bytes"
	"compress/gzip"
	"sync"
	"sync/atomic"

	"starling/internal/hls"
	"starling/internal/media"
	"starling/internal/store"
)

// playlist keeps the media playlist of a track, rendered at most once for each
// part and form, whatever the number of viewers.
type playlist struct {
	stream *store.Stream
	track  *store.Track
	window int
	acct   *accounting

	mu      sync.Mutex // one goroutine makes the next version
	current atomic.Pointer[version]
}

func (p *playlist) init(st *store.Stream, tr *store.Track, window int, acct *accounting) {
	p.stream, p.track, p.window, p.acct = st, tr, window, acct
}

// version is the playlist of one snapshot. Its forms are rendered when first
// asked for.
type version struct {
	snap     *store.Snapshot
	info     *media.StreamInfo
	timeline *hls.Timeline
	reports  []hls.Report
	acct     *accounting

	full, delta form
}

// form is one way to send a version.
type form struct {
	once, gzOnce sync.Once
	plain, gz    []byte
}

// now is the version of the newest snapshot.
func (p *playlist) now() *version {
	if v := p.current.Load(); p.fresh(v) {
		return v
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := p.current.Load(); p.fresh(v) {
		return v
	}
	v := &version{snap: p.track.Snapshot(), info: p.stream.Info(), acct: p.acct}
	v.timeline = hls.NewTimeline(v.info, v.snap, p.window)
	v.reports = p.reports(v)
	p.current.Store(v)
	return v
}

func (p *playlist) fresh(v *version) bool {
	return v != nil && v.snap == p.track.Snapshot() && v.info == p.stream.Info()
}

// reports gives the newest part of every other track. All tracks are cut at
// the same times, so one that this edge does not carry now is said to be where
// this one is: it arrives when it is asked for.
func (p *playlist) reports(v *version) []hls.Report {
	own, ok := v.timeline.Last()
	if !ok {
		return nil
	}
	out := make([]hls.Report, 0, len(v.info.Tracks))
	for i := range v.info.Tracks {
		name := v.info.Tracks[i].Name
		if name == p.track.Name {
			continue
		}
		last := own
		if tr, ok := p.stream.Track(name); ok {
			if newest, ok := tr.Snapshot().Last(); ok && newest.ID().MSN+1 >= own.MSN {
				last = newest.ID()
			}
		}
		out = append(out, hls.Report{Track: name, Last: last})
	}
	return out
}

// bytes gives the playlist, gzipped if wanted. It must not be modified.
func (v *version) bytes(delta, zip bool) []byte {
	f := &v.full
	if delta {
		f = &v.delta
	}
	f.once.Do(func() {
		v.acct.renders.Add(1)
		f.plain = v.timeline.Append(make([]byte, 0, 8<<10), v.reports, delta)
	})
	if !zip {
		return f.plain
	}
	f.gzOnce.Do(func() { f.gz = gzipped(f.plain) })
	return f.gz
}

var gzipWriters = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a valid level cannot fail
	return w
}}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(b) / 4)
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&out)
	// Writes to a bytes.Buffer do not fail.
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}
