package peerstate

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"starling/internal/peerwire"
)

const sourceVectorFile = "../../testdata/vectors/repair-sources.json"

// sourceStep is an event in the life of a track of two slices, and who pushes
// them after it. The feed works throughout.
type sourceStep struct {
	Do      string   `json:"do"` // tick, assign, up, gone, refused, mute, heard
	Now     int64    `json:"now"`
	ID      string   `json:"id,omitempty"`
	Mask    int      `json:"mask,omitempty"`    // of refused
	Sources []string `json:"sources,omitempty"` // of assign: parent and backup of each slice
	Pushing []string `json:"pushing"`
}

func sourceSteps() []sourceStep {
	pair := []string{"p", "q", "q", "p"}
	return []sourceStep{
		{Do: "tick", Now: 1000},
		{Do: "assign", Now: 1100, Sources: pair},
		{Do: "up", Now: 1200, ID: "p"},
		{Do: "up", Now: 1300, ID: "q"},
		{Do: "gone", Now: 2000, ID: "p"},
		{Do: "up", Now: 2500, ID: "p"},
		{Do: "refused", Now: 3000, ID: "p", Mask: 1},
		{Do: "tick", Now: 7999},
		{Do: "tick", Now: 8000},
		{Do: "mute", Now: 9000, ID: "p"},
		{Do: "heard", Now: 9399, ID: "p"},
		{Do: "mute", Now: 10_000, ID: "p"},
		{Do: "heard", Now: 10_400, ID: "p"},
		{Do: "tick", Now: 11_999},
		{Do: "tick", Now: 12_000},
		{Do: "mute", Now: 13_000, ID: "p"},
		{Do: "heard", Now: 14_000, ID: "p"},
		{Do: "tick", Now: 16_999},
		{Do: "tick", Now: 17_000},
		{Do: "assign", Now: 18_000, Sources: []string{"q", "edge", "edge", "edge"}},
		{Do: "gone", Now: 19_000, ID: "q"},
		{Do: "up", Now: 20_000, ID: "q"},
		{Do: "gone", Now: 21_000, ID: "p"},
		{Do: "refused", Now: 22_000, ID: "q", Mask: 3},
		{Do: "tick", Now: 26_999},
		{Do: "tick", Now: 27_000},
	}
}

func TestSourceVectors(t *testing.T) {
	v := New(Rules{}, 0)
	v.SetTracks([]Track{{Number: 1, Slices: 2, Bitrate: 1_000_000, PartMS: 333, From: id(1, 0)}}, 0)
	steps := sourceSteps()
	for i := range steps {
		s := &steps[i]
		switch s.Do {
		case "assign":
			v.Assign(1, []SliceSource{{s.Sources[0], s.Sources[1]}, {s.Sources[2], s.Sources[3]}}, s.Now)
		case "up":
			v.NeighbourUp(s.ID, s.Now)
		case "gone":
			v.NeighbourGone(s.ID, "", s.Now)
		case "refused":
			v.SubscriptionRefused(s.ID, 1, peerwire.SliceMask(s.Mask), s.Now)
		case "mute":
			v.silence(v.known(s.ID), s.Now)
		case "heard":
			v.Heard(s.ID, s.Now)
		}
		v.Tick(s.Now)
		s.Pushing = v.Sources(1)
	}
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetIndent("", " ")
	if err := e.Encode(map[string]any{"about": "Events in the life of a track of two slices and who pushes them after each (docs/repair.md rules 5, 9, 10); the feed works throughout.", "steps": steps}); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(sourceVectorFile, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(sourceVectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("the sources no longer match %s: if the rules were meant to change, run go test -update", sourceVectorFile)
	}
}
