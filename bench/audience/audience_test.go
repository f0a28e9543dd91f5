package audience

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"starling/bench/profile"
	"starling/internal/media"
	"starling/internal/peer"
)

func reference(t *testing.T) profile.Profile {
	t.Helper()
	p, err := profile.Named("reference")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{N: 3, Rungs: []string{"v"}}
	for what, spoil := range map[string]func(*Options){
		"viewers":   func(o *Options) { o.N = 0 },
		"track":     func(o *Options) { o.Rungs = nil },
		"misbehave": func(o *Options) { o.Bad = 0.95 },
		"behave":    func(o *Options) { o.Bad = 0.1 },
	} {
		o := good
		spoil(&o)
		if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPlanMeasuresAfterTheLastHasCome(t *testing.T) {
	o, err := Options{N: 40, Rungs: []string{"v"}, Profile: reference(t), Warmup: 5 * time.Second, Duration: 3 * time.Minute}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	p := o.plan()
	if last := p.viewers[o.N-1].Join; p.from < last+o.Warmup || p.from > last+o.Warmup+time.Second || p.to != p.from+o.Duration {
		t.Errorf("measures from %v to %v, the last comes at %v", p.from, p.to, last)
	}
	if len(p.viewers) <= o.N {
		t.Error("nobody is replaced in three minutes")
	}
	first := o.Profile.Audience(o.N, 0, o.Seed)
	for i := range first {
		if p.viewers[i].Join != first[i].Join || p.viewers[i].Uplink != first[i].Uplink {
			t.Fatalf("viewer %d differs with the length of the run", i)
		}
	}
}

func TestWhoMisbehavesMayUploadAndDependsOnTheSeed(t *testing.T) {
	chosen := func(seed uint64) map[int]bool {
		o, err := Options{N: 50, Rungs: []string{"v"}, Profile: reference(t), Bad: 0.1, Behaviour: peer.Alter, Seed: seed}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		r := &run{o: &o, plan: o.plan()}
		bad := r.chooseBad()
		for i := range bad {
			if !r.plan.viewers[i].MayUpload {
				t.Errorf("viewer %d may not upload", i)
			}
		}
		return bad
	}
	a, b, c := chosen(1), chosen(1), chosen(2)
	if len(a) != 5 || len(c) != 5 {
		t.Fatalf("%d and %d of 50, want 5", len(a), len(c))
	}
	same := 0
	for i := range a {
		if !b[i] {
			t.Error("the same seed chooses others")
		}
		if c[i] {
			same++
		}
	}
	if same == 5 {
		t.Error("another seed chooses the same")
	}
}

func TestUplinkSettings(t *testing.T) {
	free, leaf := &profile.Viewer{Uplink: 10e6, MayUpload: true}, &profile.Viewer{Uplink: 10e6}
	for _, c := range []struct {
		o           Options
		v           *profile.Viewer
		most, start int
	}{
		{Options{Headroom: 0.8}, leaf, -1, 0},
		{Options{Headroom: 0.8}, free, measuredLimit, 0},
		{Options{Headroom: 0.8, Known: true}, free, 8e6, 8e6},
		{Options{Headroom: 0.8, Known: true}, leaf, -1, 0},
	} {
		var cfg peer.Config
		c.o.uplink(&cfg, c.v)
		if cfg.Uplink != c.most || cfg.UplinkStart != c.start {
			t.Errorf("known %v, may upload %v: limit %d, start %d", c.o.Known, c.v.MayUpload, cfg.Uplink, cfg.UplinkStart)
		}
	}
}

func TestBound(t *testing.T) {
	r := &run{o: &Options{Audio: "a", Bitrate: map[string]int{"v": 900, "w": 400, "a": 100}}}
	who := func(rung string, up int64) *viewer {
		return &viewer{rung: rung, who: profile.Viewer{Uplink: up, MayUpload: up > 0}}
	}
	check := func(what string, want float64, here ...*viewer) {
		t.Helper()
		if got := r.bound(here, 1); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("nobody", 0)
	check("one copy of four", 0.75, who("v", 1e6), who("v", 0), who("v", 0), who("v", 0))
	check("little uplink", 0.5, who("v", 2000), who("v", 0), who("v", 0), who("v", 0))
	check("two rungs", 1-1400.0/3000, who("v", 1e6), who("v", 0), who("w", 0), who("w", 0))
	if got := r.bound([]*viewer{who("v", 2000), who("v", 0), who("v", 0), who("v", 0)}, 0.5); got != 0.25 {
		t.Errorf("half of little uplink: %v, want 0.25", got)
	}
	bad := who("v", 1e6)
	bad.bad = true
	check("a bad one has a copy of its own", 0.5, who("v", 1e6), who("v", 0), who("v", 0), bad)
}

// A chunk was due 50 ms after the loss, one of the lost parent was still on its
// way and put that off by 20 ms; the child turned away after another 100 ms and
// got a chunk 60 ms later.
func TestLossRunsFromTheNextChunkDueToTheFirstFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := losses{watched: map[*viewer][]*loss{}}
		began := time.Now()
		child, key, never := &viewer{}, sliceKey{"v", 1}, sliceKey{"v", 2}
		ms := time.Millisecond
		l.chunk(child, key, "other", began) // nobody watches yet
		time.Sleep(time.Second)
		at := time.Now()
		l.lost(child, "gone", map[sliceKey]usual{key: {due: at.Add(50 * ms)}, never: {due: at}}, 4, true)
		time.Sleep(10 * ms)
		l.chunk(child, key, "gone", at.Add(70*ms))
		l.moved(child, key, "gone")
		time.Sleep(160 * ms)
		l.moved(child, key, "other")
		l.moved(child, never, "other")
		time.Sleep(60 * ms)
		l.chunk(child, key, "other", at.Add(time.Second))
		time.Sleep(watchLoss)
		l.tend(time.Now(), func(*viewer) uint64 { return 5 })
		s := l.summary(true, began, time.Now())
		if len(s.gaps) != 2 || s.gaps[0]+s.gaps[1] != 160+float64(watchLoss.Milliseconds()) || s.never != 1 || s.stalled != 1 {
			t.Errorf("%+v", s)
		}
		if len(s.found) != 1 || s.found[0] != 100 || len(s.filled) != 1 || s.filled[0] != 60 {
			t.Errorf("found %v, filled %v", s.found, s.filled)
		}
		if p := l.summary(false, began, time.Now()); len(p.gaps) != 0 {
			t.Errorf("announced: %+v", p)
		}
		if len(l.watched) != 0 {
			t.Error("still watched")
		}
	})
}

