package signal

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// Setup is the DTLS role of a description (RFC 8842 section 5).
type Setup uint8

// The roles, with their wire values.
const (
	ActPass Setup = iota // offer: either
	Active               // answer: I start the handshake
	Passive              // answer: the other side starts it
)

var setupNames = [...]string{ActPass: "actpass", Active: "active", Passive: "passive"}

// String is the value of the SDP setup attribute.
func (s Setup) String() string {
	if int(s) < len(setupNames) {
		return setupNames[s]
	}
	return "unknown"
}

// algorithmSHA256 is the only fingerprint algorithm of this version: all
// browsers and pion use it.
const algorithmSHA256 = 1

// Bounds of the ICE credentials (RFC 8839 section 5.4: at least 4 and 22, at
// most 256). The upper bounds here keep a description within MaxText; browsers
// and pion use 4 to 16 and 24 to 32.
const (
	minUfrag, maxUfrag = 4, 32
	minPwd, maxPwd     = 22, 80
)

// Fields after the fingerprint: u8 kind, u8 length, bytes. Unknown kinds are
// ignored.
const (
	fieldInit = 1 // the SCTP INIT chunk
	// An INIT chunk has at least its header and fixed fields; what comes with
	// them are a few parameters.
	minInit, maxInit = 20, 48
)

// Description is what remains of a session description for two negotiated data
// channels.
type Description struct {
	Setup       Setup
	Ufrag       string // ICE username fragment
	Pwd         string // ICE password
	Fingerprint [32]byte
	// Init is the SCTP INIT chunk that both sides use in place of the SCTP
	// handshake when both sent one (draft-hancke-tsvwg-snap); nil without.
	Init []byte
}

// isInit reports whether b is one whole INIT chunk (RFC 9260 section 3.3.2) of
// a size that is carried.
func isInit(b []byte) bool {
	if len(b) < minInit || len(b) > maxInit || b[0] != 1 {
		return false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	return n == len(b) || (n+3)&^3 == len(b) // padded
}

// validate checks the fields that are written into SDP text: a stray line
// break in one of them would let a peer inject attributes.
func (d *Description) validate() error {
	switch {
	case int(d.Setup) >= len(setupNames):
		return fmt.Errorf("setup %d", d.Setup)
	case len(d.Ufrag) < minUfrag || len(d.Ufrag) > maxUfrag || !iceChars(d.Ufrag):
		return fmt.Errorf("ice-ufrag: want %d to %d ice-chars", minUfrag, maxUfrag)
	case len(d.Pwd) < minPwd || len(d.Pwd) > maxPwd || !iceChars(d.Pwd):
		return fmt.Errorf("ice-pwd: want %d to %d ice-chars", minPwd, maxPwd)
	}
	return nil
}

// iceChars checks the ice-char production of RFC 8839 section 5.1.
func iceChars(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/':
		default:
			return false
		}
	}
	return true
}

// Encode gives the squeezed form as text. It fails when a field is out of
// bounds.
func (d *Description) Encode() (string, error) {
	if err := d.validate(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrDescription, err)
	}
	b := make([]byte, 0, 5+len(d.Ufrag)+len(d.Pwd)+len(d.Fingerprint))
	b = append(b, version, byte(d.Setup), byte(len(d.Ufrag)))
	b = append(b, d.Ufrag...)
	b = append(b, byte(len(d.Pwd)))
	b = append(b, d.Pwd...)
	b = append(b, algorithmSHA256)
	b = append(b, d.Fingerprint[:]...)
	if isInit(d.Init) && encoding.EncodedLen(len(b)+2+len(d.Init)) <= MaxText {
		b = append(append(b, fieldInit, byte(len(d.Init))), d.Init...)
	}
	return encoding.EncodeToString(b), nil
}

