// Package signal squeezes what two peers must tell each other before a data
// channel opens (docs/tracker.md, "Signals"): of a session description only the
// ICE credentials, the certificate fingerprint and the DTLS role differ between
// connections, so a description is about 80 bytes and a candidate 12 to 24.
//
// All functions are pure. Squeezed forms are carried as base64url without
// padding; every parser here takes bytes that a stranger wrote.
package signal

import (
	"encoding/base64"
	"errors"
)

// version is the first byte of both squeezed forms. A receiver refuses others:
// a later version is only sent to a peer whose tracker join announced it.
const version = 1

// MaxText bounds a squeezed description or candidate as carried, in characters.
const MaxText = 200

// Errors of the squeezed forms.
var (
	// ErrSDP reports a session description without a usable field.
	ErrSDP = errors.New("session description cannot be squeezed")
	// ErrDescription reports a malformed squeezed description.
	ErrDescription = errors.New("malformed squeezed description")
	// ErrCandidate reports a malformed candidate, squeezed or as text.
	ErrCandidate = errors.New("malformed ICE candidate")
	// ErrDropped reports a sound candidate that is of no use between peers and
	// is not sent: TCP, a component other than 1, or an address with a zone.
	ErrDropped = errors.New("ICE candidate is not carried")
)

// encoding is strict: two texts never mean the same bytes, so that vectors and
// duplicate checks can compare texts.
var encoding = base64.RawURLEncoding.Strict()
