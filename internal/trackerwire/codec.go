package trackerwire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Number is a non-negative count or measure. JSON numbers are read as
// JavaScript writes them: a fraction is cut off, null means 0.
type Number uint64

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > maxNumber {
		return fmt.Errorf("want a number from 0 to 2^53-1")
	}
	*n = Number(f)
	return nil
}

// FormatError reports a message that breaks the protocol. Code is what the
// receiver answers.
type FormatError struct {
	Code   Code
	Reason string
}

// Error implements error.
func (e *FormatError) Error() string { return string(e.Code) + ": " + e.Reason }

// ErrUnknownType reports a message of a later version: it is to be ignored.
var ErrUnknownType = errors.New("unknown message type")

func bad(format string, args ...any) error {
	return &FormatError{Code: CodeBadMessage, Reason: fmt.Sprintf(format, args...)}
}

// Marshal encodes m with its type. It fails when m is beyond MaxMessage.
func Marshal(m Message) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", m.Type(), err)
	}
	out := append(make([]byte, 0, len(body)+len(`{"type":"welcome",}`)), `{"type":"`...)
	out = append(out, m.Type()...)
	out = append(out, '"')
	if len(body) > 2 {
		out = append(out, ',')
	}
	out = append(out, body[1:]...)
	if len(out) > MaxMessage {
		return nil, fmt.Errorf("encode %s: %d bytes, at most %d go in a message", m.Type(), len(out), MaxMessage)
	}
	return out, nil
}

// kind is how one type of message is made and what it must have.
type kind struct {
	make     func() Message
	required []string
}

var counters = []string{"peerBytes", "feedBytes", "httpBytes", "sentBytes", "duplicateBytes", "rejectedBytes", "controlBytes", "stalls", "stallMs"}

func viewerKind(t string) (kind, bool) {
	switch t {
	case "join":
		return kind{func() Message { return new(Join) }, []string{"version", "stream", "tracks", "uplink", "browser", "session"}}, true
	case "tracks":
		return kind{func() Message { return new(Tracks) }, []string{"tracks"}}, true
	case "signal":
		return kind{func() Message { return new(SignalTo) }, []string{"to", "data"}}, true
	case "lost":
		return kind{func() Message { return new(Lost) }, []string{"peer", "reason"}}, true
	case "report":
		return kind{func() Message { return new(Report) }, []string{"peer", "track", "msn", "index", "chunk"}}, true
	case "beacon":
		return kind{func() Message { return new(Beacon) }, counters}, true
	case "leave":
		return kind{func() Message { return new(Leave) }, nil}, true
	}
	return kind{}, false
}

func trackerKind(t string) (kind, bool) {
	switch t {
	case "welcome":
		return kind{func() Message { return new(Welcome) }, []string{"id", "stream", "key", "iceServers", "beaconMs", "maxPeers", "p2p"}}, true
	case "assign":
		return kind{func() Message { return new(Assign) }, []string{"revision", "tracks", "children", "peers"}}, true
	case "signal":
		return kind{func() Message { return new(SignalFrom) }, []string{"from", "data"}}, true
	case "ban":
		return kind{func() Message { return new(Ban) }, []string{"peer"}}, true
	case "error":
		return kind{func() Message { return new(Error) }, []string{"code", "message"}}, true
	}
	return kind{}, false
}

// ParseViewer decodes and checks a message from a viewer. The error is a
// *FormatError, or ErrUnknownType for a message to ignore.
func ParseViewer(b []byte) (Message, error) { return parse(b, viewerKind) }

// ParseTracker decodes and checks a message from a tracker. The error is a
// *FormatError, or ErrUnknownType for a message to ignore.
func ParseTracker(b []byte) (Message, error) { return parse(b, trackerKind) }

func parse(b []byte, kinds func(string) (kind, bool)) (Message, error) {
	if len(b) > MaxMessage {
		return nil, bad("%d bytes, at most %d go in a message", len(b), MaxMessage)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil || fields == nil {
		return nil, bad("not a JSON object")
	}
	var name string
	if err := json.Unmarshal(fields["type"], &name); err != nil {
		return nil, bad("no type")
	}
	k, ok := kinds(name)
	if !ok {
		return nil, ErrUnknownType
	}
	for _, f := range k.required {
		if v, ok := fields[f]; !ok || string(v) == "null" {
			return nil, bad("%s without %s", name, f)
		}
	}
	m := k.make()
	// A join of another version may have fields of other shapes: its version
	// must be answered, not its shape.
	if name == "join" {
		var version Number
		if err := json.Unmarshal(fields["version"], &version); err == nil && version != Version {
			return nil, &FormatError{CodeVersion, fmt.Sprintf("version %d, this tracker speaks %d", version, Version)}
		}
	}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, bad("%s: %s", name, fieldReason(err))
	}
	if v, ok := m.(interface{ validate() error }); ok {
		if err := v.validate(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// fieldReason tells which field has the wrong type without echoing the
// sender's bytes.
func fieldReason(err error) string {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return "field " + t.Field + " has the wrong type"
	}
	return "a field has the wrong type or is out of range"
}
