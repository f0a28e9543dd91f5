package swarmtest

import (
	"context"
	"testing"
	"time"

	"starling/bench"
	"starling/internal/peer"
)

// mediaRate is the stream in bytes a second.
const mediaRate = (videoBitrate + audioBitrate) / 8

// limit bounds every wait: far more than is needed, for machines under load.
const limit = 30 * time.Second

// sound stops viewers and checks that they played without a fault.
func sound(t *testing.T, vs ...*viewer) {
	t.Helper()
	for _, v := range vs {
		v.stop()
		if st := v.Stats(); st.Skipped != 0 || st.RejectedBytes != 0 || st.Bans != 0 {
			t.Errorf("%s: %d parts skipped, %d bytes rejected, %d peers banned: %+v", v.name, st.Skipped, st.RejectedBytes, st.Bans, st)
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
	for _, v := range vs {
		v.until(t, "getting two seconds of it from others", limit, func(st peer.Stats) bool { return st.PeerBytes > 2*mediaRate })
	}
	// From now on, over two seconds of media a viewer.
	edge, peers := s.edgeBytes(), make([]uint64, len(vs))
	for i, v := range vs {
		peers[i] = v.Stats().PeerBytes
	}
	var moved uint64
	for i, v := range vs {
		st := v.until(t, "getting two more seconds from others", limit, func(st peer.Stats) bool { return st.PeerBytes > peers[i]+2*mediaRate })
		moved += st.PeerBytes - peers[i]
	}
	edge = s.edgeBytes() - edge
	if offload := float64(moved) / float64(moved+edge); offload < 0.6 {
		t.Errorf("offload %.2f of 5 peers: %d bytes from the edge, %d from peers", offload, edge, moved)
	}
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
	for _, v := range honest {
		before := v.Stats()
		v.until(t, "fed by the honest ones", limit, func(st peer.Stats) bool { return st.PeerBytes > before.PeerBytes+mediaRate })
	}
	var rejected uint64
	for _, v := range honest {
		v.stop()
		rejected += v.Stats().RejectedBytes
		if st := v.Stats(); st.Skipped != 0 {
			t.Errorf("%s skipped %d parts", v.name, st.Skipped)
		}
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
	if after < before+mediaRate {
		t.Errorf("with the tracker gone only %d bytes came from peers", after-before)
	}
	sound(t, vs...)
}

func TestBenchmarkAgreesWithTheEdge(t *testing.T) {
	s := start(t)
	r, err := bench.Swarm(context.Background(), bench.SwarmOptions{URL: s.base + "/live/test", Peers: 5, Liars: 1, Ramp: 100 * time.Millisecond,
		Warmup: 3 * time.Second, Duration: 4 * time.Second, Uplink: 20_000_000, EdgeBytes: func() (uint64, error) { return s.edgeBytes(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(t.Output()); err != nil {
		t.Fatal(err)
	}
	if r.Parts < 5*2*8 || r.Skipped != 0 || r.StreamBytes == 0 || r.Lateness.N == 0 {
		t.Errorf("too little was played: %+v", r)
	}
	if r.Offload < 0.4 || r.EdgeCopies > 5 {
		t.Errorf("offload %.2f, %.2f copies from the edge", r.Offload, r.EdgeCopies)
	}
}
