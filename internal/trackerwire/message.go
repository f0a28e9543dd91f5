// Package trackerwire is the tracker protocol as text: the messages of
// docs/tracker.md, their limits and their checks. The tracker and the headless
// Go peer share it; it does no I/O.
package trackerwire

import (
	"starling/internal/media"
)

// Limits of the protocol (docs/tracker.md).
const (
	// Version is what join announces.
	Version = 1
	// Subprotocol is the WebSocket subprotocol of this version.
	Subprotocol = "starling-tracker.1"
	// MaxMessage bounds a message in bytes, both ways.
	MaxMessage = 16 << 10
	// MaxTracks bounds the tracks that a viewer wants at once: video, audio, and
	// room for a rung change and captions.
	MaxTracks = 8

	maxID      = 64        // the peer protocol's bound of a viewer id
	maxBrowser = 32        // "chromium", "starling-peer"
	maxToken   = 2048      // a signed token with claims
	maxReason  = 32        // of lost
	maxNumber  = 1<<53 - 1 // the largest integer that a JavaScript number holds exactly
)

// EdgeID stands for the edge where a parent or backup is named.
const EdgeID = "edge"

// Message is one message of either direction.
type Message interface {
	// Type is the value of the message's "type".
	Type() string
}

// Join is a viewer's first message.
type Join struct {
	Version int            `json:"version"`
	Stream  media.StreamID `json:"stream"`
	Tracks  []string       `json:"tracks"`  // wanted now, video first
	Uplink  Number         `json:"uplink"`  // bit/s; 0: will not upload
	Browser string         `json:"browser"` // short family name
	Session string         `json:"session"` // 32 lower-case hex digits, the same for every join of one player
	Token   string         `json:"token,omitempty"`
}

// Tracks says that the viewer now plays other tracks.
type Tracks struct {
	Tracks []string `json:"tracks"`
}

// SignalData is one step of opening a connection. Exactly one field is set.
type SignalData struct {
	Offer     *string `json:"offer,omitempty"`     // squeezed description
	Answer    *string `json:"answer,omitempty"`    // squeezed description
	Candidate *string `json:"candidate,omitempty"` // squeezed candidate; "" ends them
	Restart   bool    `json:"restart,omitempty"`   // asks the child to begin anew
}

// SignalTo asks the tracker to pass data on to another viewer.
type SignalTo struct {
	To   string     `json:"to"`
	Data SignalData `json:"data"`
}

// Lost says that the connection with a peer does not work.
type Lost struct {
	Peer   string `json:"peer"`
	Reason string `json:"reason"` // one of the Lost reasons
}

// Reasons of lost.
const (
	LostClosed        = "closed"
	LostTimeout       = "timeout"
	LostConnectFailed = "connect-failed"
	LostSlow          = "slow"
)

// Report accuses a peer of having sent bytes that fail verification.
type Report struct {
	Peer  string `json:"peer"`
	Track string `json:"track"`
	MSN   Number `json:"msn"`
	Index Number `json:"index"`
	Chunk Number `json:"chunk"`
}

// Beacon is what a viewer has counted since its session began. The fields up
// to StallMS must be there; of the measures after them 0, null or absent means
// unknown.
type Beacon struct {
	PeerBytes      Number `json:"peerBytes"`
	FeedBytes      Number `json:"feedBytes"`
	HTTPBytes      Number `json:"httpBytes"`
	SentBytes      Number `json:"sentBytes"`
	DuplicateBytes Number `json:"duplicateBytes"`
	RejectedBytes  Number `json:"rejectedBytes"`
	ControlBytes   Number `json:"controlBytes"`
	Stalls         Number `json:"stalls"`
	StallMS        Number `json:"stallMs"`

	StartupMS       Number `json:"startupMs"`       // play() to first frame, ms
	LatencyMS       Number `json:"latencyMs"`       // live edge to playhead, ms
	BufferMS        Number `json:"bufferMs"`        // media ahead of the playhead, ms
	Rung            string `json:"rung"`            // video track that plays
	DroppedFrames   Number `json:"droppedFrames"`   // cumulative
	Peers           Number `json:"peers"`           // open connections
	ConnectFailures Number `json:"connectFailures"` // cumulative
	// Uplink is bit/s that the viewer may upload from now on; nil: unchanged, 0:
	// no longer any.
	Uplink *Number `json:"uplink,omitempty"`
}

// Leave is a viewer's goodbye.
type Leave struct{}

// ICEServer is one entry of welcome's iceServers, as RTCConfiguration has it.
type ICEServer struct {
	URLs []string `json:"urls"`
}

// Welcome answers join.
type Welcome struct {
	ID         string         `json:"id"`
	Stream     media.StreamID `json:"stream"`
	Key        string         `json:"key"` // the stream's Ed25519 public key, base64url without padding
	ICEServers []ICEServer    `json:"iceServers"`
	BeaconMS   int            `json:"beaconMs"`
	MaxPeers   int            `json:"maxPeers"` // connections that the viewer must be ready to hold
	P2P        bool           `json:"p2p"`      // false: play from the edge
}

// Assign is a viewer's whole place in the overlay; it replaces the last.
type Assign struct {
	Revision uint64        `json:"revision"` // grows with every assign of a session
	Tracks   []AssignTrack `json:"tracks"`
	Children []string      `json:"children"` // may subscribe to this viewer
	Peers    []string      `json:"peers"`    // all viewers paired with this one
}

// AssignTrack gives the parents of one track.
type AssignTrack struct {
	Name   string        `json:"name"`
	Slices []AssignSlice `json:"slices"`
}

// AssignSlice names who pushes a slice: a viewer id or EdgeID.
type AssignSlice struct {
	Slice  int    `json:"slice"`
	Parent string `json:"parent"`
	Backup string `json:"backup"`
}

// SignalFrom brings another viewer's signal.
type SignalFrom struct {
	From string     `json:"from"`
	Data SignalData `json:"data"`
}

// Ban tells a viewer to drop a peer and to refuse it from now on.
type Ban struct {
	Peer string `json:"peer"`
}

// Error says what was wrong with a message, or why the tracker refuses.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Code is the machine-readable part of an Error.
type Code string

// The error codes.
const (
	CodeBadMessage  Code = "bad-message"
	CodeNoStream    Code = "no-stream"
	CodeVersion     Code = "version"
	CodeRate        Code = "rate"
	CodeFull        Code = "full"
	CodeBanned      Code = "banned"
	CodeUnknownPeer Code = "unknown-peer"
)

// Type implements Message.
func (*Join) Type() string { return "join" }

// Type implements Message.
func (*Tracks) Type() string { return "tracks" }

// Type implements Message.
func (*SignalTo) Type() string { return "signal" }

// Type implements Message.
func (*Lost) Type() string { return "lost" }

// Type implements Message.
func (*Report) Type() string { return "report" }

// Type implements Message.
func (*Beacon) Type() string { return "beacon" }

// Type implements Message.
func (*Leave) Type() string { return "leave" }

// Type implements Message.
func (*Welcome) Type() string { return "welcome" }

// Type implements Message.
func (*Assign) Type() string { return "assign" }

// Type implements Message.
func (*SignalFrom) Type() string { return "signal" }

// Type implements Message.
func (*Ban) Type() string { return "ban" }

// Type implements Message.
func (*Error) Type() string { return "error" }
