package signal

import (
	"net"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// side is one viewer: a peer connection with the two negotiated channels.
type side struct {
	pc         *webrtc.PeerConnection
	channels   [2]*webrtc.DataChannel
	open       chan struct{} // one for each channel that opens
	message    chan string
	candidates chan string // squeezed, then closed
}

func newSide(t *testing.T, snap bool) *side {
	t.Helper()
	var s webrtc.SettingEngine
	s.EnableSctpSnap(snap)
	s.SetIncludeLoopbackCandidate(true)
	s.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pc.GracefulClose(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	out := &side{pc: pc, open: make(chan struct{}, 2), message: make(chan string, 2), candidates: make(chan string, 64)}
	negotiated := true
	for i, label := range []string{"control", "chunks"} {
		id, ordered := uint16(i), i == 0
		dc, err := pc.CreateDataChannel(label, &webrtc.DataChannelInit{Negotiated: &negotiated, ID: &id, Ordered: &ordered})
		if err != nil {
			t.Fatal(err)
		}
		dc.OnOpen(func() { out.open <- struct{}{} })
		dc.OnMessage(func(m webrtc.DataChannelMessage) { out.message <- label + ":" + string(m.Data) })
		out.channels[i] = dc
	}
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c == nil {
			close(out.candidates)
			return
		}
		if s, err := SqueezeCandidate(c.ToJSON().Candidate); err == nil {
			out.candidates <- s
		}
	})
	return out
}

// describe sets the local description and returns what goes to the other side.
func (s *side) describe(t *testing.T, d webrtc.SessionDescription, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.pc.SetLocalDescription(d); err != nil {
		t.Fatal(err)
	}
	squeezed, err := Squeeze(d.SDP)
	if err != nil {
		t.Fatal(err)
	}
	if len(squeezed) > MaxText {
		t.Fatalf("%d characters", len(squeezed))
	}
	t.Logf("%s of %d bytes goes as %d characters", d.Type, len(d.SDP), len(squeezed))
	return squeezed
}

func (s *side) accept(t *testing.T, kind webrtc.SDPType, squeezed string) {
	t.Helper()
	sdp, err := Expand(squeezed)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: sdp}); err != nil {
		t.Fatalf("pion refuses the expanded %s: %v\n%s", kind, err, sdp)
	}
}

func (s *side) take(t *testing.T, from *side) {
	t.Helper()
	mid, line := "0", uint16(0)
	for c := range from.candidates {
		text, err := ExpandCandidate(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: text, SDPMid: &mid, SDPMLineIndex: &line}); err != nil {
			t.Fatalf("pion refuses the expanded candidate %q: %v", text, err)
		}
	}
}

// Two peers that have told each other nothing but squeezed forms open both
// channels and exchange a message on each, also when one of them or both send
// their INIT chunk along.
func TestPionConnectsThroughSqueezedForms(t *testing.T) {
	for name, c := range map[string]struct{ child, parent bool }{
		"with the handshake of SCTP": {}, "only the child sends INIT": {child: true}, "only the parent could": {parent: true}, "both send INIT": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			connectSides(t, newSide(t, c.child), newSide(t, c.parent), c.child, c.child && c.parent)
		})
	}
}

// connectSides checks, too, which of the descriptions have an INIT chunk.
func connectSides(t *testing.T, child, parent *side, offered, answered bool) {
	carries := func(what, squeezed string, want bool) string {
		if d, err := ParseDescription(squeezed); err != nil || (d.Init != nil) != want {
			t.Fatalf("%s: INIT %x, want one: %v; %v", what, d.Init, want, err)
		}
		return squeezed
	}
	offer, err := child.pc.CreateOffer(nil)
	parent.accept(t, webrtc.SDPTypeOffer, carries("offer", child.describe(t, offer, err), offered))
	answer, err := parent.pc.CreateAnswer(nil)
	child.accept(t, webrtc.SDPTypeAnswer, carries("answer", parent.describe(t, answer, err), answered))
	child.take(t, parent)
	parent.take(t, child)

	deadline := time.After(20 * time.Second)
	for _, s := range []*side{child, parent} {
		for range s.channels {
			select {
			case <-s.open:
			case <-deadline:
				t.Fatalf("channels did not open: %s", s.pc.ConnectionState())
			}
		}
	}
	for _, dc := range child.channels {
		if err := dc.SendText("hello"); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]bool{}
	for range child.channels {
		select {
		case m := <-parent.message:
			got[m] = true
		case <-deadline:
			t.Fatal("no message")
		}
	}
	if !got["control:hello"] || !got["chunks:hello"] {
		t.Fatalf("got %v", got)
	}
}
