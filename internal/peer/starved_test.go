package peer

import (
	"log/slog"
	"testing"

	"starling/internal/peerstate"
	"starling/internal/trackerwire"
)

func TestStarvationEndsSomeSecondsAfterTheLastLack(t *testing.T) {
	var s starvation
	s.note(600)
	if s.active {
		t.Error("one pause of 600 ms is starvation")
	}
	for range 6 {
		s.note(300)
	}
	if !s.active {
		t.Error("a tick in 300 ms for two seconds is not")
	}
	calm := int64(0)
	for ; s.active && calm < 60_000; calm += tickEvery.Milliseconds() {
		s.note(tickEvery.Milliseconds())
	}
	if calm < 2_000 || calm > 10_000 {
		t.Errorf("it ends after %d ms of calm", calm)
	}
	for range 10_000 {
		if s.note(2 * tickEvery.Milliseconds()); s.active {
			t.Fatal("every tick comes, each a little late, and it is starvation")
		}
	}
}

// While the program is starved no connection is opened, and those of the latest
// assignment are when it is over.
func TestConnectionsWaitForTheMachine(t *testing.T) {
	host, err := NewHost(HostConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	p := &Peer{cfg: Config{URL: "http://edge.test/live/demo"}, log: slog.New(slog.DiscardHandler), links: map[string]*link{}, state: peerstate.New(peerstate.Rules{}, 0)}
	if p.net, err = host.newTransport(); err != nil {
		t.Fatal(err)
	}
	p.ctx, p.end = t.Context(), func() {}
	p.tracker.assigned = &trackerwire.Assign{Tracks: []trackerwire.AssignTrack{{Slices: []trackerwire.AssignSlice{{Parent: "p1", Backup: peerstate.Edge}, {Parent: "p2", Backup: "p1"}}}}}
	p.starved.active = true
	p.connect("p1")
	p.reconnect()
	if len(p.links) != 0 {
		t.Fatalf("%d connections while starved", len(p.links))
	}
	p.starved.active = false
	p.reconnect()
	if len(p.links) != 2 || p.links["p1"] == nil || p.links["p2"] == nil {
		t.Errorf("%d connections afterwards, want p1 and p2", len(p.links))
	}
	for _, l := range p.links {
		if err := l.pc.Close(); err != nil {
			t.Error(err)
		}
	}
}
