package signal

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

// vectors is testdata/vectors/squeezed-sdp.json.
type vectors struct {
	// Descriptions: sdp squeezes to squeezed, which expands to expanded.
	Descriptions []descriptionVector `json:"descriptions"`
	// Candidates: candidate squeezes to squeezed, which expands to expanded.
	Candidates []candidateVector `json:"candidates"`
	// Dropped are sound candidates that a sender does not send.
	Dropped []string `json:"dropped"`
	// The rest are refused: session descriptions and candidate attributes by the
	// squeezer, squeezed descriptions and candidates by the expander.
	BadSDP                  []string `json:"badSdp"`
	BadCandidates           []string `json:"badCandidates"`
	BadSqueezed             []string `json:"badSqueezedDescriptions"`
	BadSqueezedCandidates   []string `json:"badSqueezedCandidates"`
	TolerantSqueezed        []string `json:"longerSqueezedDescriptions"` // bytes after the end: accepted
	TolerantSqueezedCandids []string `json:"longerSqueezedCandidates"`
}

type descriptionVector struct {
	Name     string `json:"name"`
	SDP      string `json:"sdp"`
	Squeezed string `json:"squeezed"`
	Expanded string `json:"expanded"`
}

type candidateVector struct {
	Name      string `json:"name"`
	Candidate string `json:"candidate"`
	Squeezed  string `json:"squeezed"`
	Expanded  string `json:"expanded"`
}

const vectorFile = "../../testdata/vectors/squeezed-sdp.json"

// candidateTexts are what Chromium 156, Firefox 153 and pion gave, with
// addresses of the documentation ranges, and the other shapes of RFC 8839.
var candidateTexts = [][2]string{
	{"chromium mdns", "candidate:2064795621 1 udp 2113937151 5aa78476-4445-4704-b37a-c92d03c4c0ef.local 42198 typ host generation 0 ufrag w90c network-cost 999"},
	{"firefox mdns", "candidate:0 1 UDP 2122187007 d2c0a3eb-a2e3-4834-bdbf-bf60d75a2dda.local 36766 typ host"},
	{"host ipv4", "candidate:1552991700 1 udp 2130706431 192.0.2.17 50312 typ host"},
	{"host ipv4 as attribute", "a=candidate:1552991700 1 udp 2130706431 198.51.100.250 1 typ host generation 0"},
	{"host loopback", "candidate:4057979462 1 udp 2130706431 127.0.0.1 65535 typ host ufrag abcd"},
	{"host ipv6", "candidate:3 1 udp 2122262783 2001:db8::5:0:0:1 50313 typ host generation 0 network-id 2"},
	{"host ipv6 long", "candidate:3 1 udp 2122262783 2001:0db8:0001:0020:0300:4000:0005:00f6 50313 typ host"},
	{"host ipv6 loopback", "candidate:3 1 udp 1 ::1 9000 typ host"},
	{"host ipv6 local", "candidate:3 1 udp 0 fd00:0:0:1:: 9000 typ host"},
	{"srflx", "candidate:842163049 1 udp 1677729535 203.0.113.9 46154 typ srflx raddr 192.0.2.17 rport 50312 generation 0 ufrag w90c network-cost 999"},
	{"srflx hidden", "candidate:842163049 1 udp 1677729535 203.0.113.9 46154 typ srflx raddr 0.0.0.0 rport 0"},
	{"srflx ipv6", "candidate:7 1 udp 1677729535 2001:db8:ffff::9 46154 typ srflx raddr :: rport 0"},
	{"prflx", "candidate:9 1 udp 1845501695 203.0.113.77 12000 typ prflx raddr 0.0.0.0 rport 0"},
	{"relay", "candidate:11 1 udp 4294967295 203.0.113.200 61000 typ relay raddr 203.0.113.9 rport 46154"},
}

var droppedTexts = []string{
	"candidate:2 1 TCP 2105458943 d2c0a3eb-a2e3-4834-bdbf-bf60d75a2dda.local 9 typ host tcptype active",
	"candidate:2 1 tcp 1518280447 192.0.2.17 443 typ host tcptype passive",
	"candidate:2 2 udp 2130706430 192.0.2.17 50312 typ host",
	"candidate:2 1 udp 2130706430 fe80::1%eth0 50312 typ host",
}

