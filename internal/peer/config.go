// Package peer is a headless viewer in Go: it joins the tracker, takes slices
// from other viewers over data channels and from the edge's feed, repairs what
// is missing, passes verified chunks on, and consumes each part at its
// deadline as a player would. It serves as benchmark viewer, as a set-top box
// and as a super-peer in an office.
package peer

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"starling/internal/media"
	"starling/internal/peerstate"
)

// DefaultUplink is what a peer may upload unless told otherwise, in bit/s.
const DefaultUplink = 8_000_000

// Config configures a Peer. The zero value of a field is its default.
type Config struct {
	// URL of the stream: https://HOST/watch/APP/NAME, .../embed/APP/NAME,
	// .../APP/NAME or .../APP/NAME/index.m3u8.
	URL string
	// Tracks to play; default the best video and the first audio.
	Tracks []string
	// Uplink is what may be uploaded in bit/s; 0 means DefaultUplink and a
	// negative value none.
	Uplink int
	// UplinkStart is what the line is known to carry upwards in bit/s; 0 means
	// nothing is known, and the estimate starts low. Uplink itself makes the
	// peer offer everything at once.
	UplinkStart int
	// HoldBack is how far behind the live edge playback starts; default three
	// part durations, as PART-HOLD-BACK demands of players.
	HoldBack time.Duration
	// Token admits the viewer where the tracker asks for one.
	Token string
	// EdgeOnly plays without a tracker or peers.
	EdgeOnly bool
	// Behaviour is Honest except in tests.
	Behaviour Behaviour
	// Rules of repair; zero fields are the defaults of docs/repair.md.
	Rules peerstate.Rules
	// Host is shared by the peers of one process; nil makes one of its own.
	Host *Host
	// OnPart, when set, is called from the peer's goroutine for every part
	// that became complete. It must not block.
	OnPart func(PartReport)
	// OnChunk, when set, is called in the same way for every chunk that was
	// new. It must not block.
	OnChunk func(ChunkReport)
	// OnSource, when set, is called in the same way when a source is asked to
	// push slices: a new one, or the same one with another word on headers. It
	// must not block.
	OnSource func(SourceReport)
	// Log defaults to slog.Default.
	Log *slog.Logger
}

// PartReport describes a part that became complete.
type PartReport struct {
	Track string
	ID    media.PartID
	// Header is nil when the part came over HTTPS without one.
	Header *media.Header
	// Data is the part's bytes. They must not be modified.
	Data []byte
	// Lateness runs from the end of the part's media on the encoder's wall
	// clock (PDT + duration, so packaging is included) to its completion here.
	Lateness time.Duration
	// Bytes by the source they came from.
	PeerBytes, FeedBytes, HTTPBytes int
}

// ChunkReport describes a chunk that came and was new.
type ChunkReport struct {
	Track string
	ID    media.PartID
	// End is when the part's media ended on the encoder's wall clock.
	End time.Time
	// Index of the chunk, of Count in its part.
	Index, Count int
	// Slice that the chunk belongs to, of Slices.
	Slice, Slices int
	// From is the peer that sent it, or peerstate.Edge.
	From string
}

// SourceReport tells who is asked to push slices of a track.
type SourceReport struct {
	Track  string
	Slices []int
	// From is the peer, or peerstate.Edge.
	From string
}

var errURL = errors.New("want http(s)://HOST/watch/APP/NAME")

// parseURL finds the stream's base URL, with a slash at the end.
func parseURL(s string) (*url.URL, media.StreamID, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, "", fmt.Errorf("stream address %q: %w", s, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, "", fmt.Errorf("stream address %q: %w", s, errURL)
	}
	c := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(c) > 2 && (c[0] == "watch" || c[0] == "embed") {
		c = c[1:]
	}
	if len(c) == 3 && c[2] == "index.m3u8" {
		c = c[:2]
	}
	id, err := media.ParseStreamID(strings.Join(c, "/"))
	if err != nil {
		return nil, "", fmt.Errorf("stream address %q: %w (%w)", s, errURL, err)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/" + string(id) + "/"}, id, nil
}

// websocketURL gives the address of a path on the same host, or of a complete
// address, as ws or wss.
func websocketURL(base *url.URL, ref string) (string, error) {
	r, err := url.Parse(ref)
	if err != nil {
		return "", fmt.Errorf("address %q: %w", ref, err)
	}
	u := base.ResolveReference(r)
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return "", fmt.Errorf("address %q: scheme %q is not for a WebSocket", ref, u.Scheme)
	}
	return u.String(), nil
}
