package trackerwire

import (
	"crypto/ed25519"
	"encoding/base64"
	"slices"

	"starling/internal/media"
	"starling/internal/signal"
)

// validID accepts what a tracker may name a viewer: it appears in messages,
// frames and logs, so only graphic ASCII without quotes.
func validID(s string) bool {
	if s == "" || len(s) > maxID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// ValidSession checks a session: 16 random bytes in lower-case hex.
func ValidSession(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func validTracks(names []string) error {
	if len(names) > MaxTracks {
		return bad("%d tracks, at most %d", len(names), MaxTracks)
	}
	for i, n := range names {
		if !media.ValidName(n) {
			return bad("track name %d", i)
		}
		if slices.Contains(names[:i], n) {
			return bad("track %s twice", n)
		}
	}
	return nil
}

func (m *Join) validate() error {
	if _, err := media.ParseStreamID(string(m.Stream)); err != nil {
		return bad("stream name")
	}
	switch {
	case len(m.Browser) > maxBrowser || !printable(m.Browser):
		return bad("browser: at most %d printable ASCII characters", maxBrowser)
	case !ValidSession(m.Session):
		return bad("session: want 32 lower-case hex digits")
	case len(m.Token) > maxToken:
		return bad("token: at most %d characters", maxToken)
	}
	return validTracks(m.Tracks)
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (m *Tracks) validate() error { return validTracks(m.Tracks) }

func (d *SignalData) validate() error {
	set := 0
	for _, s := range []*string{d.Offer, d.Answer, d.Candidate} {
		if s == nil {
			continue
		}
		set++
		if len(*s) > signal.MaxText || !base64URL(*s) {
			return bad("signal data: want base64url of at most %d characters", signal.MaxText)
		}
	}
	if d.Restart {
		set++
	}
	if set != 1 {
		return bad("signal data: want one of offer, answer, candidate, restart")
	}
	return nil
}

func base64URL(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

func (m *SignalTo) validate() error {
	if !validID(m.To) {
		return bad("signal: to")
	}
	return m.Data.validate()
}

func (m *SignalFrom) validate() error {
	if !validID(m.From) {
		return bad("signal: from")
	}
	return m.Data.validate()
}

func (m *Lost) validate() error {
	if !validID(m.Peer) {
		return bad("lost: peer")
	}
	// A later version may know further reasons; the word is only counted.
	if m.Reason == "" || len(m.Reason) > maxReason || !validID(m.Reason) {
		return bad("lost: reason")
	}
	return nil
}

func (m *Report) validate() error {
	if !validID(m.Peer) || !media.ValidName(m.Track) {
		return bad("report: peer or track")
	}
	return nil
}

func (m *Beacon) validate() error {
	if m.Rung != "" && !media.ValidName(m.Rung) {
		return bad("beacon: rung")
	}
	return nil
}

func (m *Welcome) validate() error {
	key, err := base64.RawURLEncoding.DecodeString(m.Key)
	switch {
	case !validID(m.ID):
		return bad("welcome: id")
	case err != nil || len(key) != ed25519.PublicKeySize:
		return bad("welcome: key")
	case m.BeaconMS < 100 || m.MaxPeers < 0:
		return bad("welcome: beaconMs or maxPeers")
	}
	return nil
}

func (m *Assign) validate() error {
	for _, id := range slices.Concat(m.Children, m.Peers) {
		if !validID(id) {
			return bad("assign: viewer id")
		}
	}
	for _, t := range m.Tracks {
		if !media.ValidName(t.Name) {
			return bad("assign: track name")
		}
		for _, s := range t.Slices {
			if s.Slice < 0 || s.Slice >= maxSlices || !validID(s.Parent) || !validID(s.Backup) {
				return bad("assign: slice of %s", t.Name)
			}
		}
	}
	return nil
}

// maxSlices is the width of the slice mask of the peer protocol.
const maxSlices = 16

func (m *Ban) validate() error {
	if !validID(m.Peer) {
		return bad("ban: peer")
	}
	return nil
}
