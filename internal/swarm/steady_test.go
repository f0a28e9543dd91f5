package swarm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func rooted(s *Swarm, tree int) string {
	t := s.cells[0].trees[tree]
	return s.cells[0].nodes[t.roots[0]].id
}

// Whoever comes first is root at once, gives way to a stronger viewer only when
// that has stayed for a while, and nobody but the two has to switch.
func TestRootsBecomeStrongAndStable(t *testing.T) {
	s := New(Config{})
	s.SetCatalog([]Track{{"v", 1, 500_000}})
	s.Tick(1_000)
	join := func(id string, uplink int64) {
		t.Helper()
		if _, err := s.Join(Viewer{ID: id, Uplink: uplink, Tracks: []string{"v"}}); err != nil {
			t.Fatal(err)
		}
		mustHold(t, s)
	}
	join("first", 2_000_000)
	if rooted(s, 0) != "first" {
		t.Fatal("the first viewer is not root at once")
	}
	for i := range 6 {
		join(fmt.Sprint("weak", i), 1_500_000)
	}
	join("strong", 20_000_000)
	if rooted(s, 0) != "first" {
		t.Fatal("a newcomer became root")
	}
	for now := int64(2_000); now <= 10_000; now += 1_000 {
		s.Tick(now)
		mustHold(t, s)
	}
	if rooted(s, 0) != "first" {
		t.Fatal("a viewer of 9 s became root")
	}
	parents := func() map[string]string {
		out := map[string]string{}
		for id := range s.where {
			a, _ := s.Assignment(id)
			out[id] = a.Tracks[0].Slices[0].Parent
		}
		return out
	}
	before := parents()
	s.Tick(13_000)
	mustHold(t, s)
	if rooted(s, 0) != "strong" {
		t.Fatalf("root is %s", rooted(s, 0))
	}
	moved := 0
	for id, p := range parents() {
		if before[id] != p {
			moved++
		}
	}
	if moved > 2+improveMoves {
		t.Errorf("%d viewers have another parent", moved)
	}
	for now := int64(14_000); now < 60_000; now += 1_000 {
		s.Tick(now)
	}
	if rooted(s, 0) != "strong" {
		t.Error("roots go round")
	}
}

// A root that cannot feed anybody gives way at once, also to a newcomer.
func TestUselessRootGivesWayAtOnce(t *testing.T) {
	s := New(Config{})
	s.SetCatalog(demo)
	s.Tick(1)
	if _, err := s.Join(Viewer{ID: "leaf", Tracks: both}); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1, even)
	mustHold(t, s)
	for i := range s.cells[0].trees {
		if rooted(s, i) != even(0).ID {
			t.Errorf("tree %d: root %s", i, rooted(s, i))
		}
	}
}

// copies is how many copies of all tracks the edge sends.
func copies(s *Swarm) float64 {
	var out, all float64
	for _, c := range s.cells {
		for i, t := range c.trees {
			if c == s.cells[0] {
				all += float64(s.cells[0].trees[i].rate)
			}
			for v := range t.parent {
				if t.parent[v] == edge {
					out += float64(t.rate)
				}
			}
		}
	}
	return out / all
}

// Two, three and five viewers are as good as the bound 1 − 1/N whenever their
// uplinks carry it, in whatever order they come, and after each left and came
// back.
func TestSmallSwarmsReachTheBound(t *testing.T) {
	kinds := map[string]func(int) int64{
		"all 5":            func(int) int64 { return 5_000_000 },
		"one 20, others 4": func(i int) int64 { return []int64{20_000_000, 4_000_000}[min(i, 1)] },
		"first none":       func(i int) int64 { return []int64{0, 20_000_000}[min(i, 1)] },
		"last none":        func(i int) int64 { return []int64{8_000_000, 8_000_000, 8_000_000, 0, 0}[i] },
	}
	for name, uplink := range kinds {
		for _, n := range []int{2, 3, 5} {
			for seed := range 8 {
				r := rand.New(rand.NewPCG(uint64(seed), 3))
				s := New(Config{})
				s.SetCatalog(demo)
				order := r.Perm(n)
				join := func(i int) {
					if _, err := s.Join(Viewer{ID: fmt.Sprint("p", i), Uplink: uplink(i), Tracks: both}); err != nil {
						t.Fatal(err)
					}
				}
				for _, i := range order {
					join(i)
				}
				for k := range 2 {
					if got := copies(s); got != 1 {
						t.Errorf("%s, %d viewers, order %v, round %d: %.2f copies", name, n, order, k, got)
					}
					for _, i := range r.Perm(n) {
						s.Leave(fmt.Sprint("p", i))
						join(i)
						mustHold(t, s)
					}
				}
			}
		}
	}
}

// Nearly every slice that comes from a viewer has another viewer, connected
// already, as backup.
func TestBackupsAreWarm(t *testing.T) {
	for _, catalog := range [][]Track{demo, {{"v480", 4, 2_000_000}, {"a128", 1, 128_000}}} {
		for _, n := range []int{30, 100, 300} {
			s := New(Config{})
			s.SetCatalog(catalog)
			fill(t, s, n, reference)
			for i := range n {
				s.Leave(reference(i).ID)
				if _, err := s.Join(reference(n + i)); err != nil {
					t.Fatal(err)
				}
			}
			if m := measure(s); m.backups < 0.9 {
				t.Errorf("%d viewers at %d bit/s: %.3f of the slices have a backup", n, catalog[0].Bitrate, m.backups)
			}
		}
	}
}

