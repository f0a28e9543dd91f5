package peer

import (
	"time"

	"starling/internal/peerwire"
)

// Stats are a peer's counters since it started. Bytes are media payload.
type Stats struct {
	ID     string   `json:"id"` // given by the tracker; empty before
	Tracks []string `json:"tracks"`

	PeerBytes      uint64 `json:"peerBytes"`      // from other viewers, used
	FeedBytes      uint64 `json:"feedBytes"`      // from the edge's feed, all
	HTTPBytes      uint64 `json:"httpBytes"`      // from the edge by HTTP, all
	SentBytes      uint64 `json:"sentBytes"`      // to other viewers
	DuplicateBytes uint64 `json:"duplicateBytes"` // came when already there or no longer wanted
	RejectedBytes  uint64 `json:"rejectedBytes"`  // failed verification
	ControlBytes   uint64 `json:"controlBytes"`   // frames without media, both ways
	HeaderBytes    uint64 `json:"headerBytes"`    // of those, part headers
	HaveBytes      uint64 `json:"haveBytes"`      // of those, HAVE
	PingBytes      uint64 `json:"pingBytes"`      // of those, PING and PONG

	Parts   uint64 `json:"parts"`   // complete
	Late    uint64 `json:"late"`    // of those, after their deadline
	Skipped uint64 `json:"skipped"` // never complete
	Stalls  uint64 `json:"stalls"`
	StallMS uint64 `json:"stallMs"`
	Jumps   uint64 `json:"jumps"` // to live, over media that came too late

	StartupMS int64 `json:"startupMs"` // Run to first part consumed; 0 before
	FirstPeer int64 `json:"firstPeerMs"`
	LatencyMS int64 `json:"latencyMs"` // wall clock minus playhead; 0 before playback
	BufferMS  int64 `json:"bufferMs"`

	Uplink int64 `json:"uplink"` // estimated, bit/s

	Neighbours      int    `json:"neighbours"` // open connections
	ConnectFailures uint64 `json:"connectFailures"`
	Requests        uint64 `json:"requests"`  // repairs asked of neighbours
	Fetches         uint64 `json:"fetches"`   // repairs by HTTP
	Playlists       uint64 `json:"playlists"` // playlist requests
	Switches        uint64 `json:"switches"`  // slices moved to another source
	Bans            uint64 `json:"bans"`      // peers caught with wrong bytes
	Refusals        uint64 `json:"refusals"`  // subscriptions refused to us
}

// Offload is the part of the useful bytes that other viewers brought, counting
// all that left the edge against it.
func (s *Stats) Offload() float64 {
	all := s.PeerBytes + s.FeedBytes + s.HTTPBytes
	if all == 0 {
		return 0
	}
	return float64(s.PeerBytes) / float64(all)
}

// control counts a frame without media.
func (s *Stats) control(kind peerwire.Type, size int) {
	n := uint64(size)
	s.ControlBytes += n
	switch kind {
	case peerwire.TypeHeader:
		s.HeaderBytes += n
	case peerwire.TypeHave:
		s.HaveBytes += n
	case peerwire.TypePing, peerwire.TypePong:
		s.PingBytes += n
	}
}

// Stats gives the counters; they are at most one tick old.
func (p *Peer) Stats() Stats {
	p.statsMu.Lock()
	defer p.statsMu.Unlock()
	return p.shown
}

func (p *Peer) showStats() {
	s := p.stats
	s.LatencyMS, s.BufferMS = 0, 0
	if p.play.started {
		s.LatencyMS = p.play.latency(time.Now(), p.now()).Milliseconds()
		s.BufferMS = p.buffered()
	}
	if p.play.stallAt != 0 { // a stall that goes on counts, too
		s.Stalls++
		s.StallMS += uint64(p.now() - p.play.stallAt)
	}
	for _, l := range p.links {
		if l.up {
			s.Neighbours++
		}
	}
	p.statsMu.Lock()
	p.shown = s
	p.statsMu.Unlock()
}
