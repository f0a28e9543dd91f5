package peerstate

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"
)

const uplinkVectorFile = "../../testdata/vectors/uplink.json"

// The JSON form of an estimate: what happened at each time, and the estimate
// after it.
type (
	uplinkVectors struct {
		About string       `json:"about"`
		Cases []uplinkCase `json:"cases"`
	}
	uplinkCase struct {
		Name  string       `json:"name"`
		Limit int64        `json:"limit"`
		Start int64        `json:"start"`
		Steps []uplinkStep `json:"steps"`
	}
	uplinkStep struct {
		At     int64           `json:"at"`
		Links  []uplinkChannel `json:"links"`
		Behind bool            `json:"behind"`
		Held   bool            `json:"held"`
		Gone   string          `json:"gone"`
		Pings  []string        `json:"pings"` // neighbours whose round trip is wanted then
		Rate   int64           `json:"rate"`
		Pace   int64           `json:"pace"`
	}
	// uplinkChannel is what one channel shows: bytes given to it, then bytes that
	// it holds, then a round trip that ended (0: none).
	uplinkChannel struct {
		Peer     string `json:"peer"`
		Sent     int64  `json:"sent"`
		Buffered int64  `json:"buffered"`
		RTT      int64  `json:"rtt"`
	}
)

func (c *uplinkCase) play(check func(i int, s *uplinkStep, pings []string, u *Uplink)) {
	u := NewUplink(c.Limit, c.Start, 0)
	for i := range c.Steps {
		s := &c.Steps[i]
		pings := []string{}
		for _, l := range s.Links {
			if l.Sent > 0 {
				u.Sent(l.Peer, l.Sent)
			}
			u.Buffered(l.Peer, l.Buffered)
			if l.RTT > 0 {
				u.RoundTrip(l.Peer, l.RTT, s.At)
			}
			if u.WantsPing(l.Peer, s.At) {
				pings = append(pings, l.Peer)
			}
		}
		if s.Behind {
			u.Behind()
		}
		if s.Gone != "" {
			u.Gone(s.Gone)
		}
		if s.Held {
			u.HeldUp(s.At)
		}
		u.Tick(s.At)
		check(i, s, pings, u)
	}
}

// makeUplinkCases draws the inputs of the vectors: a situation each.
func makeUplinkCases() []uplinkCase {
	steady := func(from, to int64, peers []string, sent, held, rtt int64) (out []uplinkStep) {
		for at := from; at < to; at += 500 {
			s := uplinkStep{At: at, Links: []uplinkChannel{}, Pings: []string{}}
			for _, p := range peers {
				s.Links = append(s.Links, uplinkChannel{p, sent, held, rtt})
			}
			out = append(out, s)
		}
		return out
	}
	one, two, three := []string{"a"}, []string{"a", "b"}, []string{"a", "b", "c"}
	behind := steady(4_000, 8_000, []string{"a"}, 60_000, 0, 100)
	for i := range behind {
		behind[i].Behind = true
	}
	// Round trips of half a second because the program is held up every second,
	// until 9 s.
	busy := slices.Concat(steady(4_000, 9_000, two, 60_000, 0, 540), steady(9_000, 12_000, two, 60_000, 0, 40))
	for i := 0; i < 10; i += 2 {
		busy[i].Held = true
	}
	busyLine := steady(4_000, 9_000, two, 60_000, 0, 240)
	for i := range busyLine {
		busyLine[i].Held = i%4 == 0
	}
	gone := steady(6_000, 9_000, []string{"a", "b"}, 60_000, 0, 40)
	gone[0].Gone = "c"
	return []uplinkCase{
		{Name: "grows by half a window, as far as what is carried supports it", Limit: 8_000_000, Steps: steady(0, 12_000, two, 60_000, 0, 40)},
		{Name: "no upload is no upload", Limit: 0, Steps: steady(0, 3_000, one, 60_000, 0, 40)},
		{Name: "begins with what is remembered", Limit: 20_000_000, Start: 6_500_000, Steps: steady(0, 4_000, one, 20_000, 0, 40)},
		{Name: "longer round trips in two windows make it fall, then it holds", Limit: 8_000_000,
			Steps: slices.Concat(steady(0, 4_000, two, 60_000, 0, 40), steady(4_000, 8_000, two, 60_000, 0, 190), steady(8_000, 25_000, two, 60_000, 0, 45))},
		{Name: "buffers that never empty show what the line carries", Limit: 20_000_000, Start: 16_000_000,
			Steps: slices.Concat(steady(0, 2_000, three, 60_000, 0, 40), steady(2_000, 8_000, three, 60_000, 250_000, 60))},
		{Name: "one bad path of three changes nothing", Limit: 8_000_000,
			Steps: slices.Concat(steady(0, 2_000, three, 60_000, 0, 40), mixed(2_000, 8_000))},
		{Name: "a neighbour in the LAN does not count beside others", Limit: 8_000_000, Steps: mixedLocal(0, 6_000)},
		{Name: "own download late: half the delay is a queue", Limit: 8_000_000, Steps: slices.Concat(steady(0, 4_000, one, 60_000, 0, 40), behind)},
		{Name: "a neighbour that goes is forgotten", Limit: 8_000_000, Steps: slices.Concat(steady(0, 6_000, three, 60_000, 0, 40), gone)},
		{Name: "without a round trip nothing grows", Limit: 8_000_000, Steps: steady(0, 4_000, two, 60_000, 0, 0)},
		{Name: "idle after a fall: nearer to the start", Limit: 8_000_000,
			Steps: slices.Concat(steady(0, 2_000, one, 20_000, 0, 40), steady(2_000, 6_000, one, 20_000, 0, 300), idle(6_000, 90_000))},
		{Name: "what is measured while the program is held up is no evidence", Limit: 8_000_000, Steps: slices.Concat(steady(0, 4_000, two, 60_000, 0, 40), busy)},
		{Name: "a queue that shows between two hold-ups is one", Limit: 8_000_000, Steps: slices.Concat(steady(0, 4_000, two, 60_000, 0, 40), busyLine)},
		{Name: "three busy neighbours answer late now and then: no queue stands", Limit: 8_000_000,
			Steps: slices.Concat(steady(0, 4_000, three, 60_000, 0, 40), unsteady(4_000, 9_000, three))},
		{Name: "of two neighbours that is taken for a queue", Limit: 8_000_000,
			Steps: slices.Concat(steady(0, 4_000, two, 60_000, 0, 40), unsteady(4_000, 9_000, two))},
		{Name: "a pause of the program is no evidence", Limit: 8_000_000,
			Steps: slices.Concat(steady(0, 1_000, one, 60_000, 0, 40), steady(9_000, 12_000, one, 60_000, 0, 40))},
	}
}

