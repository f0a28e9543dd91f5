package admin

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"starling/internal/media"
	"starling/internal/store"
	"starling/internal/telemetry"
)

// sampler turns the roles' cumulative counters into rates and history. It has
// no goroutine and no clock of its own.
type sampler struct {
	dir     *store.Directory
	tracker Tracker // may be nil
	edge    Edge    // may be nil

	mu      sync.Mutex
	streams map[media.StreamID]*stream
}

func newSampler(dir *store.Directory, t Tracker, e Edge) *sampler {
	return &sampler{dir: dir, tracker: t, edge: e, streams: map[media.StreamID]*stream{}}
}

// observe takes a sample of every stream for the history. Its owner calls it
// every step.
func (s *sampler) observe(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look(now)
	for id, st := range s.streams {
		switch {
		case st.now.at.Equal(now):
			if !st.ring.get(st.ring.len() - 1).at.Equal(now) { // not new in this look
				st.ring.add(st.now)
			}
		case now.Sub(st.now.at) > historySpan:
			delete(s.streams, id)
		}
	}
}

// look reads the counters of every stream that is live or counted.
func (s *sampler) look(now time.Time) {
	var trackers []telemetry.StreamStats
	var edges []telemetry.EdgeStats
	if s.tracker != nil {
		trackers = s.tracker.Stats()
	}
	if s.edge != nil {
		edges = s.edge.Stats()
	}
	found := merge(trackers, edges)
	for _, st := range s.dir.List() {
		if found[st.ID] == nil {
			found[st.ID] = &pair{}
		}
	}
	for id, p := range found {
		st := s.streams[id]
		if st == nil {
			st = &stream{}
			s.streams[id] = st
		}
		st.observe(now, p.tracker, p.edge, s.edge != nil)
		if st.ring.len() == 0 {
			st.ring.add(st.now)
		}
	}
}

// row is one stream of /api/v1/streams. Bytes are cumulative; rates and
// offload are over the last 10 s, latencies over the viewers of this moment.
type row struct {
	ID                media.StreamID `json:"id"`
	Live              bool           `json:"live"`
	StartedAtMS       int64          `json:"startedAtMs"`
	Tracks            []string       `json:"tracks"`
	Viewers           int            `json:"viewers"`
	Peers             int            `json:"peers"`
	Offload           float64        `json:"offload"` // 0 to 1
	OffloadTotal      float64        `json:"offloadTotal"`
	PeerBitrate       float64        `json:"peerBitrate"` // bit/s
	EdgeBitrate       float64        `json:"edgeBitrate"`
	PeerBytes         uint64         `json:"peerBytes"`
	EdgeBytes         uint64         `json:"edgeBytes"`
	ReportedEdgeBytes uint64         `json:"reportedEdgeBytes"` // edgeBytes by the viewers' own count
	DuplicateBytes    uint64         `json:"duplicateBytes"`
	RejectedBytes     uint64         `json:"rejectedBytes"`
	LatencyP50MS      float64        `json:"latencyP50Ms"`
	LatencyP95MS      float64        `json:"latencyP95Ms"`
	StartupP50MS      float64        `json:"startupP50Ms"`
	Stalls            uint64         `json:"stalls"`
	StallMS           uint64         `json:"stallMs"`
	Roots             int            `json:"roots"`
	Banned            int            `json:"banned"`
	FeedViewers       int            `json:"feedViewers"`
}

// rows lists the streams as they are now, live ones first, then by id.
func (s *sampler) rows(now time.Time) []row {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look(now)
	out := make([]row, 0, len(s.streams))
	for id, st := range s.streams {
		out = append(out, s.row(id, st))
	}
	slices.SortFunc(out, func(a, b row) int {
		if a.Live != b.Live {
			if a.Live {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return out
}

func (s *sampler) row(id media.StreamID, st *stream) row {
	last := &st.now
	peer, edge, span := st.ring.rates(last)
	t := last.tracker
	r := row{
		ID: id, Tracks: []string{},
		Viewers: max(t.Viewers, last.edge.FeedViewers), Peers: t.Peers,
		Offload: telemetry.Offload(peer, edge), OffloadTotal: telemetry.Offload(last.peerBytes, last.edgeBytes),
		PeerBitrate: bitrate(peer, span), EdgeBitrate: bitrate(edge, span),
		PeerBytes: last.peerBytes, EdgeBytes: last.edgeBytes, ReportedEdgeBytes: last.reportedBytes,
		DuplicateBytes: t.DuplicateBytes, RejectedBytes: t.RejectedBytes,
		LatencyP50MS: t.LatencyP50MS, LatencyP95MS: t.LatencyP95MS, StartupP50MS: t.StartupP50MS,
		Stalls: t.Stalls, StallMS: t.StallMS, Roots: t.Roots, Banned: t.Banned, FeedViewers: last.edge.FeedViewers,
	}
	if live, ok := s.dir.Get(id); ok {
		info := live.Info()
		r.Live, r.StartedAtMS = !info.Ended, info.StartedAtMS
		for i := range info.Tracks {
			r.Tracks = append(r.Tracks, info.Tracks[i].Name)
		}
	}
	return r
}

// history is the past of one stream for /api/v1/history, oldest first: all
// lists have the same length.
type history struct {
	StepMS       int64     `json:"stepMs"`
	T            []int64   `json:"t"` // Unix ms
	Viewers      []int     `json:"viewers"`
	Offload      []float64 `json:"offload"`
	EdgeBitrate  []float64 `json:"edgeBitrate"`
	PeerBitrate  []float64 `json:"peerBitrate"`
	LatencyP50MS []float64 `json:"latencyP50Ms"`
	Stalls       []uint64  `json:"stalls"` // cumulative
}

func (s *sampler) history(id media.StreamID) (history, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.streams[id]
	if !ok {
		return history{}, false
	}
	n := st.ring.len()
	h := history{
		StepMS: step.Milliseconds(),
		T:      make([]int64, n), Viewers: make([]int, n), Offload: make([]float64, n), EdgeBitrate: make([]float64, n),
		PeerBitrate: make([]float64, n), LatencyP50MS: make([]float64, n), Stalls: make([]uint64, n),
	}
	for i := range n {
		x := st.ring.get(i)
		peer, edge, span := st.ring.rates(x)
		h.T[i] = x.at.UnixMilli()
		h.Viewers[i] = max(x.tracker.Viewers, x.edge.FeedViewers)
		h.Offload[i] = telemetry.Offload(peer, edge)
		h.EdgeBitrate[i], h.PeerBitrate[i] = bitrate(edge, span), bitrate(peer, span)
		h.LatencyP50MS[i], h.Stalls[i] = x.tracker.LatencyP50MS, x.tracker.Stalls
	}
	return h, true
}
