package peerstate

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

const edgeVectorFile = "../../testdata/vectors/repair-edge.json"

// What the edge's answers and the lateness of the slices lead to, as sequences
// of what goes in and what comes out.
type (
	answerStep struct {
		Bytes    int   `json:"bytes"`
		First    int64 `json:"first"`
		Total    int64 `json:"total"`
		Nothing  int64 `json:"nothing"`  // time to leave for no bytes, after it
		Hundreds int64 `json:"hundreds"` // and for 100,000
	}
	fairnessStep struct {
		Edge       bool  `json:"edge"`
		Late       bool  `json:"late"`
		Taken      int   `json:"taken"`
		Level      int64 `json:"level"`
		EdgeIsLate bool  `json:"edgeIsLate"`
	}
	momentCase struct {
		Answers int   `json:"answers"` // so many of the answers came
		Missing int   `json:"missing"` // bytes of the part
		Edge    int64 `json:"edge"`    // rule 18
		// AskedBefore is how long before the deadline everything is asked of the
		// edge, from a source that has only just taken over.
		AskedBefore int64 `json:"askedBefore"`
	}
	edgeVectors struct {
		About    string         `json:"about"`
		Answers  []answerStep   `json:"answers"`
		Moments  []momentCase   `json:"moments"`
		Fairness []fairnessStep `json:"fairness"`
	}
)

func answerSteps() (out []answerStep) {
	e := NewEdgeRate()
	note := func(times, bytes int, first, total int64) {
		for range times {
			e.Note(bytes, first, total)
			out = append(out, answerStep{bytes, first, total, e.ReserveMS(0), e.ReserveMS(100_000)})
		}
	}
	note(6, 40_000, 60, 90)
	note(1, 40_000, 60, 420) // a packet was lost
	note(8, 40_000, 60, 90)
	note(1, 40_000, 900, 4000) // the machine was busy
	note(4, 40_000, 60, 90)
	note(4, 2_000, 140, 141) // too small for the rate
	note(6, 40_000, 140, 1500)
	return out
}

// momentCases give the last moments after some of the answers. The sources took
// over 10 ms before, so that their patience ends later.
func momentCases(t *testing.T, answers []answerStep) (out []momentCase) {
	e := NewEdgeRate()
	for i := range len(answers) + 1 {
		if i > 0 {
			e.Note(answers[i-1].Bytes, answers[i-1].First, answers[i-1].Total)
		}
		if i%6 != 0 {
			continue
		}
		for _, missing := range []int{41_625, 100_000, 400_000} {
			c := momentCase{Answers: i, Missing: missing, Edge: e.ReserveMS(missing)}
			c.AskedBefore = max(c.Edge, DefaultRules().RequestSlackMS)
			const deadline = 20_000
			asks := func(before int64) bool {
				p := PartState{SeenAt: 1, Deadline: deadline, Header: true, Have: NewBitmap(6), EdgeMS: c.Edge}
				for range 2 {
					p.Slices = append(p.Slices, SliceState{Source: "p", Up: true, Backup: "q", BackupUp: true, Since: deadline - c.AskedBefore - 10})
				}
				steps := Plan(Rules{}.withDefaults(), &p, deadline-before, nil)
				return len(steps) == 1 && steps[0].Kind == StepFetch && steps[0].Count == 6
			}
			if asks(c.AskedBefore+1) || !asks(c.AskedBefore) {
				t.Errorf("after %d answers %d bytes are not asked for %d ms before the deadline", i, missing, c.AskedBefore)
			}
			out = append(out, c)
		}
	}
	return out
}

func fairnessSteps() (out []fairnessStep) {
	var f Fairness
	note := func(times int, edge, late bool, taken int) {
		for range times {
			f.Note(edge, late)
			out = append(out, fairnessStep{edge, late, taken, f.Level(taken), f.EdgeIsLate()})
		}
	}
	note(16, false, true, 4) // peers are late
	note(4, true, false, 4)
	note(1, true, false, 0) // all is given up: nothing is known of them any more
	note(4, false, true, 2)
	note(8, true, true, 2) // the feed is no better
	note(24, true, false, 2)
	return out
}

func TestEdgeVectors(t *testing.T) {
	v := edgeVectors{About: "The edge's time and what counts against peers (docs/repair.md rules 11, 15 and 18). Outputs are those after each step's inputs; moments are last ones after so many answers. Levels are millionths, times ms.",
		Answers: answerSteps(), Fairness: fairnessSteps()}
	v.Moments = momentCases(t, v.Answers)
	got, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(edgeVectorFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(edgeVectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("the edge's time no longer matches %s: if the rules were meant to change, run go test -update", edgeVectorFile)
	}
}

func TestReserveFollowsTheEdge(t *testing.T) {
	e := NewEdgeRate()
	guess := e.ReserveMS(100_000)
	for range 10 {
		e.Note(100_000, 20, 60)
	}
	fast := e.ReserveMS(100_000)
	e.Note(100_000, 20, 400)
	lost := e.ReserveMS(100_000)
	for range 20 {
		e.Note(100_000, 120, 1120)
	}
	slow := e.ReserveMS(100_000)
	if e = NewEdgeRate(); fast >= guess || lost <= fast || slow <= 1000 || e.ReserveMS(0) != minReserveMS {
		t.Errorf("guess %d, fast %d, after a loss %d, slow %d ms", guess, fast, lost, slow)
	}
}

// Parts that are missing together are asked for one behind the other in time:
// the later one is asked for sooner than it would be alone.
func TestMissingPartsShareTheEdge(t *testing.T) {
	asked := func(both bool) (at int64) {
		v := New(Rules{}, 0)
		v.SetTracks([]Track{{Number: 1, Slices: 2, Bitrate: 2_000_000, PartMS: 333, From: id(1, 0)}}, 0)
		v.NeighbourUp(Edge, 0)
		for i := range uint64(2) {
			if i == 0 && !both {
				continue
			}
			v.Header(key(1, i), 6, Edge, 2000+100*int64(i), 100)
			v.Sized(key(1, i), 90_000)
		}
		for now := int64(100); now < 2500; now += 25 {
			for _, a := range v.Tick(now) {
				if a.Kind == Fetch && a.Key == key(1, 1) {
					return now
				}
			}
		}
		return 0
	}
	if alone, behind := asked(false), asked(true); alone == 0 || behind == 0 || behind >= alone {
		t.Errorf("alone at %d, behind another at %d", alone, behind)
	}
}

// A feed that is late itself is no place to retreat to.
func TestNoRetreatToALateFeed(t *testing.T) {
	for _, feedIsLate := range []bool{false, true} {
		var f Fairness
		r := NewRetreat(1)
		quota := 4
		for now := int64(0); now < 5000; now += 100 {
			f.Note(false, true)
			f.Note(true, feedIsLate)
			quota = r.Update(f.Level(quota), quota, 4, now)
		}
		if feedIsLate != (quota == 4) {
			t.Errorf("the feed is late: %v; %d of 4 slices come from peers", feedIsLate, quota)
		}
	}
}
