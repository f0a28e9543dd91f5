package bench

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"starling/internal/media"
	"starling/internal/peer"
	"starling/internal/wait"
)

// Swarm plays a stream with many headless peers and reports how they did. It
// ends early, without a report, when ctx ends or a peer fails.
func Swarm(ctx context.Context, o SwarmOptions) (Report, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Report{}, err
	}
	host := peer.HostConfig{InsecureTLS: o.InsecureTLS, Loopback: !o.Remote}
	if !o.Remote {
		host.UDPAddr = "127.0.0.1:0"
	}
	h, err := peer.NewHost(host)
	if err != nil {
		return Report{}, err
	}
	defer h.Close()
	m := &meter{o: &o, parts: map[partKey]int{}}
	viewers, liars, err := m.peers(h)
	if err != nil {
		return Report{}, err
	}
	runCtx, stop := context.WithCancel(ctx)
	g, runCtx := errgroup.WithContext(runCtx)
	defer stop()
	for i, p := range append(append([]*peer.Peer(nil), viewers...), liars...) {
		after := o.Ramp * time.Duration(i) / time.Duration(max(len(viewers)+len(liars), 1))
		g.Go(func() error {
			if wait.For(runCtx, after) != nil {
				return nil
			}
			return p.Run(runCtx)
		})
	}
	r, err := m.measure(runCtx, viewers)
	stop()
	return r, errors.Join(err, g.Wait())
}

type partKey struct {
	track string
	id    media.PartID
}

// meter gathers what the viewers report.
type meter struct {
	o *SwarmOptions

	mu       sync.Mutex
	on       bool
	parts    map[partKey]int // sizes
	lateness []float64
}

func (m *meter) peers(h *peer.Host) (viewers, liars []*peer.Peer, err error) {
	for i, uplink := range m.o.uplinks() {
		cfg := peer.Config{URL: m.o.URL, Tracks: m.o.Tracks, Uplink: uplink, EdgeOnly: m.o.EdgeOnly, Host: h, Log: m.o.Log.With("viewer", i)}
		if i >= m.o.Peers {
			cfg.Behaviour = peer.Alter
		} else {
			cfg.OnPart = m.part
		}
		p, err := peer.New(cfg)
		if err != nil {
			return nil, nil, err
		}
		if i >= m.o.Peers {
			liars = append(liars, p)
		} else {
			viewers = append(viewers, p)
		}
	}
	return viewers, liars, nil
}

func (m *meter) part(r peer.PartReport) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.on {
		m.parts[partKey{r.Track, r.ID}] = len(r.Data)
		m.lateness = append(m.lateness, float64(r.Lateness.Microseconds())/1000)
	}
}

func (m *meter) measure(ctx context.Context, viewers []*peer.Peer) (Report, error) {
	if err := wait.For(ctx, m.o.Ramp+m.o.Warmup); err != nil {
		return Report{}, err
	}
	edgeBefore, err := m.edgeBytes(ctx)
	if err != nil {
		return Report{}, err
	}
	before, cpu, began := sum(viewers), CPUSeconds(), time.Now()
	m.mu.Lock()
	m.on = true
	m.mu.Unlock()
	if err := wait.For(ctx, m.o.Duration); err != nil {
		return Report{}, err
	}
	m.mu.Lock()
	m.on = false
	m.mu.Unlock()
	took := time.Since(began).Seconds()
	after := sum(viewers)
	cpu = CPUSeconds() - cpu
	edgeAfter, err := m.edgeBytes(ctx)
	if err != nil {
		return Report{}, err
	}
	r := Report{URL: m.o.URL, Viewers: len(viewers), Liars: m.o.Liars, Seconds: took, Reference: m.o.Reference, EdgeOnly: m.o.EdgeOnly,
		PeerBytes: after.PeerBytes - before.PeerBytes, FeedBytes: after.FeedBytes - before.FeedBytes, HTTPBytes: after.HTTPBytes - before.HTTPBytes,
		EdgeBytes: edgeAfter - edgeBefore, Rejected: after.RejectedBytes, Bans: after.Bans,
		Parts: after.Parts - before.Parts, Late: after.Late - before.Late, Skipped: after.Skipped - before.Skipped,
		Stalls: after.Stalls - before.Stalls, StallMS: after.StallMS - before.StallMS,
		Connections: float64(after.Neighbours) / float64(len(viewers)), ConnectFailures: after.ConnectFailures,
		Requests: after.Requests - before.Requests, Fetches: after.Fetches - before.Fetches, Playlists: after.Playlists - before.Playlists,
		CPU: cpu / took / float64(len(viewers)+m.o.Liars), MemoryMB: memoryMB() / float64(len(viewers)+m.o.Liars)}
	if received := r.PeerBytes + r.FeedBytes + r.HTTPBytes; received > 0 {
		r.Duplicates = float64(after.DuplicateBytes-before.DuplicateBytes) / float64(received)
		r.Control = float64(after.ControlBytes-before.ControlBytes) / float64(received)
	}
	m.edge(&r)
	var latency, startup, first []float64
	for _, p := range viewers {
		s := p.Stats()
		if s.StartupMS > 0 {
			latency, startup = append(latency, float64(s.LatencyMS)), append(startup, float64(s.StartupMS))
		}
		if s.FirstPeer > 0 {
			first = append(first, float64(s.FirstPeer))
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Lateness, r.Latency, r.Startup, r.FirstHit = quantiles(m.lateness), quantiles(latency), quantiles(startup), quantiles(first)
	return r, nil
}

// edge derives the shares from the edge's own count, or from the viewers'.
func (m *meter) edge(r *Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.parts {
		r.StreamBytes += uint64(n)
	}
	said := r.FeedBytes + r.HTTPBytes
	edge := said
	if r.EdgeBytes > 0 {
		edge = r.EdgeBytes
		r.EdgeMismatch = float64(said)/float64(edge) - 1
	}
	if r.PeerBytes+edge > 0 {
		r.Offload = float64(r.PeerBytes) / float64(r.PeerBytes+edge)
	}
	if r.StreamBytes > 0 {
		r.EdgeCopies = float64(edge) / float64(r.StreamBytes)
	}
}

func sum(viewers []*peer.Peer) (t peer.Stats) {
	for _, p := range viewers {
		s := p.Stats()
		t.PeerBytes += s.PeerBytes
		t.FeedBytes += s.FeedBytes
		t.HTTPBytes += s.HTTPBytes
		t.DuplicateBytes += s.DuplicateBytes
		t.RejectedBytes += s.RejectedBytes
		t.ControlBytes += s.ControlBytes
		t.Parts += s.Parts
		t.Late += s.Late
		t.Skipped += s.Skipped
		t.Stalls += s.Stalls
		t.StallMS += s.StallMS
		t.Neighbours += s.Neighbours
		t.ConnectFailures += s.ConnectFailures
		t.Requests += s.Requests
		t.Fetches += s.Fetches
		t.Playlists += s.Playlists
		t.Bans += s.Bans
	}
	return t
}

func memoryMB() float64 {
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	return float64(ms.Sys-ms.HeapReleased) / 1e6
}