// A cell of 1,000 with 15 % of the viewers replaced a minute, for five minutes:
// few assignments change, trees stay shallow, one copy leaves the edge.
func TestChurnedCellIsCalm(t *testing.T) {
	s := New(Config{})
	s.SetCatalog(demo)
	const n = 1000
	fill(t, s, n, reference)
	ids := make([]string, n)
	for i := range ids {
		ids[i] = reference(i).ID
	}
	r := rand.New(rand.NewPCG(5, 6))
	events, ticks, changed, slow := 0, 0, 0, 0
	worst, deepest := 0, int32(0)
	for now := int64(0); now < 300_000; now += 1_000 {
		for range 2 + (now/1000)%2 {
			at := r.IntN(n)
			left := s.Leave(ids[at])
			v := reference(n + events)
			joined, err := s.Join(v)
			if err != nil {
				t.Fatal(err)
			}
			ids[at] = v.ID
			events += 2
			changed += len(left) + len(joined)
			worst = max(worst, len(left), len(joined))
		}
		moved := len(s.Tick(now))
		ticks, slow = ticks+1, slow+moved
		if now > 60_000 && now%10_000 == 0 {
			m := measure(s)
			deepest = max(deepest, m.depth)
			if m.maxRoots > 1 {
				t.Errorf("at %d ms %d roots", now, m.maxRoots)
			}
		}
	}
	mustHold(t, s)
	t.Logf("%.1f changes an event (worst %d), %.1f a tick, depth up to %d, at the end %+v", float64(changed)/float64(events), worst, float64(slow)/float64(ticks), deepest, measure(s))
	if float64(changed) > 20*float64(events) || float64(slow) > 30*float64(ticks) || deepest > 11 {
		t.Errorf("%d changes in %d events, %d in %d ticks, depth %d", changed, events, slow, ticks, deepest)
	}
}

// Pairs that cannot connect are tried, lost and replaced. With a tenth, and with
// a third of all pairs, hardly anybody is left to the edge, and few tries are
// needed.
func TestUnreachablePairs(t *testing.T) {
	for _, c := range []struct {
		share       float64
		copies, per float64 // at most: copies from the edge, tries in vain a viewer
	}{{0.1, 1.1, 2}, {0.35, 2, 4}} {
		s := New(Config{})
		s.SetCatalog(demo)
		const n = 200
		works := func(a, b string) bool {
			lo, hi := min(a, b), max(a, b)
			return rand.New(rand.NewPCG(nameHash(lo), nameHash(hi))).Float64() >= c.share
		}
		tell := func(id string) { // its beacon
			a, _ := s.Assignment(id)
			s.SetConnected(id, len(slices.DeleteFunc(a.Peers, func(p string) bool { return !works(id, p) })))
		}
		vain := 0
		settle := func() {
			for again := true; again; {
				again = false
				for i := range n {
					id := reference(i).ID
					a, ok := s.Assignment(id)
					if !ok {
						continue
					}
					for _, p := range a.Peers {
						if !works(id, p) {
							tell(id)
							tell(p)
							s.Lost(id, p)
							vain++
							again = true
							break
						}
					}
				}
			}
		}
		for i := range n { // ten come in a second
			if _, err := s.Join(reference(i)); err != nil {
				t.Fatal(err)
			}
			s.Tick(int64(i) * 100)
			settle()
		}
		mustHold(t, s)
		solo := 0
		for i := range n {
			if s.Solo(reference(i).ID) {
				solo++
			}
		}
		m := measure(s)
		t.Logf("%.0f %% unreachable: %.2f copies, %d left to the edge, %.1f tries in vain a viewer, %+v", 100*c.share, copies(s), solo, float64(vain)/n, m)
		if copies(s) > c.copies || float64(vain) > c.per*n {
			t.Errorf("%.0f %% unreachable: %.2f copies, %.1f tries in vain a viewer", 100*c.share, copies(s), float64(vain)/n)
		}
	}
}

// Where half of all uplinks is less than what all need, reserves carry the rest
// before the edge does, and are given back when there is capacity again.
func TestReservesGoBeforeTheEdge(t *testing.T) {
	s := New(Config{})
	s.SetCatalog([]Track{{"v480", 4, 2_000_000}, {"a128", 1, 128_000}})
	const n = 200
	half := func(i int) Viewer { // half of the reference network's viewers may not upload
		v := reference(i)
		if rand.New(rand.NewPCG(13, uint64(i))).IntN(2) == 0 {
			v.Uplink = 0
		}
		return v
	}
	fill(t, s, n, half)
	mustHold(t, s)
	var uplinks int64
	for i := range n {
		uplinks += half(i).Uplink
	}
	inReserve := func() int {
		count := 0
		for v, node := range s.cells[0].nodes {
			if node != nil && s.cells[0].spare[v] < 0 {
				count++
			}
		}
		return count
	}
	offload := 1 - copies(s)/n
	t.Logf("uplinks are %.2f of the demand: %.3f from viewers, %d of them in reserve, %+v", float64(uplinks)/(n*2_128_000), offload, inReserve(), measure(s))
	if uplinks > 2*n*2_128_000 || offload < 0.95 || inReserve() == 0 {
		t.Errorf("%.3f from viewers, %d in reserve", offload, inReserve())
	}
	for i := range n {
		if _, err := s.Join(Viewer{ID: fmt.Sprint("strong", i), Uplink: 20_000_000, Tracks: both}); err != nil {
			t.Fatal(err)
		}
	}
	for now := int64(0); now < 400_000; now += 2_000 {
		s.Tick(now)
	}
	mustHold(t, s)
	if left := inReserve(); left > 20 { // of those near the top, whose children would go far down
		t.Errorf("%d are still in reserve with capacity to spare", left)
	}
}
