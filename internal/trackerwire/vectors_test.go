package trackerwire

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

const vectorFile = "../../testdata/vectors/tracker-messages.json"

// vectors is testdata/vectors/tracker-messages.json.
type vectors struct {
	Messages []messageVector `json:"messages"` // each side sends these, and the other reads the same fields
	Accepted []inputVector   `json:"accepted"` // forms that are read though nobody writes them
	Ignored  []inputVector   `json:"ignored"`  // unknown types
	Refused  []inputVector   `json:"refused"`  // answered by error with code
}

type messageVector struct {
	Name    string          `json:"name"`
	From    string          `json:"from"` // "viewer" or "tracker"
	Message json.RawMessage `json:"message"`
}

type inputVector struct {
	Name string `json:"name"`
	From string `json:"from"`
	Text string `json:"text"`
	Code Code   `json:"code,omitempty"`
}

const (
	exampleOffer     = "AQAEdzkwYxhXYnV1bWlYZ3JBMDdzMEZ3NzkyVnNIR1oBnuqLdTNRY97OkfWUNdgwMv0rN3AEX0V1mlnasDTx9i0"
	exampleCandidate = "AQAABMAAAhHEiH7___8"
	exampleSession   = "00112233445566778899aabbccddeeff"
	exampleKey       = "IVL40ZtxY97JMxYDLIBSbYw3Hw4CqYSYsqb4FU0Nx1c"
)

func text(s string) *string { return &s }

func number(n Number) *Number { return &n }

func exampleMessages() []struct {
	name, from string
	m          Message
} {
	return []struct {
		name, from string
		m          Message
	}{
		{"join", "viewer", &Join{Version: 1, Stream: "live/demo", Tracks: []string{"v720", "a128"}, Uplink: 8_000_000, Browser: "chromium", Session: exampleSession}},
		{"join as leaf with token", "viewer", &Join{Version: 1, Stream: "live/demo", Tracks: []string{"v240"}, Browser: "starling-peer", Session: strings.Repeat("f", 32), Token: "a.b-c_d"}},
		{"join before any track is known", "viewer", &Join{Version: 1, Stream: "live/demo", Tracks: []string{}, Uplink: 1, Browser: "", Session: exampleSession}},
		{"tracks", "viewer", &Tracks{Tracks: []string{"v480", "a128"}}},
		{"signal offer", "viewer", &SignalTo{To: "5fcd0a31b2e4c698", Data: SignalData{Offer: text(exampleOffer)}}},
		{"signal answer", "viewer", &SignalTo{To: "5fcd0a31b2e4c698", Data: SignalData{Answer: text(exampleOffer)}}},
		{"signal candidate", "viewer", &SignalTo{To: "5fcd0a31b2e4c698", Data: SignalData{Candidate: text(exampleCandidate)}}},
		{"signal end of candidates", "viewer", &SignalTo{To: "5fcd0a31b2e4c698", Data: SignalData{Candidate: text("")}}},
		{"signal restart", "viewer", &SignalTo{To: "5fcd0a31b2e4c698", Data: SignalData{Restart: true}}},
		{"lost", "viewer", &Lost{Peer: "5fcd0a31b2e4c698", Reason: LostConnectFailed}},
		{"report", "viewer", &Report{Peer: "5fcd0a31b2e4c698", Track: "v720", MSN: 895_000_000, Index: 5, Chunk: 2}},
		{"beacon", "viewer", &Beacon{PeerBytes: 1 << 40, FeedBytes: 2, HTTPBytes: 3, SentBytes: 4, DuplicateBytes: 5, RejectedBytes: 6, ControlBytes: 7, Stalls: 8, StallMS: 9,
			StartupMS: 420, LatencyMS: 1530, BufferMS: 900, Rung: "v720", DroppedFrames: 1, Peers: 4, ConnectFailures: 2, Uplink: number(8_000_000)}},
		{"leave", "viewer", &Leave{}},
		{"welcome", "tracker", &Welcome{ID: "5fcd0a31b2e4c698", Stream: "live/demo", Key: exampleKey, ICEServers: []ICEServer{{URLs: []string{"stun:192.0.2.1:3478"}}}, BeaconMS: 2000, MaxPeers: 15, P2P: true}},
		{"welcome without peers", "tracker", &Welcome{ID: "0", Stream: "live/demo", Key: exampleKey, ICEServers: []ICEServer{}, BeaconMS: 2000}},
		{"assign", "tracker", &Assign{Revision: 3, Tracks: []AssignTrack{
			{Name: "v720", Slices: []AssignSlice{{0, EdgeID, EdgeID}, {1, "5fcd0a31b2e4c698", "91c2d3e4f5061728"}, {2, "91c2d3e4f5061728", EdgeID}}},
			{Name: "a128", Slices: []AssignSlice{{0, "5fcd0a31b2e4c698", EdgeID}}}}, Children: []string{"91c2d3e4f5061728"}, Peers: []string{"5fcd0a31b2e4c698", "91c2d3e4f5061728"}}},
		{"assign alone", "tracker", &Assign{Revision: 1, Tracks: []AssignTrack{{Name: "v720", Slices: []AssignSlice{{0, EdgeID, EdgeID}}}}, Children: []string{}, Peers: []string{}}},
		{"assign nothing", "tracker", &Assign{Revision: 9, Tracks: []AssignTrack{}, Children: []string{}, Peers: []string{}}},
		{"signal", "tracker", &SignalFrom{From: "91c2d3e4f5061728", Data: SignalData{Offer: text(exampleOffer)}}},
		{"signal end of candidates", "tracker", &SignalFrom{From: "91c2d3e4f5061728", Data: SignalData{Candidate: text("")}}},
		{"ban", "tracker", &Ban{Peer: "91c2d3e4f5061728"}},
		{"error", "tracker", &Error{Code: CodeNoStream, Message: "no stream live/demo"}},
	}
}

