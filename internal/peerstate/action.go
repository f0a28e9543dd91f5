package peerstate

import (
	"starling/internal/media"
	"starling/internal/peerwire"
)

// Key addresses a part of one stream.
type Key struct {
	Track uint8 // TrackInfo.Number
	ID    media.PartID
}

// Kind is what an Action does.
type Kind uint8

// The kinds of action.
const (
	ForwardHeader Kind = iota + 1 // send the part's header to the neighbour Peer, once
	Forward                       // send chunks [First, First+Count) to Peer
	Subscribe                     // ask Peer (a neighbour or Edge) to push Slices from Key.ID on
	Unsubscribe                   // stop Peer's pushing of Slices
	Request                       // ask neighbour Peer for chunks, useful for DeadlineMS
	Cancel                        // tell Peer that chunks it was asked for, or is to push, are not wanted, or abort the fetch from Edge
	Fetch                         // get chunks from the edge by HTTP byte range
	FetchAll                      // get the whole part from the edge, its header being unknown
	Refuse                        // answer Peer with REFUSE(Reason); a SUBSCRIBE when Slices is set
	ReportBad                     // Peer sent chunk First with wrong bytes: ban it, tell the tracker
	ReportLost                    // Peer does not work as a neighbour (Lost says how): tell the tracker
	Deliver                       // the part is complete: hand it to the player
	Announce                      // send HAVE of the whole part to all neighbours that have not announced it
	GiveUp                        // the part never became complete: forget its bytes
	Drop                          // the part is complete and old: forget its bytes
	Ping                          // ask Peer for a sign of life at once
	WantHeader                    // ask Peer, who sent chunks of the part, for its header
)

// Action is one thing for the shell to do. Which fields count depends on Kind.
type Action struct {
	Kind       Kind
	Peer       string
	Key        Key
	First      int
	Count      int
	Slices     peerwire.SliceMask
	Flags      peerwire.SubscribeFlags
	Until      media.PartID // of Subscribe with Edge: the first part that is not asked for; MSN 0: none
	DeadlineMS int64
	Reason     peerwire.Reason
	Lost       string // "timeout", "closed", "slow", "connect-failed"
}

// Loss reasons, as the tracker's `lost` message names them.
const (
	LostClosed        = "closed"
	LostTimeout       = "timeout"
	LostConnectFailed = "connect-failed"
	LostSlow          = "slow"
)

// Verdict says what a received chunk was worth.
type Verdict uint8

// The verdicts on a chunk.
const (
	Useful    Verdict = iota + 1
	Duplicate         // already held
	Rejected          // failed verification
	Unwanted          // of a part that this viewer does not (or no longer) receive
)

// SliceSource is the tracker's assignment of one slice.
type SliceSource struct{ Parent, Backup string }

// Track is a track that the viewer wants.
type Track struct {
	Number  uint8
	Slices  int // K
	Bitrate int // bit/s
	// PartMS is the usual duration of a part, 0 when it is not known.
	PartMS int64
	// From is the first part wanted; pushes of earlier ones are ignored.
	From media.PartID
	// Until, when its MSN is not 0, is where the first subscription of the feed
	// ends: parents are expected to bring what follows.
	Until media.PartID
}
