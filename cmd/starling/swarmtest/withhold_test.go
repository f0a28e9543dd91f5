package swarmtest

import (
	"testing"
	"time"

	"starling/internal/peer"
)

// Peers that take children and send them nothing, too little, or too late are
// left, and the honest share among themselves.
func TestPeersThatWithholdHarmNobody(t *testing.T) {
	for _, b := range []peer.Behaviour{peer.Withhold, peer.Lie, peer.Slow} {
		t.Run(b.String(), func(t *testing.T) {
			s := start(t)
			bad := s.join("bad", func(c *peer.Config) { c.Behaviour = b; c.Uplink = 50_000_000 })
			bad.until(t, "playing", limit, func(st peer.Stats) bool { return st.Parts > 4 })
			var honest []*viewer
			for i := range 4 {
				honest = append(honest, s.join(name(i), nil))
			}
			deadline, best := time.Now().Add(limit), 0.0
			for best < 0.3 && time.Now().Before(deadline) {
				best = max(best, s.offload(t, honest, time.Second))
			}
			if best < 0.3 {
				t.Errorf("the honest got at most %.0f %% from each other", 100*best)
			}
			sound(t, honest...)
		})
	}
}