func exampleInputs() (accepted, ignored, refused []inputVector) {
	join := `{"type":"join","version":1,"stream":"live/demo","tracks":["v720"],"uplink":1,"browser":"x","session":"` + exampleSession + `"}`
	beacon := `{"type":"beacon","peerBytes":1,"feedBytes":1,"httpBytes":1,"sentBytes":1,"duplicateBytes":1,"rejectedBytes":1,"controlBytes":1,"stalls":1,"stallMs":1.75}`
	sub := func(s, old, new string) string { return strings.Replace(s, old, new, 1) }
	v := func(name, text string) inputVector { return inputVector{Name: name, From: "viewer", Text: text} }
	r := func(name, text string) inputVector {
		return inputVector{Name: name, From: "viewer", Text: text, Code: CodeBadMessage}
	}
	accepted = []inputVector{
		v("unknown field", sub(join, `"uplink"`, `"later":{"a":[1]},"uplink"`)),
		v("beacon with a fraction and without measures", beacon),
		v("beacon with measures unknown", sub(beacon, `"stalls"`, `"latencyMs":null,"startupMs":null,"stalls"`)),
		v("lost for a later reason", `{"type":"lost","peer":"a","reason":"too-hot"}`),
	}
	ignored = []inputVector{v("later type", `{"type":"later","x":1}`), {Name: "later type", From: "tracker", Text: `{"type":"later"}`}, v("tracker's type", `{"type":"welcome"}`)}
	refused = []inputVector{
		r("empty", ""), r("not JSON", "hello"), r("array", "[]"), r("null", "null"), r("no type", "{}"), r("type is a number", `{"type":1}`), r("two objects", join+join),
		r("truncated", join[:len(join)-1]),
		{"version 2", "viewer", sub(sub(join, `"version":1`, `"version":2`), `["v720"]`, `{"v720":1}`), CodeVersion},
		r("version text", sub(join, `"version":1`, `"version":"1"`)), r("no session", sub(join, `"session"`, `"sessiom"`)), r("null tracks", sub(join, `["v720"]`, "null")),
		r("stream", sub(join, "live/demo", "../etc")), r("track name", sub(join, "v720", "v 720")), r("track twice", sub(join, `["v720"]`, `["v720","v720"]`)),
		r("tracks of numbers", sub(join, `["v720"]`, "[1]")), r("nine tracks", sub(join, `["v720"]`, `["1","2","3","4","5","6","7","8","9"]`)),
		r("negative uplink", sub(join, `"uplink":1`, `"uplink":-1`)), r("uplink text", sub(join, `"uplink":1`, `"uplink":"1"`)), r("uplink beyond 2^53", sub(join, `"uplink":1`, `"uplink":1e16`)),
		r("session upper case", sub(join, "aabb", "AABB")), r("session short", sub(join, "00112233", "001122")), r("browser with a line break", sub(join, `"x"`, `"x\n"`)),
		r("browser long", sub(join, `"x"`, `"`+strings.Repeat("x", 33)+`"`)), r("token long", sub(join, `"uplink"`, `"token":"`+strings.Repeat("x", 2049)+`","uplink"`)),
		r("message long", sub(join, `"uplink"`, `"pad":"`+strings.Repeat("x", MaxMessage)+`","uplink"`)),
		r("signal without data", `{"type":"signal","to":"a"}`), r("signal with empty data", `{"type":"signal","to":"a","data":{}}`), r("signal to nobody", `{"type":"signal","to":"","data":{"restart":true}}`),
		r("signal with two", `{"type":"signal","to":"a","data":{"offer":"AA","answer":"AA"}}`), r("signal not base64url", `{"type":"signal","to":"a","data":{"offer":"v=0\r\n"}}`),
		r("signal long", `{"type":"signal","to":"a","data":{"offer":"`+strings.Repeat("A", 201)+`"}}`), r("signal text", `{"type":"signal","to":"a","data":"x"}`),
		r("lost without reason", `{"type":"lost","peer":"a"}`), r("lost reason", `{"type":"lost","peer":"a","reason":"a b"}`), r("report without chunk", `{"type":"report","peer":"a","track":"v","msn":1,"index":1}`),
		r("beacon without a counter", sub(beacon, `"stalls"`, `"stall"`)), r("beacon counter null", sub(beacon, `"stalls":1`, `"stalls":null`)), r("beacon rung", sub(beacon, `"stalls"`, `"rung":"..","stalls"`)),
		{"welcome without id", "tracker", `{"type":"welcome","stream":"live/demo","key":"` + exampleKey + `","iceServers":[],"beaconMs":2000,"maxPeers":10,"p2p":true}`, CodeBadMessage},
		{"welcome key", "tracker", `{"type":"welcome","id":"a","stream":"live/demo","key":"AAAA","iceServers":[],"beaconMs":2000,"maxPeers":10,"p2p":true}`, CodeBadMessage},
		{"assign without children", "tracker", `{"type":"assign","revision":1,"tracks":[],"peers":[]}`, CodeBadMessage},
		{"assign slice", "tracker", `{"type":"assign","revision":1,"tracks":[{"name":"v","slices":[{"slice":16,"parent":"edge","backup":"edge"}]}],"children":[],"peers":[]}`, CodeBadMessage},
		{"ban nobody", "tracker", `{"type":"ban","peer":""}`, CodeBadMessage},
	}
	return accepted, ignored, refused
}

