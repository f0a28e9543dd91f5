// Package media holds the identities and immutable descriptions that every
// role of Starling shares: streams, tracks, parts, chunks and slices. It does
// no I/O and starts no goroutine.
package media

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"
)

// StreamID names one broadcast as "app/name", for example "live/demo".
type StreamID string

// maxNameLen bounds one component of a name, so that a header, a URL and a
// metric label all stay short.
const maxNameLen = 64

// ErrName reports a stream or track name that is not usable in a URL path.
var ErrName = errors.New("names use 1 to 64 of a-z A-Z 0-9 . _ - and do not start with a dot")

// reservedApps are first path components that the public listener uses itself.
var reservedApps = []string{"watch", "embed", "tracker", "assets", "feed", "healthz", "api", "metrics", "dashboard"}

// ParseStreamID checks that s is "app/name" and returns it as a StreamID.
func ParseStreamID(s string) (StreamID, error) {
	app, name, ok := strings.Cut(s, "/")
	if !ok {
		return "", fmt.Errorf("stream %q: want APP/NAME", s)
	}
	if !ValidName(app) || !ValidName(name) {
		return "", fmt.Errorf("stream %q: %w", s, ErrName)
	}
	for _, r := range reservedApps {
		if app == r {
			return "", fmt.Errorf("stream %q: the app name %q is reserved, choose another such as live", s, app)
		}
	}
	return StreamID(s), nil
}

// ValidName reports whether s can be one component of a stream or track name.
func ValidName(s string) bool {
	if len(s) == 0 || len(s) > maxNameLen || s[0] == '.' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// PartID addresses a part inside a track: media sequence number and index.
type PartID struct {
	MSN   uint64 `json:"msn"`
	Index uint64 `json:"index"`
}

// Compare orders parts by time: negative when p is before q.
func (p PartID) Compare(q PartID) int {
	if c := cmp.Compare(p.MSN, q.MSN); c != 0 {
		return c
	}
	return cmp.Compare(p.Index, q.Index)
}

// String gives "msn.index", the form used in URLs and logs.
func (p PartID) String() string { return fmt.Sprintf("%d.%d", p.MSN, p.Index) }

// Kind tells video from audio.
type Kind string

// The kinds of track.
const (
	Video Kind = "video"
	Audio Kind = "audio"
)

// Init is one fMP4 initialization section of a track. A track gains a new one
// when its codec parameters change at a discontinuity; ids are never reused.
type Init struct {
	ID   uint64 `json:"id"`
	Data []byte `json:"data"` // ftyp + moov
}

// TrackInfo describes one encoded rendition, or audio. It is immutable: a
// change makes a new TrackInfo in a new StreamInfo.
type TrackInfo struct {
	Number      uint8   `json:"number"` // wire alias, never reused for another name in the stream's life
	Name        string  `json:"name"`   // "v720", "a128"
	Kind        Kind    `json:"kind"`
	Codec       string  `json:"codec"`   // RFC 6381, for example "avc1.64001f"
	Bitrate     int     `json:"bitrate"` // average, bit/s
	PeakBitrate int     `json:"peakBitrate"`
	Slices      int     `json:"slices"` // K of the overlay: SliceCount
	Width       int     `json:"width,omitempty"`
	Height      int     `json:"height,omitempty"`
	FrameRate   float64 `json:"frameRate,omitempty"`
	SampleRate  int     `json:"sampleRate,omitempty"`
	Channels    int     `json:"channels,omitempty"`
	Inits       []Init  `json:"inits"` // newest last
}

// Init returns the initialization section with the given id.
func (t *TrackInfo) Init(id uint64) (Init, bool) {
	for _, in := range t.Inits {
		if in.ID == id {
			return in, true
		}
	}
	return Init{}, false
}

// StreamInfo is the catalog of a stream: what a node must know to relay, serve
// and verify it. It is immutable; Revision grows with every change.
type StreamInfo struct {
	ID          StreamID          `json:"id"`
	Revision    uint64            `json:"revision"`
	Key         ed25519.PublicKey `json:"key"`         // verifies part headers
	SegmentMS   int               `json:"segmentMs"`   // nominal segment duration
	TargetMS    int               `json:"targetMs"`    // EXT-X-TARGETDURATION x 1000: bound of any segment
	PartMS      int               `json:"partMs"`      // PART-TARGET: bound of any part
	Ended       bool              `json:"ended"`       // no more parts will come
	StartedAtMS int64             `json:"startedAtMs"` // wall clock of the first frame, Unix ms
	Tracks      []TrackInfo       `json:"tracks"`      // video from best to least, then audio
}

// Track returns the description of the named track.
func (s *StreamInfo) Track(name string) (*TrackInfo, bool) {
	for i := range s.Tracks {
		if s.Tracks[i].Name == name {
			return &s.Tracks[i], true
		}
	}
	return nil, false
}

// TrackByNumber returns the description of the track with that wire alias.
func (s *StreamInfo) TrackByNumber(n uint8) (*TrackInfo, bool) {
	for i := range s.Tracks {
		if s.Tracks[i].Number == n {
			return &s.Tracks[i], true
		}
	}
	return nil, false
}

// PartTarget is PART-TARGET as a duration.
func (s *StreamInfo) PartTarget() time.Duration { return time.Duration(s.PartMS) * time.Millisecond }