// ParseDescription decodes the text of a squeezed description. Bytes after the
// fingerprint that are no known field are ignored: they are room for later
// versions.
func ParseDescription(s string) (*Description, error) {
	if len(s) > MaxText {
		return nil, fmt.Errorf("%w: %d characters", ErrDescription, len(s))
	}
	b, err := encoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDescription, err)
	}
	if len(b) < 3 || b[0] != version {
		return nil, fmt.Errorf("%w: version or length", ErrDescription)
	}
	d := &Description{Setup: Setup(b[1])}
	ufrag, rest, ok := lengthPrefixed(b[2:])
	if !ok {
		return nil, fmt.Errorf("%w: truncated ufrag", ErrDescription)
	}
	pwd, rest, ok := lengthPrefixed(rest)
	if !ok {
		return nil, fmt.Errorf("%w: truncated pwd", ErrDescription)
	}
	if len(rest) < 1+len(d.Fingerprint) || rest[0] != algorithmSHA256 {
		return nil, fmt.Errorf("%w: fingerprint", ErrDescription)
	}
	copy(d.Fingerprint[:], rest[1:])
	d.Ufrag, d.Pwd = string(ufrag), string(pwd)
	d.Init = initOf(rest[1+len(d.Fingerprint):])
	if err := d.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDescription, err)
	}
	return d, nil
}

// initOf finds the INIT chunk among the fields after the fingerprint.
func initOf(fields []byte) []byte {
	for len(fields) > 0 {
		field, rest, ok := lengthPrefixed(fields[1:])
		if !ok {
			return nil
		}
		if fields[0] == fieldInit && isInit(field) {
			return bytes.Clone(field)
		}
		fields = rest
	}
	return nil
}

func lengthPrefixed(b []byte) (field, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}

// ParseSDP takes the fields out of a session description as browsers and pion
// make them. An attribute may stand at session or media level (Firefox and
// pion put the fingerprint at session level); the media level wins. Candidates
// in the text are ignored: they are trickled.
func ParseSDP(sdp string) (*Description, error) {
	if len(sdp) > 16<<10 {
		return nil, fmt.Errorf("%w: %d bytes", ErrSDP, len(sdp))
	}
	d := &Description{}
	var fingerprint, setup string
	sections := 0
	for line := range strings.Lines(sdp) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "m=") {
			if sections++; sections > 1 || !strings.HasPrefix(line, "m=application ") {
				return nil, fmt.Errorf("%w: want one application section", ErrSDP)
			}
		}
		name, value, _ := strings.Cut(strings.TrimPrefix(line, "a="), ":")
		if !strings.HasPrefix(line, "a=") {
			continue
		}
		switch name {
		case "ice-ufrag":
			d.Ufrag = value
		case "ice-pwd":
			d.Pwd = value
		case "setup":
			setup = value
		case "sctp-init":
			if b, err := base64.StdEncoding.DecodeString(value); err == nil && isInit(b) {
				d.Init = b // without it the channels open as well, a little later
			}
		case "fingerprint":
			if hash, hexed, _ := strings.Cut(value, " "); strings.EqualFold(hash, "sha-256") {
				fingerprint = hexed
			}
		}
	}
	if sections == 0 {
		return nil, fmt.Errorf("%w: no media section", ErrSDP)
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(fingerprint, ":", ""))
	if err != nil || len(raw) != len(d.Fingerprint) {
		return nil, fmt.Errorf("%w: no sha-256 fingerprint", ErrSDP)
	}
	copy(d.Fingerprint[:], raw)
	d.Setup = Setup(len(setupNames))
	for i, n := range setupNames {
		if n == setup {
			d.Setup = Setup(i)
		}
	}
	if err := d.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSDP, err)
	}
	return d, nil
}

// SDP rebuilds a session description that Chromium, Firefox and pion accept as
// the other side's: one section for data channels, ICE trickled, mid 0 as all
// of them name their first section.
func (d *Description) SDP() string {
	var b strings.Builder
	b.WriteString("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n")
	fmt.Fprintf(&b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle\r\na=fingerprint:sha-256 ", d.Ufrag, d.Pwd)
	for i, c := range d.Fingerprint {
		if i > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02X", c)
	}
	fmt.Fprintf(&b, "\r\na=setup:%s\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n", d.Setup)
	if d.Init != nil {
		fmt.Fprintf(&b, "a=sctp-init:%s\r\n", base64.StdEncoding.EncodeToString(d.Init))
	}
	return b.String()
}

// Squeeze turns a session description into its squeezed text.
func Squeeze(sdp string) (string, error) {
	d, err := ParseSDP(sdp)
	if err != nil {
		return "", err
	}
	return d.Encode()
}

// Expand turns squeezed text into a session description to set as remote.
func Expand(s string) (string, error) {
	d, err := ParseDescription(s)
	if err != nil {
		return "", err
	}
	return d.SDP(), nil
}