func parser(from string) func([]byte) (Message, error) {
	if from == "tracker" {
		return ParseTracker
	}
	return ParseViewer
}

func TestVectors(t *testing.T) {
	var v vectors
	for _, e := range exampleMessages() {
		b, err := Marshal(e.m)
		if err != nil {
			t.Fatal(err)
		}
		v.Messages = append(v.Messages, messageVector{e.name, e.from, b})
		got, err := parser(e.from)(b)
		if err != nil || !reflect.DeepEqual(got, e.m) {
			t.Errorf("%s: %s parses to %+v, %v", e.name, b, got, err)
		}
	}
	v.Accepted, v.Ignored, v.Refused = exampleInputs()

	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorFile, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, out.Bytes()) {
		t.Fatal("the code does not give the golden vectors; if the protocol was meant to change: go test ./internal/trackerwire -update")
	}
	for _, in := range v.Accepted {
		if _, err := parser(in.From)([]byte(in.Text)); err != nil {
			t.Errorf("%s: %v", in.Name, err)
		}
	}
	for _, in := range v.Ignored {
		if _, err := parser(in.From)([]byte(in.Text)); !errors.Is(err, ErrUnknownType) {
			t.Errorf("%s: %v", in.Name, err)
		}
	}
	for _, in := range v.Refused {
		m, err := parser(in.From)([]byte(in.Text))
		var f *FormatError
		if !errors.As(err, &f) || f.Code != in.Code {
			t.Errorf("%s: %+v, %v", in.Name, m, err)
		}
	}
}

func TestNumberIsCutOff(t *testing.T) {
	m, err := ParseViewer([]byte(`{"type":"beacon","peerBytes":1.9,"feedBytes":1e3,"httpBytes":0,"sentBytes":9007199254740991,"duplicateBytes":0,"rejectedBytes":0,"controlBytes":0,"stalls":0,"stallMs":0}`))
	if err != nil {
		t.Fatal(err)
	}
	b := m.(*Beacon)
	if b.PeerBytes != 1 || b.FeedBytes != 1000 || b.SentBytes != 1<<53-1 {
		t.Fatalf("%+v", b)
	}
}

func FuzzParse(f *testing.F) {
	for _, e := range exampleMessages() {
		b, err := Marshal(e.m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	accepted, ignored, refused := exampleInputs()
	for _, list := range [][]inputVector{accepted, ignored, refused} {
		for _, in := range list {
			f.Add([]byte(in.Text))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) (Message, error){ParseViewer, ParseTracker} {
			m, err := parse(b)
			if err != nil {
				var fe *FormatError
				if !errors.As(err, &fe) && !errors.Is(err, ErrUnknownType) {
					t.Fatalf("untyped error %v", err)
				}
				continue
			}
			again, err := Marshal(m)
			if err != nil {
				continue // escapes can make it longer than a message
			}
			m2, err := parse(again)
			if err != nil || m2.Type() != m.Type() {
				t.Fatalf("%q parses, its encoding %q does not: %v", b, again, err)
			}
		}
	})
}
