package signal

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"
)

// Type is the type of a candidate (RFC 8445 section 5.1.1).
type Type uint8

// The types, with their wire values.
const (
	Host Type = iota
	ServerReflexive
	PeerReflexive
	Relay
)

var typeNames = [...]string{Host: "host", ServerReflexive: "srflx", PeerReflexive: "prflx", Relay: "relay"}

// Address kinds on the wire.
const (
	kindMDNS = 0
	kindIPv4 = 4
	kindIPv6 = 6
)

const protocolUDP = 0

// Candidate is a UDP candidate of component 1. Either Addr or MDNS is set.
type Candidate struct {
	Type     Type
	Addr     netip.Addr
	MDNS     [16]byte // UUID of the .local name; used when Addr is not valid
	Port     uint16
	Priority uint32
}

// Encode gives the squeezed form as text.
func (c *Candidate) Encode() (string, error) {
	if err := c.validate(); err != nil {
		return "", err
	}
	b := append(make([]byte, 0, 26), version, byte(c.Type), protocolUDP)
	b = c.appendAddress(b)
	b = binary.BigEndian.AppendUint16(b, c.Port)
	b = binary.BigEndian.AppendUint32(b, c.Priority)
	return encoding.EncodeToString(b), nil
}

func (c *Candidate) appendAddress(b []byte) []byte {
	switch {
	case c.Addr.Is4():
		a := c.Addr.As4()
		return append(append(b, kindIPv4), a[:]...)
	case c.Addr.Is6():
		a := c.Addr.As16()
		return append(append(b, kindIPv6), a[:]...)
	default:
		return append(append(b, kindMDNS), c.MDNS[:]...)
	}
}

// validate refuses what would make a receiver send checks to a group or to
// nowhere, and addresses that have two text forms.
func (c *Candidate) validate() error {
	switch {
	case int(c.Type) >= len(typeNames):
		return fmt.Errorf("%w: type %d", ErrCandidate, c.Type)
	case c.Port == 0:
		return fmt.Errorf("%w: port 0", ErrCandidate)
	case c.Addr.IsValid() && (c.Addr.IsUnspecified() || c.Addr.IsMulticast() || c.Addr.Is4In6() || c.Addr.Zone() != ""):
		return fmt.Errorf("%w: address %s", ErrCandidate, c.Addr)
	case c.Addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%w: broadcast address", ErrCandidate)
	case !c.Addr.IsValid() && c.Type != Host:
		return fmt.Errorf("%w: only a host candidate has an mDNS name", ErrCandidate)
	}
	return nil
}

// DecodeCandidate decodes the text of a squeezed candidate. Bytes after the
// priority are ignored: they are room for later versions.
func DecodeCandidate(s string) (*Candidate, error) {
	if len(s) > MaxText {
		return nil, fmt.Errorf("%w: %d characters", ErrCandidate, len(s))
	}
	b, err := encoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCandidate, err)
	}
	if len(b) < 4 || b[0] != version {
		return nil, fmt.Errorf("%w: version or length", ErrCandidate)
	}
	if b[2] != protocolUDP {
		return nil, fmt.Errorf("%w: protocol %d", ErrCandidate, b[2])
	}
	c, size := &Candidate{Type: Type(b[1])}, 16
	if b[3] == kindIPv4 {
		size = 4
	}
	a := b[4:]
	if len(a) < size+6 {
		return nil, fmt.Errorf("%w: truncated", ErrCandidate)
	}
	switch b[3] {
	case kindIPv4:
		c.Addr = netip.AddrFrom4([4]byte(a))
	case kindIPv6:
		c.Addr = netip.AddrFrom16([16]byte(a))
	case kindMDNS:
		copy(c.MDNS[:], a)
	default:
		return nil, fmt.Errorf("%w: address kind %d", ErrCandidate, b[3])
	}
	c.Port = binary.BigEndian.Uint16(a[size:])
	c.Priority = binary.BigEndian.Uint32(a[size+2:])
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// ParseCandidate reads a candidate attribute (RFC 8839 section 5.1), with or
// without "a=" and "candidate:" before it. ErrDropped says that the candidate is sound but not
// for sending.
func ParseCandidate(s string) (*Candidate, error) {
	if len(s) > 1024 {
		return nil, fmt.Errorf("%w: %d bytes", ErrCandidate, len(s))
	}
	s = strings.TrimPrefix(strings.TrimPrefix(s, "a="), "candidate:")
	f := strings.Fields(s)
	// foundation component transport priority address port "typ" type
	if len(f) < 8 || f[6] != "typ" {
		return nil, fmt.Errorf("%w: %d fields", ErrCandidate, len(f))
	}
	if !strings.EqualFold(f[2], "udp") || f[1] != "1" {
		return nil, fmt.Errorf("%w: %s component %s", ErrDropped, f[2], f[1])
	}
	priority, err := strconv.ParseUint(f[3], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%w: priority: %w", ErrCandidate, err)
	}
	port, err := strconv.ParseUint(f[5], 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%w: port: %w", ErrCandidate, err)
	}
	c := &Candidate{Type: Type(len(typeNames)), Port: uint16(port), Priority: uint32(priority)}
	for i, n := range typeNames {
		if n == f[7] {
			c.Type = Type(i)
		}
	}
	if name, ok := strings.CutSuffix(f[4], ".local"); ok {
		if c.MDNS, ok = parseUUID(name); !ok {
			return nil, fmt.Errorf("%w: mDNS name is not a UUID", ErrCandidate)
		}
	} else if c.Addr, err = netip.ParseAddr(f[4]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCandidate, err)
	}
	if c.Addr.Zone() != "" {
		return nil, fmt.Errorf("%w: address with a zone", ErrDropped)
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// String is the candidate attribute, beginning with "candidate:". The related
// address is unspecified, as browsers write it when they hide it (RFC 8839
// section 5.1 wants one for every type but host).
func (c *Candidate) String() string {
	address := formatUUID(c.MDNS) + ".local"
	if c.Addr.IsValid() {
		address = c.Addr.String()
	}
	s := fmt.Sprintf("candidate:%d 1 udp %d %s %d typ %s", c.foundation(), c.Priority, address, c.Port, typeNames[c.Type])
	switch {
	case c.Type == Host:
		return s
	case c.Addr.Is4():
		return s + " raddr 0.0.0.0 rport 0"
	default:
		return s + " raddr :: rport 0"
	}
}

// foundation must be equal only for candidates of one type and base (RFC 8445
// section 5.1.1.3). The base is not carried; FNV-1a over type and address is
// the nearest that both sides can compute.
func (c *Candidate) foundation() uint32 {
	h := fnv.New32a()
	h.Write(c.appendAddress([]byte{byte(c.Type)}))
	return h.Sum32()
}

func parseUUID(s string) (id [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	raw, err := hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	if err != nil || len(raw) != len(id) {
		return id, false
	}
	copy(id[:], raw)
	return id, true
}

func formatUUID(u [16]byte) string {
	s := hex.EncodeToString(u[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// SqueezeCandidate turns a candidate attribute into its squeezed text. The
// empty string, which ends the candidates, stays empty. ErrDropped means that
// nothing is to be sent.
func SqueezeCandidate(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	c, err := ParseCandidate(s)
	if err != nil {
		return "", err
	}
	return c.Encode()
}

// ExpandCandidate turns squeezed text into a candidate attribute. The empty
// string, which ends the candidates, stays empty.
func ExpandCandidate(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	c, err := DecodeCandidate(s)
	if err != nil {
		return "", err
	}
	return c.String(), nil
}
