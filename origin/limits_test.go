package origin

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"starling/internal/media"
	"starling/origin/ingest"
)

// Publishers choose names, and must not fill the memory with them.
func TestStreamsAreLimited(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s *Server) {
		s.cfg.MaxStreams = 2
		for i := range 2 {
			if _, err := s.Publish(media.StreamID(fmt.Sprintf("live/%d", i)), "test", testMedia(t)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.Publish("live/third", "test", testMedia(t))
		if r, ok := errors.AsType[*ingest.Refusal](err); !ok || r.Reason != "limit" {
			t.Fatalf("a third stream: %v", err)
		}
		again, err := s.Publish("live/1", "test", testMedia(t)) // known, and busy
		if r, ok := errors.AsType[*ingest.Refusal](err); again != nil && err == nil || !ok || r.Reason != "busy" {
			t.Fatalf("a known stream: %v", err)
		}
	})
}

// Each change of parameters starts an encoder and makes a catalog: a publisher
// that changes them with every frame is sent away, one that does now and then
// is not.
func TestPublisherCannotBeginAnewAllTheTime(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s *Server) {
		m := testMedia(t)
		c := start(t, s, m)
		for i := range 3 * breakBurst {
			if err := c.s.Change(m); err != nil {
				t.Fatalf("change %d: %v", i, err)
			}
			<-time.After(breakEvery)
		}
		for range breakBurst + 2 {
			if err := c.s.Change(m); err != nil {
				break
			}
		}
		synctest.Wait()
		err := c.run(time.Second)
		if r, ok := errors.AsType[*ingest.Refusal](err); !ok || r.Reason != "bitstream" {
			t.Fatalf("it may go on: %v", err)
		}
	})
}

func TestNumberingIsBounded(t *testing.T) {
	r, err := loadRegistry("", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	start := time.Unix(1_000_000, 0)
	for i := range maxRemembered + 1 {
		id := media.StreamID(fmt.Sprintf("live/%d", i))
		if err := r.put(id, numbering{NextMSN: 1, Used: start.Add(time.Duration(i) * time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, known := r.get("live/0"); known || len(r.streams) != maxRemembered {
		t.Errorf("%d are remembered, the oldest: %v", len(r.streams), known)
	}
	if _, known := r.get("live/1"); !known {
		t.Error("more than one was forgotten")
	}
}
