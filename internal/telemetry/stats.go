// Package telemetry holds what the roles say about themselves: counters per
// stream that the tracker and the edge keep, and the few helpers that give all
// metrics of a node the same names. It does no I/O.
package telemetry

import "starling/internal/media"

// StreamStats is what the tracker knows of one stream from its viewers'
// beacons. Byte and event counters are cumulative since the tracker started
// and never fall: a viewer that leaves keeps its share.
type StreamStats struct {
	Stream media.StreamID `json:"stream"`

	Viewers int `json:"viewers"` // sessions that are connected now
	Peers   int `json:"peers"`   // of those, with at least one open connection to another viewer

	PeerBytes      uint64 `json:"peerBytes"`      // media received from other viewers and used
	FeedBytes      uint64 `json:"feedBytes"`      // media received from the edge's feed
	HTTPBytes      uint64 `json:"httpBytes"`      // media received from the edge by HTTP
	SentBytes      uint64 `json:"sentBytes"`      // media sent to other viewers
	DuplicateBytes uint64 `json:"duplicateBytes"` // media that was already there when it came
	RejectedBytes  uint64 `json:"rejectedBytes"`  // media that failed verification
	ControlBytes   uint64 `json:"controlBytes"`   // frames that carry no media

	Stalls          uint64 `json:"stalls"`
	StallMS         uint64 `json:"stallMs"`
	DroppedFrames   uint64 `json:"droppedFrames"`
	ConnectFailures uint64 `json:"connectFailures"`

	// Quantiles over the viewers that are connected now; 0 when none has said.
	LatencyP50MS float64 `json:"latencyP50Ms"` // live edge to playhead
	LatencyP95MS float64 `json:"latencyP95Ms"`
	StartupP50MS float64 `json:"startupP50Ms"` // play() to first frame

	Roots  int `json:"roots"`  // viewers that are fed by the edge in some slice tree
	Banned int `json:"banned"` // viewers banned from the swarm
}

// EdgeStats is what an edge counts of one stream. Counters are cumulative
// since the edge started; media bytes are payload that left the edge, without
// protocol overhead.
type EdgeStats struct {
	Stream        media.StreamID `json:"stream"`
	MediaBytes    uint64         `json:"mediaBytes"`    // parts and segments sent by HTTP
	FeedBytes     uint64         `json:"feedBytes"`     // media sent by the feed
	PlaylistBytes uint64         `json:"playlistBytes"` // playlists and catalogs, as sent (compressed)
	FeedViewers   int            `json:"feedViewers"`   // open feed connections
	Requests      uint64         `json:"requests"`      // HTTP requests answered
}

// Offload is the part of the media bytes that did not leave an edge:
// peer ÷ (peer + edge). It is 0 when nothing has moved.
func Offload(peer, edge uint64) float64 {
	if peer+edge == 0 {
		return 0
	}
	return float64(peer) / float64(peer+edge)
}
