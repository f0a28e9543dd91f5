package peer

import (
	"testing"
	"time"

	"starling/internal/media"
)

func TestDeadlinesFollowThePlayhead(t *testing.T) {
	pdt := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var b playback
	if d := b.deadline(pdt, 100); d != 100+startSlack {
		t.Errorf("before anything is known: %d", d)
	}
	b.pdt = pdt
	if d := b.deadline(pdt.Add(time.Second), 100); d != 1100+startSlack {
		t.Errorf("before playback: %d", d)
	}
	b.started, b.at = true, 1000
	if d := b.deadline(pdt.Add(time.Second), 1500); d != 2000 {
		t.Errorf("while it plays: %d", d)
	}
	b.stallAt = 2000
	if d := b.deadline(pdt.Add(time.Second), 2300); d != 2300 {
		t.Errorf("a stall moves every deadline: %d", d)
	}
	// At 2300 the playhead stands at the media time of 2000, one second in.
	if l := b.latency(pdt.Add(3*time.Second), 2300); l != 2*time.Second {
		t.Errorf("latency in a stall: %s", l)
	}
	b.stallAt = 0
	if l := b.latency(pdt.Add(3*time.Second), 3000); l != time.Second {
		t.Errorf("latency while it plays: %s", l)
	}
}

func TestUnsignedWordOfAPartIsBelievedNearTheLiveEdgeOnly(t *testing.T) {
	p := &Peer{info: &catalog{StreamInfo: media.StreamInfo{PartMS: 333, TargetMS: 2000}}}
	tr := &trackState{ids: []media.PartID{{MSN: 10, Index: 2}}}
	for id, want := range map[media.PartID]bool{
		{MSN: 10, Index: 3}: true, {MSN: 10, Index: 5}: true, {MSN: 10, Index: 6}: false,
		{MSN: 11, Index: 0}: true, {MSN: 11, Index: 3}: false, {MSN: 12, Index: 0}: false,
		{MSN: 9, Index: 5}: true, {MSN: 9, Index: 7}: false,
	} {
		if p.plausible(tr, id) != want {
			t.Errorf("%s: believed %v", id, !want)
		}
	}
}

func TestPartsStayInOrderAndTimesAreEstimated(t *testing.T) {
	tr := &trackState{from: media.PartID{MSN: 10}}
	for i, id := range []media.PartID{{MSN: 10, Index: 1}, {MSN: 11}, {MSN: 10, Index: 2}, {MSN: 10, Index: 1}} {
		tr.insert(id, int64(i+1))
	}
	want := []media.PartID{{MSN: 10, Index: 1}, {MSN: 10, Index: 2}, {MSN: 11}}
	if len(tr.ids) != 3 || tr.ids[0] != want[0] || tr.ids[1] != want[1] || tr.ids[2] != want[2] {
		t.Fatalf("%v", tr.ids)
	}
	if tr.progressAt != 2 {
		t.Errorf("news came at %d: an older part is no news of the live edge", tr.progressAt)
	}
	tr.newestPDT = time.Unix(1000, 0)
	if pdt, _ := tr.estimate(media.PartID{MSN: 11, Index: 2}, time.Second); !pdt.Equal(time.Unix(1002, 0)) {
		t.Errorf("two parts on: %s", pdt)
	}
	if pdt, d := tr.estimate(media.PartID{MSN: 12}, time.Second); !pdt.Equal(time.Unix(1001, 0)) || d != time.Second {
		t.Errorf("the next segment: %s", pdt)
	}
}
