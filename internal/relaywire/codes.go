package relaywire

import "fmt"

// CloseCode is the application error code with which a session is closed.
type CloseCode uint64

// The session close codes.
const (
	CloseNormal       CloseCode = 0 // shutting down or no longer needed
	CloseMalformed    CloseCode = 1 // a frame or stream that breaks the protocol
	CloseVersion      CloseCode = 2 // no common version
	CloseLoop         CloseCode = 3 // the downstream is in the upstream's hop list
	CloseOverloaded   CloseCode = 4 // a limit of sessions or subscriptions
	CloseSlow         CloseCode = 5 // control frames are not read, or HELLO did not come
	CloseVerification CloseCode = 6 // media that does not match its signature, repeatedly
	CloseInternal     CloseCode = 7 // a fault of this node
	CloseSuperseded   CloseCode = 8 // the downstream goes to another upstream
)

// String names the code; the names are metric label values.
func (c CloseCode) String() string {
	switch c {
	case CloseNormal:
		return "normal"
	case CloseMalformed:
		return "malformed"
	case CloseVersion:
		return "version"
	case CloseLoop:
		return "loop"
	case CloseOverloaded:
		return "overloaded"
	case CloseSlow:
		return "slow"
	case CloseVerification:
		return "verification"
	case CloseInternal:
		return "internal"
	case CloseSuperseded:
		return "superseded"
	}
	return "unknown"
}

// StreamCode is the error code of a reset or refused stream.
type StreamCode uint64

// The stream error codes.
const (
	StreamCancelled StreamCode = 0 // the receiver has no use for the rest
	StreamAbandoned StreamCode = 1 // a segment that will not be completed
	StreamUnknown   StreamCode = 2 // an unknown stream type or subscription
)

// SubscribeCode says why a subscription was refused.
type SubscribeCode uint64

// The codes of SUBSCRIBE_ERROR.
const (
	SubscribeNoStream   SubscribeCode = 1
	SubscribeNoTrack    SubscribeCode = 2
	SubscribeOverloaded SubscribeCode = 3
	SubscribeInternal   SubscribeCode = 4
)

// String describes the code.
func (c SubscribeCode) String() string {
	switch c {
	case SubscribeNoStream:
		return "no such stream"
	case SubscribeNoTrack:
		return "no such track"
	case SubscribeOverloaded:
		return "overloaded"
	case SubscribeInternal:
		return "internal error"
	}
	return fmt.Sprintf("code %d", uint64(c))
}

// FetchCode is the answer to FETCH.
type FetchCode uint64

// The codes of a FETCH answer.
const (
	FetchOK         FetchCode = 0
	FetchNoStream   FetchCode = 1
	FetchNoTrack    FetchCode = 2
	FetchGone       FetchCode = 3 // has left the window, or never was
	FetchNotYet     FetchCode = 4 // is not produced yet
	FetchOverloaded FetchCode = 5
)

// String names the code; the names are metric label values.
func (c FetchCode) String() string {
	switch c {
	case FetchOK:
		return "ok"
	case FetchNoStream:
		return "no_stream"
	case FetchNoTrack:
		return "no_track"
	case FetchGone:
		return "gone"
	case FetchNotYet:
		return "not_yet"
	case FetchOverloaded:
		return "overloaded"
	}
	return "unknown"
}
