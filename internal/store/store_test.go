package store

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"starling/internal/media"
)

func header(msn, index uint64, size int, flags media.Flag) *media.Header {
	return &media.Header{Stream: "live/demo", ID: media.PartID{MSN: msn, Index: index}, Size: size, ChunkSize: media.MaxChunkSize, Flags: flags}
}

func complete(msn, index uint64, flags media.Flag) *Part {
	return CompletePart(header(msn, index, 3, flags), nil, []byte{1, 2, 3})
}

func TestReadersSeeAPartGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := NewTrack("v", 4)
		p := NewPart(header(10, 0, 6, 0), nil)
		got := make(chan []byte)
		go func() {
			q, err := tr.Next(context.Background(), media.PartID{})
			if err != nil {
				t.Error(err)
			}
			have := 0
			for have < q.Header.Size {
				b, err := q.Wait(context.Background(), have)
				if err != nil {
					t.Error(err)
					break
				}
				got <- bytes.Clone(b[have:])
				have = len(b)
			}
			close(got)
		}()
		synctest.Wait()
		if err := tr.Begin(p); err != nil {
			t.Fatal(err)
		}
		p.Write([]byte("abc"))
		if b := <-got; string(b) != "abc" {
			t.Fatalf("first read %q", b)
		}
		if _, ok := tr.Snapshot().Last(); ok {
			t.Fatal("an incomplete part is in the snapshot")
		}
		p.Write([]byte("def"))
		if b := <-got; string(b) != "def" {
			t.Fatalf("second read %q", b)
		}
		tr.Finish(p)
		if last, ok := tr.Snapshot().Last(); !ok || last != p {
			t.Fatal("the finished part is not in the snapshot")
		}
	})
}

func TestAbortedPartReachesItsReadersAndNotTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := NewTrack("v", 4)
		p := NewPart(header(1, 0, 6, 0), nil)
		tr.Begin(p)
		done := make(chan error)
		go func() { _, err := p.Wait(context.Background(), 0); done <- err }()
		synctest.Wait()
		tr.Finish(p)
		if err := <-done; !errors.Is(err, ErrAborted) {
			t.Fatalf("waiter got %v", err)
		}
		if _, ok := tr.Snapshot().Last(); ok {
			t.Fatal("aborted part was published")
		}
		if err := tr.Add(complete(1, 0, 0)); err != nil {
			t.Fatalf("the same part cannot be sent again: %v", err)
		}
	})
}

func TestWindowSlidesAndOldSnapshotsStay(t *testing.T) {
	tr := NewTrack("v", 2)
	var old *Snapshot
	for msn := uint64(1); msn <= 4; msn++ {
		for i := range uint64(3) {
			var f media.Flag
			if i == 2 {
				f = media.FlagLast
			}
			if err := tr.Add(complete(msn, i, f)); err != nil {
				t.Fatal(err)
			}
			if msn == 2 && i == 1 {
				old = tr.Snapshot()
			}
		}
	}
	if n := len(old.Segments[1].Parts); n != 2 {
		t.Fatalf("an old snapshot changed: %d parts", n)
	}
	select {
	case <-old.Changed:
	default:
		t.Fatal("old snapshot does not report the change")
	}
	s := tr.Snapshot()
	if len(s.Segments) != 2 || s.Segments[0].MSN != 3 || !s.Segments[1].Final() {
		t.Fatalf("window %+v", s.Segments)
	}
	if _, ok := s.Part(media.PartID{MSN: 2, Index: 0}); ok {
		t.Fatal("part outside the window found")
	}
	if p, ok := s.Part(media.PartID{MSN: 4, Index: 1}); !ok || p.ID() != (media.PartID{MSN: 4, Index: 1}) {
		t.Fatal("part of the window not found")
	}
	if err := tr.Add(complete(4, 2, 0)); !errors.Is(err, ErrOrder) {
		t.Fatalf("repeated part: %v", err)
	}
	p, err := tr.Next(context.Background(), media.PartID{MSN: 3, Index: 2})
	if err != nil || p.ID() != (media.PartID{MSN: 4, Index: 0}) {
		t.Fatalf("Next = %v, %v", p, err)
	}
}

func TestEndAndResume(t *testing.T) {
	var d Directory
	info := &media.StreamInfo{ID: "live/demo", Tracks: []media.TrackInfo{{Name: "v"}}}
	s := d.Put(info)
	tr, _ := s.Track("v")
	ended := *info
	ended.Ended = true
	changed := s.Changed()
	d.Put(&ended)
	<-changed
	if _, err := tr.Next(context.Background(), media.PartID{}); !errors.Is(err, ErrEnded) {
		t.Fatalf("Next after the end: %v", err)
	}
	d.Put(info)
	if tr.Snapshot().Ended {
		t.Fatal("the track did not resume")
	}
	d.Remove("live/demo")
	if !tr.Snapshot().Ended || len(d.List()) != 0 {
		t.Fatal("a removed stream goes on")
	}
}