var badCandidateTexts = []string{
	"candidate:", "garbage", "candidate:1 1 udp x 192.0.2.1 1 typ host", "candidate:1 1 udp 1 192.0.2.1 0 typ host",
	"candidate:1 1 udp 1 192.0.2.1 65536 typ host", "candidate:1 1 udp 4294967296 192.0.2.1 1 typ host",
	"candidate:1 1 udp 1 192.0.2.1 1 typ other", "candidate:1 1 udp 1 192.0.2.1 1 host typ", "candidate:1 1 udp 1 example.com 1 typ host",
	"candidate:1 1 udp 1 example.local 1 typ host", "candidate:1 1 udp 1 0.0.0.0 1 typ host", "candidate:1 1 udp 1 224.0.0.1 1 typ host",
	"candidate:1 1 udp 1 255.255.255.255 1 typ host", "candidate:1 1 udp 1 :: 1 typ host", "candidate:1 1 udp 1 ff02::1 1 typ host",
	"candidate:1 1 udp 1 ::ffff:192.0.2.1 1 typ host",
	"candidate:1 1 udp 1 5aa78476-4445-4704-b37a-c92d03c4c0ef.local 1 typ srflx raddr 0.0.0.0 rport 0",
}

func readSDP(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".sdp"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var sdpNames = []string{"chromium-offer", "chromium-answer", "firefox-offer", "firefox-answer", "pion-offer", "pion-answer"}

func buildVectors(t *testing.T) *vectors {
	v := &vectors{Dropped: droppedTexts, BadCandidates: badCandidateTexts}
	add := func(name, sdp string) {
		squeezed, err := Squeeze(sdp)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		expanded, err := Expand(squeezed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v.Descriptions = append(v.Descriptions, descriptionVector{name, sdp, squeezed, expanded})
	}
	for _, name := range sdpNames {
		add(name, readSDP(t, name))
	}
	offer := readSDP(t, "chromium-offer")
	add("passive answer", strings.Replace(offer, "setup:actpass", "setup:passive", 1))
	add("line feeds only", strings.ReplaceAll(offer, "\r\n", "\n"))
	add("longest credentials", strings.NewReplacer("ice-ufrag:w90c", "ice-ufrag:"+strings.Repeat("u", maxUfrag),
		"ice-pwd:WbuumiXgrA07s0Fw792VsHGZ", "ice-pwd:"+strings.Repeat("+/09azAZ", maxPwd/8)).Replace(offer))

	for _, c := range candidateTexts {
		squeezed, err := SqueezeCandidate(c[1])
		if err != nil {
			t.Fatalf("%s: %v", c[0], err)
		}
		expanded, err := ExpandCandidate(squeezed)
		if err != nil {
			t.Fatalf("%s: %v", c[0], err)
		}
		v.Candidates = append(v.Candidates, candidateVector{c[0], c[1], squeezed, expanded})
	}
	v.Candidates = append(v.Candidates, candidateVector{Name: "end of candidates"})

	line := func(prefix string) string { // offer without, or with another, line
		var b strings.Builder
		for l := range strings.Lines(offer) {
			if !strings.HasPrefix(l, prefix) {
				b.WriteString(l)
			}
		}
		return b.String()
	}
	v.BadSDP = []string{"", "v=0\r\n", line("m="), line("a=ice-ufrag"), line("a=ice-pwd"), line("a=fingerprint"), line("a=setup"),
		strings.Replace(offer, "sha-256 ", "sha-1 ", 1), strings.Replace(offer, "9E:EA", "9E", 1), strings.Replace(offer, "w90c", "w9", 1),
		strings.Replace(offer, "w90c", "w90c-", 1), strings.Replace(offer, "m=application", "m=audio", 1),
		offer + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", strings.Replace(offer, "setup:actpass", "setup:holdconn", 1)}

	good, err := encoding.DecodeString(v.Descriptions[0].Squeezed)
	if err != nil {
		t.Fatal(err)
	}
	change := func(b []byte, at int, to byte) string {
		b = bytes.Clone(b)
		b[at] = to
		return encoding.EncodeToString(b)
	}
	v.BadSqueezed = []string{"", "AQ", "=", v.Descriptions[0].Squeezed + "=", encoding.EncodeToString(good[:len(good)-1]), change(good, 0, 2), change(good, 1, 3),
		change(good, 2, 3), change(good, 2, 255), change(good, 3, '\r'), change(good, 3, '\n'), change(good, 3, ' '), change(good, 3, 0xc3), change(good, 7, 0), change(good, 7, 200),
		change(good, 7+1+24, 2), encoding.EncodeToString(append(bytes.Clone(good), make([]byte, 120)...))}
	v.TolerantSqueezed = []string{encoding.EncodeToString(append(bytes.Clone(good), 1, 2, 3))}

	cand, err := encoding.DecodeString(v.Candidates[2].Squeezed)
	if err != nil {
		t.Fatal(err)
	}
	v.BadSqueezedCandidates = []string{"AQ", "*", encoding.EncodeToString(cand[:len(cand)-1]), change(cand, 0, 2), change(cand, 1, 4), change(cand, 2, 1),
		change(cand, 3, 5), change(cand, 3, 6), change(cand, 4, 224), encoding.EncodeToString([]byte{1, 0, 0, 4, 192, 0, 2, 1, 0, 0, 0, 0, 0, 1}),
		encoding.EncodeToString([]byte{1, 0, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}),
		encoding.EncodeToString(append(append([]byte{1, 1, 0, 0}, make([]byte, 16)...), 0, 1, 0, 0, 0, 1))}
	v.TolerantSqueezedCandids = []string{encoding.EncodeToString(append(bytes.Clone(cand), 9))}
	return v
}

func TestVectors(t *testing.T) {
	want, err := json.MarshalIndent(buildVectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(vectorFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("the code does not give the golden vectors; if the format was meant to change: go test ./internal/signal -update")
	}
	var v vectors
	if err := json.Unmarshal(got, &v); err != nil {
		t.Fatal(err)
	}
	for _, d := range v.Descriptions {
		if len(d.Squeezed) > MaxText {
			t.Errorf("%s: %d characters", d.Name, len(d.Squeezed))
		}
		again, err := Squeeze(d.Expanded)
		if err != nil || again != d.Squeezed {
			t.Errorf("%s: expanded form squeezes to %q, %v", d.Name, again, err)
		}
	}
	for _, c := range v.Candidates {
		again, err := SqueezeCandidate(c.Expanded)
		if err != nil || again != c.Squeezed {
			t.Errorf("%s: expanded form squeezes to %q, %v", c.Name, again, err)
		}
	}
	refused(t, "dropped candidate", v.Dropped, SqueezeCandidate, ErrDropped)
	refused(t, "candidate", v.BadCandidates, SqueezeCandidate, ErrCandidate)
	refused(t, "description", v.BadSDP, Squeeze, ErrSDP)
	refused(t, "squeezed description", v.BadSqueezed, Expand, ErrDescription)
	refused(t, "squeezed candidate", v.BadSqueezedCandidates, ExpandCandidate, ErrCandidate)
	for _, s := range v.TolerantSqueezed {
		if got, err := Expand(s); err != nil || got != v.Descriptions[0].Expanded {
			t.Errorf("longer description: %v", err)
		}
	}
	for _, s := range v.TolerantSqueezedCandids {
		if got, err := ExpandCandidate(s); err != nil || got != v.Candidates[2].Expanded {
			t.Errorf("longer candidate: %v", err)
		}
	}
}

func refused(t *testing.T, what string, inputs []string, f func(string) (string, error), want error) {
	t.Helper()
	for i, in := range inputs {
		if out, err := f(in); !errors.Is(err, want) {
			t.Errorf("%s %d %q gave %q, %v", what, i, in, out, err)
		}
	}
}
