package hls

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"

	"starling/internal/media"
	"starling/internal/store"
)

// vectorFile holds playlists as viewers write them from pushed part headers
// (docs/player.md): the client must come to the same text.
const vectorFile = "../../testdata/vectors/playlist.json"

type (
	vectorScenario struct {
		Name  string       `json:"name"`
		Steps []vectorStep `json:"steps"`
	}
	// vectorStep is a part that was added. Full and Delta are the SHA-256 of
	// the playlists that have it. Text is the full playlist, where the viewer
	// gets it from the edge; without it the viewer writes the playlist itself,
	// unless Needs says that the edge's is needed.
	vectorStep struct {
		Header vectorHeader `json:"header"`
		Needs  bool         `json:"needsEdge,omitempty"`
		Full   string       `json:"full"`
		Delta  string       `json:"delta"`
		Text   string       `json:"text,omitempty"`
	}
	vectorHeader struct {
		MSN           uint64 `json:"msn"`
		Index         uint64 `json:"index"`
		Flags         uint8  `json:"flags"`
		Discontinuity uint64 `json:"discontinuity"`
		Init          uint64 `json:"init"`
		PDT           int64  `json:"pdtMicros"`
		Duration      int64  `json:"durationMicros"`
	}
)

// recorder adds parts and writes down what the playlist is then.
type recorder struct {
	*feeder
	steps []vectorStep
}

// note adds a part that the viewer can append by itself, or one for which it
// needs the edge's playlist.
func (r *recorder) note(index uint64, flags media.Flag, needs bool) {
	r.t.Helper()
	r.part(index, flags)
	newest, _ := r.track.Snapshot().Last()
	h := newest.Header
	tl := NewTimeline(demoInfo(), r.track.Snapshot(), store.DefaultSegments)
	r.steps = append(r.steps, vectorStep{
		Header: vectorHeader{h.ID.MSN, h.ID.Index, uint8(h.Flags), h.Discontinuity, h.Init, h.PDT.UnixMicro(), h.Duration.Microseconds()},
		Needs:  needs, Full: sum(tl.Append(nil, nil, false)), Delta: sum(tl.Append(nil, nil, true)),
	})
}

// show gives the viewer the edge's playlist at the last step.
func (r *recorder) show() {
	tl := NewTimeline(demoInfo(), r.track.Snapshot(), store.DefaultSegments)
	r.steps[len(r.steps)-1].Text = string(tl.Append(nil, reports, false))
}

// noteSegments adds whole segments; flags apply to the first part of each.
func (r *recorder) noteSegments(n int, flags media.Flag) {
	for range n {
		r.note(0, flags, false)
		for i := uint64(1); i < 5; i++ {
			r.note(i, 0, false)
		}
		r.note(5, media.FlagLast, false)
		r.msn++
	}
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

func scenario(t *testing.T, name string, segments int, run func(r *recorder)) vectorScenario {
	f := newFeeder(t, 895_000_000)
	f.segments(segments)
	r := &recorder{feeder: f}
	r.note(0, 0, true)
	r.show()
	run(r)
	return vectorScenario{Name: name, Steps: r.steps}
}

func buildVectors(t *testing.T) []vectorScenario {
	return []vectorScenario{
		scenario(t, "the window slides", 12, func(r *recorder) {
			r.note(1, media.FlagLast, false)
			r.msn++
			r.noteSegments(4, 0)
		}),
		scenario(t, "a stream begins", 1, func(r *recorder) {
			r.note(1, 0, false)
			r.note(2, media.FlagLast|media.FlagIndependent, false)
			r.msn++
			r.noteSegments(15, 0)
		}),
		scenario(t, "a discontinuity", 9, func(r *recorder) {
			r.note(1, media.FlagLast, false)
			r.msn++
			r.noteSegments(1, 0)
			r.disc, r.init = r.disc+1, r.init+1
			r.noteSegments(1, media.FlagDiscontinuity)
			r.disc += 2
			r.clock = r.clock.Add(700 * time.Millisecond)
			r.noteSegments(14, 0)
		}),
		scenario(t, "gaps", 9, func(r *recorder) {
			r.note(1, media.FlagGap, false)
			r.note(2, media.FlagLast, false)
			r.msn++
			r.init++
			r.note(0, media.FlagGap, false)
			r.note(1, media.FlagLast, false)
			r.msn++
			r.noteSegments(14, 0)
		}),
		scenario(t, "a hole in the numbers", 9, func(r *recorder) {
			r.note(1, media.FlagLast, false)
			r.msn += 3
			r.note(0, 0, true)
			r.show()
			r.note(1, media.FlagLast, false)
			r.msn++
			r.noteSegments(2, 0)
		}),
		scenario(t, "a segment without its end", 9, func(r *recorder) {
			r.note(1, 0, false)
			r.msn++
			r.note(0, 0, true)
			r.show()
			r.note(1, 0, false)
		}),
		scenario(t, "a restarted origin", 9, func(r *recorder) {
			r.msn += 40
			r.disc, r.init = r.disc+1, r.init+5
			r.clock = r.clock.Add(90 * time.Second)
			r.note(0, media.FlagDiscontinuity, true)
			r.note(1, 0, true)
			r.note(2, media.FlagLast, true)
			r.show()
			r.msn++
			r.noteSegments(2, 0)
		}),
	}
}

func TestVectors(t *testing.T) {
	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(buildVectors(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorFile, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatal("the code does not give the golden vectors; if the playlists were meant to change: go test ./internal/hls -update")
	}
}
