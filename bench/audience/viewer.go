package audience

import (
	"context"
	"fmt"
	"sync"
	"time"

	"starling/bench/profile"
	"starling/internal/peer"
	"starling/internal/peerstate"
)

// viewer is one member of the audience.
type viewer struct {
	run   *run
	who   profile.Viewer
	rung  string
	bad   bool
	rude  bool // leaves without a word
	peer  *peer.Peer
	line  Line
	leave context.CancelFunc

	joined, left time.Duration // since the start; left 0 while it is there
	base         peer.Stats    // when the measurement began
	final        peer.Stats    // when it left, or the measurement ended
	done         bool          // final is set

	mu       sync.Mutex
	sources  map[sliceKey]*source
	badBytes uint64
}

// watch is a viewer's life: it returns when the viewer has left or ctx has ended.
func (v *viewer) watch(ctx context.Context) error {
	ctx, v.leave = context.WithCancel(ctx)
	defer v.leave()
	line, err := v.run.o.World.Enter(&v.who)
	if err != nil {
		return fmt.Errorf("%s: %w", v.who.String(), err)
	}
	defer line.Close()
	cfg := peer.Config{URL: v.run.o.URL, Tracks: []string{v.rung, v.run.o.Audio}, EdgeOnly: v.run.o.EdgeOnly, HoldBack: v.run.o.HoldBack,
		Host: line.Host(), OnPart: v.part, OnChunk: v.chunk, OnSource: v.moved, Log: v.run.o.Log.With("viewer", v.who.Index)}
	if v.bad {
		cfg.Behaviour = v.run.o.Behaviour
	}
	v.run.o.uplink(&cfg, &v.who)
	p, err := peer.New(cfg)
	if err != nil {
		return fmt.Errorf("%s: %w", v.who.String(), err)
	}
	v.run.entered(v, p, line)
	defer v.run.gone(v)
	return p.Run(ctx)
}

// depart makes the viewer leave, rudely or with a goodbye.
func (v *viewer) depart(rude bool) {
	v.run.departs(v, rude)
	if rude {
		v.line.Cut()
	}
	v.leave()
}

// part takes note of a part that the viewer's decoder gets.
func (v *viewer) part(r peer.PartReport) {
	if !v.bad && !v.run.o.World.Genuine(r.Track, r.ID, r.Data) {
		v.mu.Lock()
		v.badBytes += uint64(len(r.Data))
		v.mu.Unlock()
	}
	if v.bad {
		return
	}
	// What a viewer fetches to begin with ended before it came.
	came := v.run.began.Add(v.joined)
	end := time.Now().Add(-r.Lateness)
	if end.Before(came) {
		return
	}
	v.run.late(r)
}

// sliceKey is a slice of a track.
type sliceKey struct {
	track string
	slice int
}

// source is where a viewer got a slice from lately.
type source struct {
	from string
	at   time.Time // of the last chunk
	// usual holds how long after the media's end the slice of a part was whole,
	// of the last parts; first the same of those that begin a segment, which
	// are larger.
	usual, first []time.Duration
	// counts are the chunks that came of the newest parts.
	counts map[partID]int
	// The newest part of which a chunk came, the end of its media, and how long
	// after the part before it that was. begins holds how long after a part's
	// end its first chunk came, gaps what lay between the chunks of a part.
	newest       partID
	newestEnd    time.Time
	step         time.Duration
	begins, gaps []time.Duration
}

// due is when the next chunk is to come as usual: of the newest part while that
// is not whole, else of the next one.
func (s *source) due() time.Time {
	if s.counts[s.newest] > 0 {
		return s.at.Add(median(s.gaps))
	}
	return s.newestEnd.Add(s.step + median(s.begins))
}

// follow takes the times of a chunk.
func (s *source) follow(id partID, end, now time.Time) {
	switch {
	case s.newest == id && !s.newestEnd.IsZero():
		s.gaps = last(append(s.gaps, now.Sub(s.at)))
	case s.newestEnd.Before(end):
		if !s.newestEnd.IsZero() {
			s.step = end.Sub(s.newestEnd)
		}
		s.newest, s.newestEnd = id, end
		s.begins = last(append(s.begins, now.Sub(end)))
	}
	s.at = now
}

// moved notes whom a viewer turns to for slices.
func (v *viewer) moved(r peer.SourceReport) {
	if v.run.o.EdgeOnly {
		return
	}
	for _, s := range r.Slices {
		v.run.losses.moved(v, sliceKey{r.Track, s}, r.From)
	}
}

const usualParts = 9

// chunk follows the slices, for the loss of parents.
func (v *viewer) chunk(r peer.ChunkReport) {
	if v.run.o.EdgeOnly {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	key := sliceKey{r.Track, r.Slice}
	s := v.sources[key]
	if s == nil {
		s = &source{counts: map[partID]int{}}
		v.sources[key] = s
	}
	now := time.Now()
	s.from = r.From
	id := partID{r.ID.MSN, r.ID.Index}
	s.follow(id, r.End, now)
	s.counts[id]++
	defer func() { v.run.losses.chunk(v, key, r.From, s.due()) }()
	first, end := sliceChunks(r.Count, r.Slices, r.Slice)
	if s.counts[id] < end-first {
		return
	}
	delete(s.counts, id)
	if len(s.counts) > 2*usualParts {
		clear(s.counts) // parts that were given up
	}
	took := now.Sub(r.End)
	v.run.losses.arrived(v, key, id, r.End, took)
	if id.index == 0 {
		s.first = last(append(s.first, took))
	} else {
		s.usual = last(append(s.usual, took))
	}
}

func last(d []time.Duration) []time.Duration { return d[max(len(d)-usualParts, 0):] }

// dependsOn lists the slices that the viewer gets from that peer, with the time
// at which parts usually are whole.
func (v *viewer) dependsOn(id string, since time.Time) map[sliceKey]usual {
	if id == "" || id == peerstate.Edge {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var out map[sliceKey]usual
	for k, s := range v.sources {
		if s.from != id || s.at.Before(since) || len(s.usual) < usualParts/2 || len(s.first) == 0 {
			continue
		}
		if out == nil {
			out = map[sliceKey]usual{}
		}
		out[k] = usual{first: median(s.first), other: median(s.usual), due: s.due()}
	}
	return out
}
