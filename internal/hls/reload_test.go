package hls

import (
	"testing"
	"time"

	"starling/internal/media"
	"starling/internal/store"
)

func TestAdvancePartLimit(t *testing.T) {
	for target, want := range map[time.Duration]uint64{
		200 * time.Millisecond: 15, 333 * time.Millisecond: 10, 334 * time.Millisecond: 9, 500 * time.Millisecond: 6, time.Second: 3, 4 * time.Second: 3, 0: 3,
	} {
		if got := AdvancePartLimit(target); got != want {
			t.Errorf("%v: %d, want %d", target, got, want)
		}
	}
}

// Draft section 6.2.5.2. The timeline has segments 100 to 108 of six parts and
// parts 109.0 to 109.2.
func TestReloadDecisions(t *testing.T) {
	f := newFeeder(t, 100)
	f.segments(9)
	for i := range uint64(3) {
		f.part(i, 0)
	}
	live := f.timeline()
	f.track.End()
	ended := f.timeline()
	empty := NewTimeline(demoInfo(), store.NewTrack("v", 4).Snapshot(), 4)
	segment := func(msn uint64) Query { return Query{HasMSN: true, MSN: msn} }
	part := func(msn, part uint64) Query { return Query{HasMSN: true, MSN: msn, HasPart: true, Part: part} }
	for _, c := range []struct {
		name string
		tl   *Timeline
		q    Query
		want Decision
	}{
		{"no directive", live, Query{}, Ready},
		{"a segment that is there", live, segment(108), Ready},
		{"a segment long gone", live, segment(3), Ready},
		{"the growing segment as a whole", live, segment(109), Wait},
		{"two beyond the last", live, segment(110), Wait},
		{"three beyond the last", live, segment(111), Reject},
		{"a part that is there", live, part(109, 2), Ready},
		{"the next part", live, part(109, 3), Wait},
		{"within the advance limit", live, part(109, 11), Wait},
		{"beyond the advance limit", live, part(109, 12), Reject},
		{"the next segment's first part", live, part(110, 0), Wait},
		{"a part too far in the next segment", live, part(110, 9), Reject},
		{"beyond the end of a complete segment is the next one's first, which is there", live, part(108, 6), Ready},
		{"a part of an old segment", live, part(90, 77), Ready},
		{"the part after an ended stream", ended, part(109, 3), Ready},
		{"anything after an ended stream", ended, segment(10_000), Ready},
		{"nothing there yet", empty, Query{}, Wait},
		{"nothing there yet, blocking", empty, part(5, 5), Wait},
	} {
		if got := c.tl.Decide(c.q); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestPartBeyondTheEndWaitsForTheNextSegmentOnly(t *testing.T) {
	f := newFeeder(t, 100)
	f.segments(3)
	q := Query{HasMSN: true, MSN: 102, HasPart: true, Part: 6}
	if got := f.timeline().Decide(q); got != Wait {
		t.Fatalf("before the next segment: %d", got)
	}
	f.part(0, 0)
	if got := f.timeline().Decide(q); got != Ready {
		t.Fatalf("with the next segment's first part: %d", got)
	}
}

func TestRequestsAcrossAJumpAreAnswered(t *testing.T) {
	f := newFeeder(t, 100)
	f.segments(3)
	f.msn, f.disc = 9000, 1
	f.segment(media.FlagDiscontinuity)
	if got := f.timeline().Decide(Query{HasMSN: true, MSN: 103, HasPart: true}); got != Ready {
		t.Fatalf("%d", got)
	}
}

func TestQueries(t *testing.T) {
	for raw, want := range map[string]Query{
		"":                                    {},
		"token=x&_HLS_other=1":                {},
		"_HLS_msn=12":                         {HasMSN: true, MSN: 12},
		"_HLS_msn=12&_HLS_part=0":             {HasMSN: true, MSN: 12, HasPart: true},
		"_HLS_part=3&_HLS_msn=0&_HLS_skip=v2": {HasMSN: true, HasPart: true, Part: 3, Skip: true},
		"_HLS_skip=YES":                       {Skip: true},
	} {
		if got, err := ParseQuery(raw); err != nil || got != want {
			t.Errorf("%q: %+v, %v", raw, got, err)
		}
	}
	for _, raw := range []string{
		"_HLS_part=1", "_HLS_msn=", "_HLS_msn=-1", "_HLS_msn=+1", "_HLS_msn=01", "_HLS_msn=1.5", "_HLS_msn=a", "_HLS_msn=1&_HLS_msn=2", "_HLS_msn=%201",
		"_HLS_msn=99999999999999999999", "_HLS_msn=4611686018427387904", "_HLS_msn=1&_HLS_part=", "_HLS_msn=1&_HLS_part=x", "_HLS_skip=NO", "_HLS_skip=yes",
		"_HLS_skip=", "_HLS_msn=1;_HLS_part=2", "_HLS_msn=%zz",
	} {
		if q, err := ParseQuery(raw); err == nil {
			t.Errorf("%q is accepted as %+v", raw, q)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, p := range []Path{
		{Stream: "live/demo", Resource: Multivariant},
		{Stream: "live/demo", Resource: Catalog},
		{Stream: "live/demo", Resource: Playlist, Track: "v720"},
		{Stream: "live/demo", Resource: Init, Track: "v720", Init: 3},
		{Stream: "live/demo", Resource: Segment, Track: "a128", Part: media.PartID{MSN: 895_000_000}},
		{Stream: "live/demo", Resource: Part, Track: "a128", Part: media.PartID{MSN: 895_000_000, Index: 11}},
		{Stream: "live/demo", Resource: Part, Track: "index.m3u8"},
	} {
		got, err := ParsePath(p.String())
		if err != nil || got != p {
			t.Errorf("%s: %+v, %v", p, got, err)
		}
	}
	for _, s := range []string{
		"", "/", "/live", "/live/demo", "/live/demo/", "/live/demo/x", "/live/demo/v720/", "/live/demo/v720/x.m4s", "/live/demo/v720/1.2.3.m4s", "/live/demo/v720/.m4s",
		"/live/demo/v720/01.m4s", "/live/demo/v720/1.00.m4s", "/live/demo/v720/+1.m4s", "/live/demo/v720/-1.m4s", "/live/demo/v720/1.m4s/", "/live/demo/v720/init-.mp4",
		"/live/demo/v720/init-x.mp4", "/live/demo/../x/index.m3u8", "/live/demo/%2e%2e/index.m3u8", "//live/demo/index.m3u8", "/watch/demo/index.m3u8",
		"/live/demo/v720/9223372036854775808.m4s", "/live/demo/v 1/index.m3u8", "/live/demo/v720/1..m4s", "/live/demo/v720/index.m3u8/x",
	} {
		if p, err := ParsePath(s); err == nil {
			t.Errorf("%q is accepted as %+v", s, p)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/live/demo/index.m3u8", "/live/demo/v720/init-3.mp4", "/live/demo/v720/12.m4s", "/live/demo/v720/12.3.m4s", "/a/b/c/index.m3u8", "/a/b/catalog.json", "/../a/b/0.0.m4s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		again, err := ParsePath(p.String())
		if err != nil || again != p {
			t.Fatalf("%q gives %+v, whose address %q gives %+v, %v", s, p, p.String(), again, err)
		}
		if canonical := p.String(); s != canonical && "/"+s != canonical {
			t.Fatalf("%q and %q are two addresses of one resource", s, canonical)
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"_HLS_msn=1&_HLS_part=2&_HLS_skip=YES", "_HLS_skip=v2", "_HLS_msn=%31", "_HLS_part=1", "a=b;c", "_HLS_msn=1&_HLS_msn=1"} {
		f.Add(s)
	}
	feed := newFeeder(&testing.T{}, 100)
	feed.segments(3)
	feed.part(0, 0)
	tl := feed.timeline()
	f.Fuzz(func(t *testing.T, s string) {
		q, err := ParseQuery(s)
		if err != nil {
			return
		}
		if q.HasPart && !q.HasMSN {
			t.Fatalf("%q: part without segment", s)
		}
		if d := tl.Decide(q); d == Ready && q.HasMSN && q.MSN > 103 {
			t.Fatalf("%q: ready before it is there", s)
		}
	})
}
