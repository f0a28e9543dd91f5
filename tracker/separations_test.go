package tracker

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starling/internal/trackerwire"
)

func TestSeparationTimes(t *testing.T) {
	for _, c := range []struct {
		base    time.Duration
		times   int
		atLeast int
		want    time.Duration
	}{
		{separationBase(trackerwire.LostSlow), 0, 0, 30 * time.Second},
		{separationBase(trackerwire.LostTimeout), 0, 0, 30 * time.Second},
		{separationBase(trackerwire.LostClosed), 0, 0, 30 * time.Second},
		{separationBase("of-a-later-version"), 0, 0, 30 * time.Second},
		{separationBase(trackerwire.LostConnectFailed), 0, 0, time.Minute},
		{30 * time.Second, 1, 0, time.Minute},
		{30 * time.Second, 6, 0, 32 * time.Minute},
		{30 * time.Second, 7, 0, time.Hour},
		{time.Minute, 5, 0, 32 * time.Minute},
		{time.Minute, 6, 0, time.Hour},
		{time.Minute, 1000, 0, time.Hour},
		{time.Minute, 0, 3, 8 * time.Minute},
		{time.Minute, 3, 2, 8 * time.Minute},
	} {
		s, now := newSeparations(), time.Unix(0, 0)
		for range c.times {
			s.part("a", "b", c.base, 0, now)
		}
		s.part("b", "a", c.base, c.atLeast, now)
		if _, _, ok := s.next(now.Add(c.want - 1)); ok {
			t.Errorf("%+v: too early", c)
		}
		if a, b, ok := s.next(now.Add(c.want)); !ok || len(a+b) != 2 || a == b {
			t.Errorf("%+v: %s and %s, %v", c, a, b, ok)
		}
	}
}

// A pair that gets on for an hour starts anew.
func TestSeparationsAreForgiven(t *testing.T) {
	s, now := newSeparations(), time.Unix(0, 0)
	s.part("a", "b", time.Minute, 0, now)
	now = now.Add(time.Minute)
	if _, _, ok := s.next(now); !ok {
		t.Fatal("not over")
	}
	now = now.Add(forgiveTime - 1)
	s.part("a", "b", time.Minute, 0, now)
	now = now.Add(2*time.Minute - 1)
	if _, _, ok := s.next(now); ok {
		t.Fatal("not doubled")
	}
	now = now.Add(1)
	if _, _, ok := s.next(now); !ok {
		t.Fatal("not over")
	}
	now = now.Add(forgiveTime)
	if _, _, ok := s.next(now); ok || len(s.queue) != 0 || len(s.of) != 0 {
		t.Fatalf("not forgotten: %+v", s)
	}
}

func TestSeparationsAreBounded(t *testing.T) {
	s, now := newSeparations(), time.Unix(0, 0)
	for i := range separationsKept {
		if x := s.part("a", fmt.Sprint(i), time.Minute, 0, now.Add(time.Duration(i))); x != nil {
			t.Fatalf("%d: dropped %+v", i, x)
		}
	}
	if x := s.part("a", "5", time.Minute, 0, now.Add(time.Second)); x != nil {
		t.Fatalf("a known pair made another go: %+v", x)
	}
	x := s.part("a", "b", time.Minute, 0, now.Add(time.Second))
	if x == nil || x.b != "0" || !x.apart || len(s.queue) != separationsKept {
		t.Fatalf("dropped %+v, %d left", x, len(s.queue))
	}
	s.leave("a")
	for {
		if _, _, ok := s.next(now.Add(2 * time.Hour)); !ok {
			break
		}
	}
	if len(s.queue) != 0 || len(s.of) != 0 {
		t.Fatalf("%d pairs and %d viewers left of one that has gone", len(s.queue), len(s.of))
	}
}

// pairModel is what separations should know of one pair.
type pairModel struct {
	times int
	apart bool
	due   time.Time
}

// Whatever happens, separations end at their time, once, and nothing is left of
// two viewers that have gone.
func TestSeparationsFollowTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, now := newSeparations(), time.Unix(0, 0)
		model := map[[2]string]*pairModel{}
		gone := map[string]bool{}
		generation := 0
		name := func(i int) string { return fmt.Sprintf("%d.%d", i, generation) }
		key := func(a, b string) [2]string { return [2]string{min(a, b), max(a, b)} }
		drawn := func(t *rapid.T) string { return name(rapid.IntRange(0, 4).Draw(t, "viewer")) }
		t.Repeat(map[string]func(*rapid.T){
			"part": func(t *rapid.T) {
				a, b := drawn(t), drawn(t)
				if a == b || gone[a] || gone[b] {
					t.Skip("not two viewers")
				}
				base := rapid.SampledFrom([]time.Duration{separationTime, unreachableTime}).Draw(t, "base")
				atLeast := rapid.IntRange(0, 8).Draw(t, "at least")
				m := model[key(a, b)]
				if m == nil {
					m = &pairModel{times: -1}
					model[key(a, b)] = m
				}
				m.times++
				m.apart, m.due = true, now.Add(min(maxSeparation, base<<min(max(m.times, atLeast), 20)))
				if x := s.part(a, b, base, atLeast, now); x != nil {
					t.Fatalf("dropped %+v", x)
				}
			},
			"leave": func(t *rapid.T) {
				a := drawn(t)
				gone[a] = true
				s.leave(a)
				for k, m := range model {
					if (k[0] == a || k[1] == a) && (!m.apart || gone[k[0]] && gone[k[1]]) {
						delete(model, k)
					}
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "seconds")) * time.Second)
				ended := map[[2]string]bool{}
				for {
					a, b, ok := s.next(now)
					if !ok {
						break
					}
					if m := model[key(a, b)]; m == nil || !m.apart || m.due.After(now) || ended[key(a, b)] {
						t.Fatalf("%s and %s at %s: %+v", a, b, now, m)
					}
					ended[key(a, b)] = true
				}
				for k, m := range model {
					switch {
					case m.due.After(now):
					case !m.apart:
						delete(model, k)
					case !ended[k]:
						t.Fatalf("%v did not end at %s", k, m.due)
					case gone[k[0]] || gone[k[1]]:
						delete(model, k)
					default:
						m.apart, m.due = false, now.Add(forgiveTime)
					}
				}
			},
			"new viewers": func(t *rapid.T) {
				for i := range 5 {
					if !gone[name(i)] {
						t.Skip("some are there")
					}
				}
				generation++
			},
			"": func(t *rapid.T) {
				links := 0
				for _, m := range s.of {
					links += len(m)
				}
				want := 0
				for k := range model {
					want += 2
					if gone[k[0]] || gone[k[1]] {
						want--
					}
				}
				if len(s.queue) != len(model) || links != want {
					t.Fatalf("%d pairs with %d links, want %d with %d", len(s.queue), links, len(model), want)
				}
				for i, x := range s.queue {
					m := model[key(x.a, x.b)]
					if m == nil || x.index != i || x.apart != m.apart || x.times != m.times || !x.due.Equal(m.due) {
						t.Fatalf("%+v, want %+v", x, m)
					}
				}
			},
		})
	})
}
