package store

import (
	"context"
	"errors"
	"testing"

	"starling/internal/media"
)

func TestClearedTrackStartsAnew(t *testing.T) {
	tr := NewTrack("v", 4)
	for i := range uint64(2) {
		if err := tr.Add(complete(7, i, 0)); err != nil {
			t.Fatal(err)
		}
	}
	growing := NewPart(header(7, 2, 6, 0), nil)
	if err := tr.Begin(growing); err != nil {
		t.Fatal(err)
	}
	old := tr.Snapshot()
	tr.Clear()
	<-old.Changed
	if _, err := growing.Wait(context.Background(), 0); !errors.Is(err, ErrAborted) {
		t.Fatalf("reader of the growing part got %v", err)
	}
	if _, ok := tr.Snapshot().Last(); ok || len(old.Segments) != 1 {
		t.Fatal("the window is not empty, or an old snapshot changed")
	}
	if err := tr.Add(complete(3, 0, 0)); err != nil {
		t.Fatalf("an earlier part after Clear: %v", err)
	}
	if p, err := tr.Next(context.Background(), media.PartID{}); err != nil || p.ID().MSN != 3 {
		t.Fatalf("Next = %v, %v", p, err)
	}
}
