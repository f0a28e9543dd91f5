package peerstate

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

const stateVectorFile = "../../testdata/vectors/repair-state.json"

// The small state machines of the policy, as sequences of what goes in and
// what comes out.
type (
	strainStep struct {
		Late   bool  `json:"late"`
		Level  int64 `json:"level"`
		Active bool  `json:"active"`
	}
	retreatStep struct {
		Relapse bool  `json:"relapse,omitempty"` // instead of an update
		Level   int64 `json:"level"`
		Taken   int   `json:"taken"`
		All     int   `json:"all"`
		Now     int64 `json:"now"`
		Quota   int   `json:"quota"`
	}
	trustStep struct {
		Do      string `json:"do"` // strike, excuse, broke, kept
		Now     int64  `json:"now"`
		Avoid   int64  `json:"avoid"`  // of a strike
		Report  bool   `json:"report"` // of a strike
		Doubted bool   `json:"doubted"`
	}
	probeCase struct {
		Name  string `json:"name"`
		Heard int64  `json:"heard"`
		Asked int64  `json:"asked"`
		RTT   int64  `json:"rtt"`
		Due   int64  `json:"due"`
		Now   int64  `json:"now"`
		Ask   bool   `json:"ask"`
		Mute  bool   `json:"mute"`
	}
	headedSlice struct {
		Source   string `json:"source"`
		Children int    `json:"children"`
		Lag      int64  `json:"lag"`
	}
	headerCase struct {
		Name   string        `json:"name"`
		Slices []headedSlice `json:"slices"`
		Now    string        `json:"now"`
		Not    string        `json:"not"`
		Source string        `json:"source"`
	}
	damageStep struct {
		Late  bool `json:"late"`
		Had   bool `json:"had"`
		Count int  `json:"count"`
	}
	skipStep struct {
		Index uint64 `json:"index"`
		First int    `json:"first"`
		Count int    `json:"count"`
		Add   bool   `json:"add"`
		Has   bool   `json:"has"` // after it
	}
	stateVectors struct {
		About   string        `json:"about"`
		Seed    uint32        `json:"seed"`
		Strain  []strainStep  `json:"strain"`
		Retreat []retreatStep `json:"retreat"`
		Trust   []trustStep   `json:"trust"`
		Probes  []probeCase   `json:"probes"`
		Headers []headerCase  `json:"headers"`
		Damage  []damageStep  `json:"damage"`
		Skips   []skipStep    `json:"skips"`
	}
)

func strainSteps() (out []strainStep) {
	var s Strain
	for i := range 60 {
		late := i < 20 || i >= 45 && i%3 == 0
		s.Note(late)
		out = append(out, strainStep{late, s.Level(), s.Active()})
	}
	return out
}

func retreatSteps(seed uint32) (out []retreatStep) {
	r := NewRetreat(seed)
	taken := 6
	for i := range 240 {
		now := int64(1000 + 250*i)
		level := int64(0)
		if i >= 8 && i < 30 || i >= 110 && i < 116 {
			level = 600_000
		}
		if i == 100 {
			r.Relapse(now)
			out = append(out, retreatStep{Relapse: true, Now: now})
		}
		quota := r.Update(level, taken, 6, now)
		out = append(out, retreatStep{Level: level, Taken: taken, All: 6, Now: now, Quota: quota})
		taken = quota
	}
	return out
}

func trustSteps() (out []trustStep) {
	var t Trust
	for _, s := range []struct {
		do  string
		now int64
	}{
		{"strike", 1000}, {"excuse", 1100}, {"strike", 4000}, {"strike", 8000}, {"strike", 14_000}, {"strike", 24_000}, {"strike", 42_000}, {"strike", 60_000},
		{"excuse", 60_050}, {"excuse", 60_060}, {"excuse", 60_070}, {"strike", 200_000},
		{"broke", 201_000}, {"kept", 201_500}, {"broke", 202_000}, {"broke", 203_000}, {"kept", 213_000}, {"broke", 214_000}, {"broke", 214_500}, {"kept", 234_499}, {"kept", 234_500},
	} {
		x := trustStep{Do: s.do, Now: s.now}
		switch s.do {
		case "strike":
			x.Avoid, x.Report = t.Strike(s.now)
		case "excuse":
			t.Excuse()
		case "broke":
			t.Broke(s.now)
		case "kept":
			t.Kept()
		}
		x.Doubted = t.Doubted(s.now)
		out = append(out, x)
	}
	return out
}

