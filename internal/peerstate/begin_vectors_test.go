package peerstate

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"starling/internal/media"
)

const beginVectorFile = "../../testdata/vectors/repair-begin.json"

// What comes from which part on when a slice changes its source, and when a
// backup is left that lost the same parent: a track of two slices whose parts
// 7.INDEX have two chunks, one a slice. The feed works throughout.
type (
	beginStep struct {
		Do      string   `json:"do"` // tick, assign, up, gone, rtt, heard, has, seen, chunk
		Now     int64    `json:"now"`
		ID      string   `json:"id,omitempty"`
		Index   uint64   `json:"index"` // of the part: has, seen, chunk
		Chunk   int      `json:"chunk"`
		MS      int64    `json:"ms,omitempty"`      // of rtt
		Sources []string `json:"sources,omitempty"` // of assign: parent and backup of each slice
		// After it: who pushes each slice, from which part on where that changed,
		// and who still pushes what is before.
		Pushing []string `json:"pushing"`
		From    []string `json:"from"`
		Old     []string `json:"old"`
	}
	beginScenario struct {
		Name  string      `json:"name"`
		Steps []beginStep `json:"steps"`
	}
)

func beginScenarios() []beginScenario {
	pair := []string{"p", "q", "q", "p"}
	// Both parents push when it ends, and 7.0 is there.
	begun := []beginStep{
		{Do: "tick", Now: 1000},
		{Do: "assign", Now: 1010, Sources: pair},
		{Do: "up", Now: 1020, ID: "p"},
		{Do: "up", Now: 1030, ID: "q"},
		{Do: "seen", Now: 1100, Index: 0},
		{Do: "chunk", Now: 1110, ID: "p", Index: 0, Chunk: 0},
		{Do: "chunk", Now: 1120, ID: "q", Index: 0, Chunk: 1},
	}
	then := func(steps ...beginStep) []beginStep { return append(append([]beginStep{}, begun...), steps...) }
	return []beginScenario{
		{"a source from which nothing came yet begins with the next part", []beginStep{
			{Do: "tick", Now: 1000},
			{Do: "assign", Now: 1010, Sources: pair},
			{Do: "up", Now: 1020, ID: "p"},
			{Do: "gone", Now: 1030, ID: "p"},
			{Do: "up", Now: 1040, ID: "q"},
			{Do: "tick", Now: 1050},
		}},
		{"a planned source begins with the part after the newest, and the old one ends what is before", []beginStep{
			{Do: "tick", Now: 1000},
			{Do: "seen", Now: 1010, Index: 0},
			{Do: "assign", Now: 1020, Sources: pair},
			{Do: "up", Now: 1030, ID: "p"},
			{Do: "seen", Now: 1040, Index: 1},
			{Do: "up", Now: 1050, ID: "q"},
			{Do: "chunk", Now: 1060, ID: Edge, Index: 0, Chunk: 0},
			{Do: "chunk", Now: 1070, ID: Edge, Index: 0, Chunk: 1},
			{Do: "chunk", Now: 1080, ID: Edge, Index: 1, Chunk: 1},
			{Do: "chunk", Now: 1090, ID: "p", Index: 1, Chunk: 0},
		}},
		{"an urgent one with the first part of which the slice is missing", then(
			beginStep{Do: "seen", Now: 1400, Index: 1},
			beginStep{Do: "seen", Now: 1500, Index: 2},
			beginStep{Do: "chunk", Now: 1510, ID: "q", Index: 1, Chunk: 1},
			beginStep{Do: "gone", Now: 1520, ID: "p"},
			beginStep{Do: "chunk", Now: 1530, ID: "q", Index: 1, Chunk: 0},
			beginStep{Do: "gone", Now: 1540, ID: "q"},
		)},
		{"or with the next part, when nothing is missing", then(
			beginStep{Do: "gone", Now: 1200, ID: "p"},
			beginStep{Do: "up", Now: 1250, ID: "p"},
		)},
		{"a backup that brings nothing has lost the same parent", then(
			beginStep{Do: "gone", Now: 1300, ID: "p"},
			beginStep{Do: "seen", Now: 1400, Index: 1},
			beginStep{Do: "chunk", Now: 1450, ID: "q", Index: 1, Chunk: 1},
			beginStep{Do: "tick", Now: 1649},
			beginStep{Do: "tick", Now: 1650},
			beginStep{Do: "chunk", Now: 1660, ID: Edge, Index: 1, Chunk: 0},
			beginStep{Do: "assign", Now: 1700, Sources: []string{"q", "p", "q", "p"}},
			beginStep{Do: "tick", Now: 6649},
			beginStep{Do: "tick", Now: 6650},
		)},
		{"it is blamed when it had announced the part", then(
			beginStep{Do: "gone", Now: 1300, ID: "p"},
			beginStep{Do: "seen", Now: 1400, Index: 1},
			beginStep{Do: "has", Now: 1500, ID: "q", Index: 1},
			beginStep{Do: "tick", Now: 1649},
			beginStep{Do: "tick", Now: 1650},
			beginStep{Do: "chunk", Now: 1660, ID: Edge, Index: 1, Chunk: 0},
			beginStep{Do: "assign", Now: 1700, Sources: []string{"q", "p", "q", "p"}},
			beginStep{Do: "tick", Now: 3649},
			beginStep{Do: "tick", Now: 3650},
		)},
		{"its round trip counts twice, from when it was asked", then(
			beginStep{Do: "rtt", Now: 1200, ID: "q", MS: 60},
			beginStep{Do: "seen", Now: 1300, Index: 1},
			beginStep{Do: "gone", Now: 1310, ID: "p"},
			beginStep{Do: "heard", Now: 1320, ID: "q"},
			beginStep{Do: "tick", Now: 1679},
			beginStep{Do: "tick", Now: 1680},
		)},
		{"what it pushed shows that it has a parent", then(
			beginStep{Do: "gone", Now: 1300, ID: "p"},
			beginStep{Do: "seen", Now: 1310, Index: 1},
			beginStep{Do: "chunk", Now: 1500, ID: "q", Index: 1, Chunk: 0},
			beginStep{Do: "seen", Now: 1600, Index: 2},
			beginStep{Do: "tick", Now: 1900},
		)},
		{"the parent takes over when it is back, and brings all that is missing", then(
			beginStep{Do: "gone", Now: 1300, ID: "p"},
			beginStep{Do: "seen", Now: 1310, Index: 1},
			beginStep{Do: "up", Now: 1600, ID: "p"},
		)},
		{"or only what comes next, while the backup may still bring it", then(
			beginStep{Do: "gone", Now: 1300, ID: "p"},
			beginStep{Do: "seen", Now: 1310, Index: 1},
			beginStep{Do: "up", Now: 1500, ID: "p"},
			beginStep{Do: "chunk", Now: 1520, ID: "q", Index: 1, Chunk: 0},
		)},
		{"a feed that was asked is waited for", then(
			beginStep{Do: "assign", Now: 1200, Sources: []string{"p", Edge, "q", Edge}},
			beginStep{Do: "gone", Now: 1300, ID: "p"},
			beginStep{Do: "seen", Now: 1310, Index: 1},
			beginStep{Do: "tick", Now: 1900},
		)},
	}
}

