package peer

import (
	"testing"

	"starling/internal/media"
	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

// A neighbour says what it wants right after its HELLO, which may be before this
// viewer knows its own tracks: it is kept until then.
func TestFramesBeforeTheOwnHelloAreKept(t *testing.T) {
	p, err := New(Config{URL: "http://edge/live/demo"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.host.Close()
	p.startUplink()
	l := &link{id: "child", headers: map[peerstate.Key]struct{}{}}
	p.links[l.id] = l
	p.onFrame(l, peerwire.Hello{Version: peerwire.Version, ID: l.id, Stream: p.stream}, 20, nil)
	p.onFrame(l, peerwire.Subscribe{Track: 1, Slices: 0b11}, 6, nil)
	if l.hello || len(l.held) != 2 {
		t.Fatalf("HELLO taken: %v, frames kept: %d", l.hello, len(l.held))
	}
	p.state.SetTracks([]peerstate.Track{{Number: 1, Slices: 2, Bitrate: 1_000_000, From: media.PartID{MSN: 10}}}, 0)
	p.greet(l)
	if !l.up || !l.hello || len(l.held) != 0 || p.state.Committed(l.id) == 0 {
		t.Fatalf("up %v, HELLO taken %v, kept %d, pushed %d bit/s", l.up, l.hello, len(l.held), p.state.Committed(l.id))
	}
}
