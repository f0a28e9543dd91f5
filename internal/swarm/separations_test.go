package swarm

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSeparationTimes(t *testing.T) {
	for _, c := range []struct {
		unreachable    bool
		times, atLeast int
		want           time.Duration
	}{
		{false, 0, 0, 30 * time.Second},
		{true, 0, 0, time.Minute},
		{false, 1, 0, time.Minute},
		{false, 6, 0, 32 * time.Minute},
		{false, 7, 0, time.Hour},
		{true, 5, 0, 32 * time.Minute},
		{true, 6, 0, time.Hour},
		{true, 1000, 0, time.Hour},
		{true, 0, 3, 8 * time.Minute},
		{true, 3, 2, 8 * time.Minute},
	} {
		s, now := NewSeparations[string](), time.Duration(0)
		for range c.times {
			s.Part("a", "b", c.unreachable, 0, now)
		}
		s.Part("b", "a", c.unreachable, c.atLeast, now)
		if _, _, ok := s.Next(now + c.want - 1); ok {
			t.Errorf("%+v: too early", c)
		}
		if a, b, ok := s.Next(now + c.want); !ok || len(a+b) != 2 || a == b {
			t.Errorf("%+v: %s and %s, %v", c, a, b, ok)
		}
	}
}

// A pair that gets on for an hour starts anew.
func TestSeparationsAreForgiven(t *testing.T) {
	s, now := NewSeparations[string](), time.Duration(0)
	s.Part("a", "b", true, 0, now)
	now += time.Minute
	if _, _, ok := s.Next(now); !ok {
		t.Fatal("not over")
	}
	now += ForgiveTime - 1
	s.Part("a", "b", true, 0, now)
	now += 2*time.Minute - 1
	if _, _, ok := s.Next(now); ok {
		t.Fatal("not doubled")
	}
	now++
	if _, _, ok := s.Next(now); !ok {
		t.Fatal("not over")
	}
	now += ForgiveTime
	if _, _, ok := s.Next(now); ok || len(s.queue) != 0 || len(s.of) != 0 {
		t.Fatalf("not forgotten: %+v", s)
	}
}

func TestSeparationsAreBounded(t *testing.T) {
	s, now := NewSeparations[string](), time.Duration(0)
	for i := range SeparationsKept {
		if _, x, ok := s.Part("a", fmt.Sprint(i), true, 0, now+time.Duration(i)); ok {
			t.Fatalf("%d: dropped %s", i, x)
		}
	}
	if _, x, ok := s.Part("a", "5", true, 0, now+time.Second); ok {
		t.Fatalf("a known pair made another go: %s", x)
	}
	if _, x, ok := s.Part("a", "b", true, 0, now+time.Second); !ok || x != "0" || s.Len() != SeparationsKept {
		t.Fatalf("dropped %s (%v), %d left", x, ok, s.Len())
	}
	s.Leave("a")
	for {
		if _, _, ok := s.Next(now + 2*time.Hour); !ok {
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
	due   time.Duration
}

// Whatever happens, separations end at their time, once, and nothing is left of
// two viewers that have gone.
func TestSeparationsFollowTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, now := NewSeparations[string](), time.Duration(0)
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
				unreachable := rapid.Bool().Draw(t, "unreachable")
				base := SeparationTime
				if unreachable {
					base = UnreachableTime
				}
				atLeast := rapid.IntRange(0, 8).Draw(t, "at least")
				m := model[key(a, b)]
				if m == nil {
					m = &pairModel{times: -1}
					model[key(a, b)] = m
				}
				m.times++
				m.apart, m.due = true, now+min(MaxSeparation, base<<min(max(m.times, atLeast), 20))
				if c, d, ok := s.Part(a, b, unreachable, atLeast, now); ok {
					t.Fatalf("dropped %s and %s", c, d)
				}
			},
			"leave": func(t *rapid.T) {
				a := drawn(t)
				gone[a] = true
				s.Leave(a)
				for k, m := range model {
					if (k[0] == a || k[1] == a) && (!m.apart || gone[k[0]] && gone[k[1]]) {
						delete(model, k)
					}
				}
			},
			"wait": func(t *rapid.T) {
				now += time.Duration(rapid.IntRange(1, 5000).Draw(t, "seconds")) * time.Second
				ended := map[[2]string]bool{}
				for {
					a, b, ok := s.Next(now)
					if !ok {
						break
					}
					if m := model[key(a, b)]; m == nil || !m.apart || m.due > now || ended[key(a, b)] {
						t.Fatalf("%s and %s at %s: %+v", a, b, now, m)
					}
					ended[key(a, b)] = true
				}
				for k, m := range model {
					switch {
					case m.due > now:
					case !m.apart:
						delete(model, k)
					case !ended[k]:
						t.Fatalf("%v did not end at %s", k, m.due)
					case gone[k[0]] || gone[k[1]]:
						delete(model, k)
					default:
						m.apart, m.due = false, now+ForgiveTime
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
					if m == nil || x.index != i || x.apart != m.apart || x.times != m.times || x.due != m.due {
						t.Fatalf("%+v, want %+v", x, m)
					}
				}
			},
		})
	})
}
