package swarmtest

import (
	"context"
	"testing"
	"time"

	"starling/bench"
	"starling/internal/peer"
	"starling/internal/telemetry"
)

// mediaRate is the stream in bytes a second.
const mediaRate = (videoBitrate + audioBitrate) / 8

// limit bounds every wait: far more than is needed, for machines under load.
const limit = 90 * time.Second

// sound stops viewers and checks that they played without a fault.
func sound(t *testing.T, vs ...*viewer) {
	t.Helper()
	for _, v := range vs {
		v.stop()
		if st := v.Stats(); st.RejectedBytes != 0 || st.Bans != 0 {
			t.Errorf("%s: %d bytes rejected, %d peers banned: %+v", v.name, st.RejectedBytes, st.Bans, st)
		}
	}
}

func TestTwoPeersShareEachPart(t *testing.T) {
	s := start(t)
	a, b := s.join("a", nil), s.join("b", nil)
	peered := func(st peer.Stats) bool { return st.PeerBytes > mediaRate && st.SentBytes > 0 }
	a.until(t, "getting a second of it from b", limit, peered)
	b.until(t, "getting a second of it from a", limit, peered)
	sound(t, a, b)
}

func TestFivePeersTakeLittleFromTheEdge(t *testing.T) {
	s := start(t)
	var vs []*viewer
	for i := range 5 {
		vs = append(vs, s.join(name(i), nil))
	}
	// Over two seconds of media a viewer, until it is so: a busy machine makes
	// viewers ask the edge.
	deadline, best := time.Now().Add(limit), 0.0
	for best < 0.6 && time.Now().Before(deadline) {
		best = max(best, s.offload(t, vs, 2*time.Second))
	}
	if best < 0.6 {
		t.Errorf("5 peers got at most %.0f %% from each other", 100*best)
	}
	sound(t, vs...)
}

// offload is what viewers take from each other over a while of media.
func (s *stack) offload(t *testing.T, vs []*viewer, d time.Duration) float64 {
	t.Helper()
	edge := s.edgeBytes()
	before := make([]peer.Stats, len(vs))
	for i, v := range vs {
		before[i] = v.Stats()
	}
	var moved uint64
	for i, v := range vs {
		st := v.until(t, "playing on", limit, func(st peer.Stats) bool { return st.Parts > before[i].Parts+2*uint64(d/partDuration) })
		moved += st.PeerBytes - before[i].PeerBytes
	}
	return telemetry.Offload(moved, s.edgeBytes()-edge)
}

func TestViewersAndEdgeCountTheSameBytes(t *testing.T) {
	s := start(t)
	vs := []*viewer{s.join("a", nil), s.join("b", nil), s.join("alone", func(c *peer.Config) { c.EdgeOnly = true })}
	vs[0].until(t, "agreeing with the edge within 1 %", limit, func(peer.Stats) bool {
		edge, said := float64(s.edgeBytes()), 0.0
		for _, v := range vs {
			st := v.Stats()
			said += float64(st.FeedBytes + st.HTTPBytes)
		}
		return edge > 5*mediaRate && said > 0.99*edge && said < 1.01*edge
	})
	sound(t, vs...)
}

func TestLeafTakesFromPeersAndGivesNothing(t *testing.T) {
	s := start(t)
	giver := s.join("giver", nil)
	leaf := s.join("leaf", func(c *peer.Config) { c.Uplink = -1 })
	leaf.until(t, "fed by the giver", limit, func(st peer.Stats) bool { return st.PeerBytes > mediaRate })
	sound(t, giver, leaf)
	if sent := leaf.Stats().SentBytes; sent != 0 {
		t.Errorf("a peer that must not upload sent %d bytes", sent)
	}
}

func TestEdgeOnlyViewerNeedsNobody(t *testing.T) {
	s := start(t)
	v := s.join("alone", func(c *peer.Config) { c.EdgeOnly = true })
	st := v.until(t, "playing", limit, func(st peer.Stats) bool { return st.Parts > 20 && st.StartupMS > 0 })
	if st.PeerBytes != 0 || st.ID != "" {
		t.Errorf("an edge-only viewer met the swarm: %+v", st)
	}
	sound(t, v)
}

func TestAlteringPeerIsBannedAndHarmsNobody(t *testing.T) {
	s := start(t)
	liar := s.join("liar", func(c *peer.Config) { c.Behaviour = peer.Alter; c.Uplink = 50_000_000 })
	liar.until(t, "playing", limit, func(st peer.Stats) bool { return st.Parts > 4 })
	var honest []*viewer
	for i := range 4 {
		honest = append(honest, s.join(name(i), nil))
	}
	caught := func() bool {
		for _, v := range honest {
			if v.Stats().Bans > 0 {
				return true
			}
		}
		return false
	}
	for _, v := range honest { // any of them may be the one that the liar feeds
		v.until(t, "playing beside a liar that is caught", limit, func(st peer.Stats) bool { return st.Parts > 30 && caught() })
	}
	deadline, best := time.Now().Add(limit), 0.0
	for best < 0.3 && time.Now().Before(deadline) {
		best = max(best, s.offload(t, honest, time.Second))
	}
	if best < 0.3 {
		t.Errorf("beside a liar the honest got at most %.0f %% from each other", 100*best)
	}
	var rejected uint64
	for _, v := range honest {
		v.stop()
		rejected += v.Stats().RejectedBytes
	}
	if rejected == 0 {
		t.Error("a liar was banned without a rejected byte")
	}
	t.Logf("%d bytes rejected", rejected)
}

func TestSwarmOutlivesALostParentAndTheTracker(t *testing.T) {
	s := start(t)
	var vs []*viewer
	for i := range 4 {
		vs = append(vs, s.join(name(i), nil))
	}
	for _, v := range vs {
		v.until(t, "getting a second of it from others", limit, func(st peer.Stats) bool { return st.PeerBytes > mediaRate })
	}
	s.stopTracker()
	vs[0].stop()
	var before, after uint64
	for _, v := range vs[1:] {
		st := v.Stats()
		before += st.PeerBytes
		st = v.until(t, "playing on", limit, func(now peer.Stats) bool { return now.Parts > st.Parts+30 })
		after += st.PeerBytes
		if st.Neighbours == 0 {
			t.Errorf("%s lost all its neighbours with the tracker", v.name)
		}
	}
	if after < before+mediaRate/2 {
		t.Errorf("with the tracker gone only %d bytes came from peers", after-before)
	}
	sound(t, vs...)
}

func TestBenchmarkMeasuresASwarm(t *testing.T) {
	s := start(t)
	r, err := bench.Swarm(context.Background(), bench.SwarmOptions{URL: s.base + "/live/test", Peers: 5, Liars: 1, Ramp: 100 * time.Millisecond,
		Warmup: 2 * time.Second, Duration: 3 * time.Second, Uplink: 20_000_000, EdgeBytes: func() (uint64, error) { return s.edgeBytes(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(t.Output()); err != nil {
		t.Fatal(err)
	}
	if r.Viewers != 5 || r.Liars != 1 || r.Parts == 0 || r.StreamBytes == 0 || r.EdgeBytes == 0 || r.Lateness.N == 0 || r.Latency.N != 5 || r.Startup.P50 <= 0 {
		t.Errorf("something was not measured: %+v", r)
	}
}
