package edge

import (
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starling/internal/media"
	"starling/internal/peerwire"
)

func TestSilentViewerIsPingedAndGivenUp(t *testing.T) {
	r := newRig(t, Config{FeedSilence: 600 * time.Millisecond}, nil).listen()
	r.video.parts(6)
	v := r.dial(t)
	answered := 0
	for answered < 5 { // a viewer that answers stays, far beyond the silence allowed
		p, ok := v.read().(peerwire.Ping)
		if !ok {
			t.Fatal("not a PING")
		}
		v.send(peerwire.Pong(p))
		answered++
	}
	if b := v.bye(); !strings.Contains(b.Text, "silent") {
		t.Fatalf("%+v", b)
	}
}

func TestFeedEndsWithItsStreamAndItsEdge(t *testing.T) {
	r := newRig(t, Config{}, nil).listen()
	r.video.parts(6)
	gone, stopped := r.dial(t), r.dial(t)
	stopped.send(peerwire.Subscribe{Track: 1, Slices: 1})
	stopped.send(peerwire.Ping{})
	stopped.read()
	_ = gone
	closed := make(chan struct{})
	go func() { r.edge.Close(); close(closed) }()
	if b := stopped.bye(); b.Reason != peerwire.ReasonLeaving {
		t.Fatalf("%+v", b)
	}
	gone.bye()
	<-closed

	r = newRig(t, Config{}, nil).listen()
	v := r.dial(t)
	r.dir.Remove("live/demo")
	if b := v.bye(); b.Reason != peerwire.ReasonLeaving || !strings.Contains(b.Text, "gone") {
		t.Fatalf("%+v", b)
	}
}

func TestFeedLimitAndSubprotocol(t *testing.T) {
	r := newRig(t, Config{MaxFeeds: 1}, nil).listen()
	r.dial(t)
	url := strings.Replace(r.http.URL, "http", "ws", 1) + "/feed/live/demo"
	_, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{peerwire.Subprotocol}})
	if err == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Fatalf("%v %v", resp, err)
	}
	other := newRig(t, Config{}, nil).listen()
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(other.http.URL, "http", "ws", 1)+"/feed/live/demo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if _, _, err := ws.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Fatalf("%v", err)
	}
}

// A viewer that takes less than it subscribed to is not sent ever older parts:
// the feed jumps to the newest and goes on.
func TestSlowFeedJumpsToTheNewestPart(t *testing.T) {
	r := newRig(t, Config{FeedLag: 2 * time.Second}, nil).listen()
	r.video.size = 1 << 20
	r.video.parts(7)
	v := r.dial(t)
	v.send(peerwire.Subscribe{Track: 1, Slices: 0b111, Part: media.PartID{MSN: firstMSN + 1}})
	first := v.chunkOnce()
	// Nothing is read while twenty seconds of media come.
	r.video.parts(60)
	newest := media.PartID{MSN: firstMSN + 11, Index: 0}
	parts := map[media.PartID]bool{first: true}
	for last := first; last != newest; {
		last = v.chunkOnce()
		parts[last] = true
	}
	if len(parts) >= 60 || r.edge.acct.feedSkips.Load() == 0 {
		t.Errorf("%d parts of 60 were sent, %d jumps", len(parts), r.edge.acct.feedSkips.Load())
	}
}

// chunkOnce gives the part of the next chunk.
func (v *viewer) chunkOnce() media.PartID { return v.chunk().Part }

func TestHopelessFeedIsClosed(t *testing.T) {
	r := newRig(t, Config{WriteTimeout: 500 * time.Millisecond}, nil).listen()
	r.video.size = 4 << 20
	r.video.parts(7)
	v := r.dial(t)
	v.send(peerwire.Subscribe{Track: 1, Slices: 0b111, Part: media.PartID{MSN: firstMSN + 1}})
	v.chunkOnce()
	r.video.parts(6) // more than the sockets take, and nobody reads
	for r.edge.Stats()[0].FeedViewers != 0 {
		if !poll(t) {
			t.Fatal("still fed")
		}
	}
	if r.edge.acct.feedSlow.Load() != 1 {
		t.Errorf("%d feeds closed as slow", r.edge.acct.feedSlow.Load())
	}
}