// unsteady has one long and one short round trip in each window.
func unsteady(from, to int64, peers []string) (out []uplinkStep) {
	for at := from; at < to; at += 500 {
		s := uplinkStep{At: at, Links: []uplinkChannel{}, Pings: []string{}}
		for _, p := range peers {
			s.Links = append(s.Links, uplinkChannel{p, 60_000, 0, 40 + at%1000/4})
		}
		out = append(out, s)
	}
	return out
}

func idle(from, to int64) (out []uplinkStep) {
	for at := from; at < to; at += 4_000 {
		out = append(out, uplinkStep{At: at, Pings: []string{}, Links: []uplinkChannel{}})
	}
	return out
}

func mixed(from, to int64) (out []uplinkStep) {
	for at := from; at < to; at += 500 {
		out = append(out, uplinkStep{At: at, Pings: []string{}, Links: []uplinkChannel{{"a", 60_000, 0, 40}, {"b", 60_000, 0, 42}, {"c", 60_000, 250_000, 800}}})
	}
	return out
}

func mixedLocal(from, to int64) (out []uplinkStep) {
	for at := from; at < to; at += 500 {
		out = append(out, uplinkStep{At: at, Pings: []string{}, Links: []uplinkChannel{{"lan", 500_000, 0, 1}, {"a", 20_000, 0, 40}}})
	}
	return out
}

func TestUplinkVectors(t *testing.T) {
	if *update {
		v := uplinkVectors{About: "At each step, for every link in order: sent bytes are given to its channel, then it holds buffered bytes, then a round trip of rtt ms ends (0: none), then it is asked whether a ping is wanted. " +
			"behind: the own download is late. gone: that neighbour goes. held: the program did not run until then. Then the tick; rate and pace are bit/s after it. All times are ms; divisions round down.", Cases: makeUplinkCases()}
		for i := range v.Cases {
			v.Cases[i].play(func(j int, s *uplinkStep, pings []string, u *Uplink) {
				s.Pings, s.Rate, s.Pace = pings, u.Rate(), u.Pace()
			})
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, before := range []string{`{"name"`, `{"at"`} { // a line for each case and step
			b = bytes.ReplaceAll(b, []byte(before), []byte("\n"+before))
		}
		if err := os.WriteFile(uplinkVectorFile, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(uplinkVectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v uplinkVectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Cases) < 10 {
		t.Fatalf("%d cases", len(v.Cases))
	}
	for _, c := range v.Cases {
		t.Run(c.Name, func(t *testing.T) {
			c.play(func(i int, s *uplinkStep, pings []string, u *Uplink) {
				if u.Rate() != s.Rate || u.Pace() != s.Pace || !slices.Equal(pings, s.Pings) {
					t.Fatalf("step %d at %d ms: rate %d, pace %d, pings %v; want %d, %d, %v", i, s.At, u.Rate(), u.Pace(), pings, s.Rate, s.Pace, s.Pings)
				}
			})
		})
	}
}