func probeCases() []probeCase {
	cs := []probeCase{
		{Name: "nothing is due", Heard: 1000, RTT: 40, Now: 9000},
		{Name: "something is due just now", Heard: 1000, RTT: 40, Due: 1333, Now: 1357},
		{Name: "nothing came", Heard: 1000, RTT: 40, Due: 1333, Now: 1358},
		{Name: "something else came", Heard: 1340, RTT: 40, Due: 1333, Now: 1500},
		{Name: "it is not asked twice", Heard: 1000, Asked: 1360, RTT: 40, Due: 1333, Now: 1400},
		{Name: "but again for the next part", Heard: 1420, Asked: 1360, RTT: 40, Due: 1666, Now: 1700},
		{Name: "its round trip is not known", Heard: 1000, Due: 1333, Now: 1400},
		{Name: "an answer is awaited", Heard: 1000, Asked: 1360, RTT: 40, Due: 1333, Now: 1459},
		{Name: "no answer came", Heard: 1000, Asked: 1360, RTT: 40, Due: 1333, Now: 1460},
		{Name: "it answered", Heard: 1402, Asked: 1360, RTT: 40, Due: 1333, Now: 1900},
		{Name: "near by an answer is quick", Heard: 1000, Asked: 1360, RTT: 1, Due: 1333, Now: 1420},
		{Name: "far away it takes its time", Heard: 1000, Asked: 1360, RTT: 150, Due: 1333, Now: 1559},
		{Name: "and no longer", Heard: 1000, Asked: 1360, RTT: 150, Due: 1333, Now: 1560},
	}
	for i := range cs {
		c := &cs[i]
		p := Probe{c.Heard, c.Asked, c.RTT}
		c.Ask, c.Mute = p.Ask(c.Due, c.Now), p.Mute(c.Now)
	}
	return cs
}

func headerCases() []headerCase {
	cs := []headerCase{
		{Name: "the feed always sends headers", Slices: []headedSlice{{"p1", 4, 0}, {Edge, 0, 0}}, Now: "p1"},
		{Name: "the slice with children", Slices: []headedSlice{{"p1", 0, 0}, {"p2", 2, 30}}, Now: "p1"},
		{Name: "of equals the one that does it now", Slices: []headedSlice{{"p1", 0, 0}, {"p2", 0, 30}}, Now: "p2"},
		{Name: "else the least lag", Slices: []headedSlice{{"p1", 0, 10}, {"p2", 0, 5}, {"p3", 0, 5}}},
		{Name: "one that failed is left out", Slices: []headedSlice{{"p1", 3, 0}, {"p2", 0, 30}}, Now: "p1", Not: "p1"},
		{Name: "unless it is the only one", Slices: []headedSlice{{"p1", 3, 0}, {"", 0, 0}}, Now: "p1", Not: "p1"},
		{Name: "nobody", Slices: []headedSlice{{"", 1, 0}}, Now: "p1"},
	}
	for i := range cs {
		var hs []Headed
		for _, h := range cs[i].Slices {
			hs = append(hs, Headed(h))
		}
		cs[i].Source = HeaderSource(hs, cs[i].Now, cs[i].Not)
	}
	return cs
}

func damageSteps() (out []damageStep) {
	count := 0
	for _, s := range [][2]bool{{true, true}, {false, false}, {true, false}, {true, true}, {false, false}, {false, false}, {true, true}, {true, false}, {true, true}} {
		count = Damaged(count, s[0], s[1])
		out = append(out, damageStep{s[0], s[1], count})
	}
	return out
}

func skipSteps() (out []skipStep) {
	var s skips
	step := func(index uint64, first, count int, add bool) {
		if add {
			s.add(key(10, index), first, count)
		}
		out = append(out, skipStep{index, first, count, add, s.has(key(10, index), first, first+count)})
	}
	step(0, 2, 3, true)
	step(0, 3, 1, false)
	step(0, 4, 2, false)
	step(0, 5, 2, true)
	step(0, 2, 5, false)
	step(1, 2, 1, false)
	step(1, 0, 0, true)
	for i := range uint64(maxSkipParts) {
		step(2+i, 0, 8, true)
	}
	step(0, 2, 1, false)
	for i := range maxSkipSpans + 1 {
		step(65, 100+2*i, 1, true)
	}
	return out
}

func TestStateVectors(t *testing.T) {
	const seed = 12_345
	v := stateVectors{
		About: "Sequences of the policy's small state machines (docs/repair.md rules 5, 9, 13 to 17): each step's outputs are those after its inputs. Levels are millionths, times ms. seed is the retreat's.",
		Seed:  seed, Strain: strainSteps(), Retreat: retreatSteps(seed), Trust: trustSteps(), Probes: probeCases(),
		Headers: headerCases(), Damage: damageSteps(), Skips: skipSteps(),
	}
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(stateVectorFile, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(stateVectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("the state machines no longer match %s: if the rules were meant to change, run go test -update", stateVectorFile)
	}
}
