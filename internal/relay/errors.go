package relay

import (
	"errors"
	"fmt"

	"starling/internal/relaywire"
)

// Errors of Acquire and Fetch.
var (
	// ErrNoStream reports a stream that the upstream does not carry.
	ErrNoStream = errors.New("no such stream")
	// ErrNoTrack reports a track that the stream's catalog does not have.
	ErrNoTrack = errors.New("no such track")
	// ErrGone reports media that has left the upstream's window.
	ErrGone = errors.New("media is no longer there")
	// ErrNotYet reports media that is not produced yet.
	ErrNotYet = errors.New("media is not there yet")
	// ErrOverloaded reports an upstream that refuses more work.
	ErrOverloaded = errors.New("upstream is overloaded")
	// ErrNoUpstream reports that no upstream answered within the grace; the
	// window goes on being served.
	ErrNoUpstream = errors.New("no upstream is reachable: check relay.upstreams and that UDP passes")
	// ErrClosed reports a client whose Run has ended.
	ErrClosed = errors.New("relay client has stopped")
)

// errVerify reports media that does not match its signature.
var errVerify = errors.New("media does not verify")

func refusal(code relaywire.SubscribeCode, reason string) error {
	base := fmt.Errorf("upstream refused the subscription: %s", code)
	switch code {
	case relaywire.SubscribeNoStream:
		base = ErrNoStream
	case relaywire.SubscribeNoTrack:
		base = ErrNoTrack
	case relaywire.SubscribeOverloaded:
		base = ErrOverloaded
	}
	return fmt.Errorf("%w (upstream: %s)", base, reason)
}

func fetchError(code relaywire.FetchCode) error {
	switch code {
	case relaywire.FetchOK:
		return nil
	case relaywire.FetchNoStream:
		return ErrNoStream
	case relaywire.FetchNoTrack:
		return ErrNoTrack
	case relaywire.FetchGone:
		return ErrGone
	case relaywire.FetchNotYet:
		return ErrNotYet
	case relaywire.FetchOverloaded:
		return ErrOverloaded
	}
	return fmt.Errorf("upstream answered FETCH with code %d", code)
}