func TestBeginVectors(t *testing.T) {
	scenarios := beginScenarios()
	for i := range scenarios {
		v := New(Rules{}, 0)
		// As a browser, it does not know where the stream is before the first part.
		v.SetTracks([]Track{{Number: 1, Slices: 2, Bitrate: 1_000_000, PartMS: 333}}, 0)
		was := []string{"", ""}
		for j := range scenarios[i].Steps {
			s := &scenarios[i].Steps[j]
			acts := append([]Action{}, s.apply(v)...)
			acts = append(acts, v.Tick(s.Now)...)
			s.Pushing = v.Sources(1)
			s.From = []string{"", ""}
			for _, a := range acts {
				for k := range s.From {
					if a.Kind == Subscribe && a.Slices.Has(k) && s.Pushing[k] == a.Peer && was[k] != a.Peer {
						s.From[k] = a.Key.ID.String()
					}
				}
			}
			if j == 0 { // the browser asks the feed now, Go asked it for the track
				s.From = []string{media.PartID{}.String(), media.PartID{}.String()}
			}
			s.Old = []string{v.track(1).slices[0].old, v.track(1).slices[1].old}
			was = s.Pushing
		}
	}
	got, err := json.MarshalIndent(map[string]any{
		"about":     "What comes from which part on when a slice changes its source (docs/repair.md rules 10 and 12); parts are 7.INDEX, chunk s is slice s. from is empty where the source stayed or was subscribed to already.",
		"scenarios": scenarios,
	}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(beginVectorFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(beginVectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("the sources no longer match %s: if the rules were meant to change, run go test -update", beginVectorFile)
	}
}

// apply gives the event to a viewer.
func (s *beginStep) apply(v *Viewer) []Action {
	k := key(7, s.Index)
	switch s.Do {
	case "assign":
		return v.Assign(1, []SliceSource{{s.Sources[0], s.Sources[1]}, {s.Sources[2], s.Sources[3]}}, s.Now)
	case "up":
		return v.NeighbourUp(s.ID, s.Now)
	case "gone":
		return v.NeighbourGone(s.ID, "", s.Now)
	case "rtt":
		v.RoundTrip(s.ID, s.MS)
	case "heard":
		v.Heard(s.ID, s.Now)
	case "has":
		return v.Have(s.ID, k, 2, []byte{0xff}, s.Now)
	case "seen":
		return v.Header(k, 2, Edge, s.Now+60_000, s.Now)
	case "chunk":
		_, acts := v.Chunk(k, s.Chunk, s.ID, true, s.Now)
		return acts
	}
	return nil
}