// The first two parts after the loss come 90 ms later than usual and 40 ms; one
// that was due before it, and one long after it, do not count.
func TestWorstDelayBeyondUsual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := losses{watched: map[*viewer][]*loss{}}
		child, key := &viewer{}, sliceKey{"v", 1}
		ms := time.Millisecond
		at := time.Now()
		l.lost(child, "gone", map[sliceKey]usual{key: {first: 300 * ms, other: 100 * ms}}, 0, true)
		l.arrived(child, key, partID{1, 2}, at.Add(-200*ms), 900*ms)
		l.arrived(child, sliceKey{"v", 3}, partID{1, 2}, at, 900*ms)
		l.arrived(child, key, partID{1, 3}, at.Add(50*ms), 190*ms)
		l.arrived(child, key, partID{2, 0}, at.Add(400*ms), 340*ms)
		l.arrived(child, key, partID{2, 5}, at.Add(3*time.Second), 900*ms)
		time.Sleep(watchLoss)
		l.tend(time.Now(), func(*viewer) uint64 { return 0 })
		if s := l.summary(true, at, time.Now()); len(s.delays) != 1 || s.delays[0] != 90 || s.stalled != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Parts of 333 ms whose two chunks come 100 and 140 ms after their end: in the
// midst of one its second chunk is due, else the first of the next.
func TestDueIsWhatUsuallyComesNext(t *testing.T) {
	s := &source{counts: map[partID]int{}}
	began := time.Unix(0, 0)
	ms := time.Millisecond
	var end time.Time
	for i := range 5 {
		id := partID{0, uint64(i)}
		end = began.Add(time.Duration(i) * 333 * ms)
		s.follow(id, end, end.Add(100*ms))
		s.counts[id] = 1
		if got := s.due().Sub(end); i > 0 && got != 140*ms {
			t.Errorf("second chunk of part %d due after %v, want 140 ms", i, got)
		}
		s.follow(id, end, end.Add(140*ms))
		delete(s.counts, id)
	}
	if got := s.due().Sub(end); got != 433*ms {
		t.Errorf("next part due after %v, want 433 ms", got)
	}
}

func TestDependsOnKnowsTheUsualDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &viewer{run: &run{o: &Options{}, losses: losses{watched: map[*viewer][]*loss{}}}, sources: map[sliceKey]*source{}}
		for i := range 12 {
			end := time.Now()
			wait := 100 * time.Millisecond
			if i%6 == 0 {
				wait = 250 * time.Millisecond
			}
			time.Sleep(wait)
			for index := 2; index < 4; index++ { // slice 1 of 3 of six chunks
				v.chunk(peer.ChunkReport{Track: "v", ID: media.PartID{MSN: uint64(i / 6), Index: uint64(i % 6)}, End: end, Index: index, Count: 6, Slice: 1, Slices: 3, From: "p"})
			}
		}
		got := v.dependsOn("p", time.Now().Add(-time.Second))
		if len(got) != 1 || got[sliceKey{"v", 1}].first != 250*time.Millisecond || got[sliceKey{"v", 1}].other != 100*time.Millisecond {
			t.Errorf("%v", got)
		}
		if got := v.dependsOn("q", time.Time{}); got != nil {
			t.Errorf("another peer: %v", got)
		}
		time.Sleep(2 * time.Second)
		if got := v.dependsOn("p", time.Now().Add(-time.Second)); got != nil {
			t.Errorf("long ago: %v", got)
		}
	})
}

// closedWorld lets nobody in.
type closedWorld struct{}

func (closedWorld) Enter(*profile.Viewer) (Line, error)       { return nil, errors.New("closed") }
func (closedWorld) EdgeBytes() uint64                         { return 0 }
func (closedWorld) Banned() int                               { return 0 }
func (closedWorld) Genuine(string, media.PartID, []byte) bool { return true }

func TestAViewerThatFailsEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := Run(context.Background(), Options{World: closedWorld{}, N: 3, Rungs: []string{"v"}, Profile: reference(t)})
		if err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%v", err)
		}
	})
}

func TestMisbehavioursAreNamed(t *testing.T) {
	names := Misbehaviours()
	if len(names) < 2 || names[0] != "alter" {
		t.Fatalf("%q", names)
	}
	for _, n := range names {
		if b, err := Misbehaviour(n); err != nil || b == peer.Honest {
			t.Errorf("%s: %v, %v", n, b, err)
		}
	}
	for _, n := range []string{"honest", "nice", ""} {
		if _, err := Misbehaviour(n); err == nil {
			t.Errorf("%q was taken", n)
		}
	}
}
