package peer

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"starling/internal/media"
	"starling/internal/peerstate"
)

// A part that was fetched whole, before its header was known, can be verified
// and passed on when the edge sends the header with it; a header that is not
// this part's own is no better than none.
func TestWholePartIsVerifiedByTheHeaderThatCameWithIt(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 40_000)
	for i := range body {
		body[i] = byte(i * 7)
	}
	id := media.PartID{MSN: 100, Index: 2}
	sign := func(id media.PartID, key ed25519.PrivateKey) string {
		h := &media.Header{Stream: "live/demo", Track: 1, ID: id, Init: 1, PDT: time.Now(), Duration: 333 * time.Millisecond, Size: len(body), ChunkSize: 10_000, Hashes: media.HashChunks(body, 10_000)}
		return base64.RawURLEncoding.EncodeToString(h.Sign(key))
	}
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		field  string
		header bool
	}{
		"its own":          {sign(id, key), true},
		"none":             {"", false},
		"no base64url":     {"*", false},
		"another part's":   {sign(media.PartID{MSN: 100, Index: 3}, key), false},
		"another stream's": {sign(id, other), false},
	} {
		t.Run(name, func(t *testing.T) {
			edge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/live/demo/v720/100.2.m4s":
				case "/live/demo/v720/index.m3u8": // the viewer looks for the parts before this one
					http.NotFound(w, r)
					return
				default:
					t.Errorf("asked for %s", r.URL)
				}
				if c.field != "" {
					w.Header().Set(partHeaderField, c.field)
				}
				w.Write(body)
			}))
			defer edge.Close()
			host, err := NewHost(HostConfig{Loopback: true, UDPAddr: "127.0.0.1:0"})
			if err != nil {
				t.Fatal(err)
			}
			defer host.Close()
			p, err := New(Config{URL: edge.URL + "/watch/live/demo", Host: host, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			p.start = time.Now()
			p.ctx, p.end = context.WithCancel(t.Context())
			defer func() {
				p.end()
				p.wg.Wait()
			}()
			info := media.TrackInfo{Number: 1, Name: "v720", Kind: media.Video, Slices: 2, Bitrate: 1_000_000}
			p.info = &catalog{StreamInfo: media.StreamInfo{ID: "live/demo", Key: pub, PartMS: 333, SegmentMS: 2000, TargetMS: 2000, Tracks: []media.TrackInfo{info}}}
			p.tracks = []*trackState{{info: &info, from: media.PartID{MSN: 100}}}
			p.state = peerstate.New(peerstate.Rules{}, 0)
			p.state.SetTracks([]peerstate.Track{{Number: 1, Slices: 2, Bitrate: 1_000_000, From: media.PartID{MSN: 100}}}, 0)
			k := peerstate.Key{Track: 1, ID: id}
			if p.learn(k, time.Now(), 333*time.Millisecond) == nil {
				t.Fatal("the part is not wanted")
			}
			p.state.Exists(k, 5000, 0)
			p.fetchPart(peerstate.Action{Key: k})
			p.wg.Wait() // its result is in the inbox
			(<-p.inbox)()
			pd := p.parts[k]
			if pd == nil || !pd.complete || pd.httpBytes != len(body) {
				t.Fatalf("the part was not delivered: %+v", pd)
			}
			if (pd.header != nil) != c.header {
				t.Fatalf("header taken: %v", pd.header != nil)
			}
			if have := p.state.Held(k); c.header && (have == nil || have.Count() != 4) {
				t.Error("the chunks are not there to be passed on")
			}
		})
	}
}
