package swarm

import (
	"fmt"
	"slices"
	"testing"
)

// somePair gives two viewers that are paired, or false.
func somePair(s *Swarm) (pair [2]string, ok bool) {
	for _, c := range s.cells {
		for _, n := range c.nodes {
			if n != nil && len(n.links) > 0 {
				return [2]string{n.id, c.nodes[n.links[0].peer].id}, true
			}
		}
	}
	return pair, false
}

// fallApart separates pairs until there are none, and lists them in order.
func fallApart(t *testing.T, s *Swarm) (pairs [][2]string) {
	t.Helper()
	for {
		pair, ok := somePair(s)
		if !ok {
			mustHold(t, s)
			return pairs
		}
		s.Lost(pair[0], pair[1])
		pairs = append(pairs, pair)
	}
}

// A swarm that fell apart is as good as new when its separations have ended, in
// whatever order they end.
func TestReconciledSwarmIsWhole(t *testing.T) {
	orders := map[string]func([][2]string){
		"oldest first": func([][2]string) {},
		"newest first": func(p [][2]string) { slices.Reverse(p) },
		"by viewer": func(p [][2]string) {
			slices.SortFunc(p, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
		},
	}
	for name, order := range orders {
		for _, n := range []int{2, 3, 6, 12, 30, 60} {
			for kind, viewer := range map[string]func(int) Viewer{"even": even, "reference": reference} {
				if kind == "reference" && n < 30 {
					continue // too few for its mean
				}
				t.Run(fmt.Sprintf("%d %s, %s", n, kind, name), func(t *testing.T) {
					s := New(Config{})
					s.SetCatalog(demo)
					fill(t, s, n, viewer)
					whole := measure(s)
					pairs := fallApart(t, s)
					if m := measure(s); m.peers != 0 {
						t.Fatalf("apart: %+v", m)
					}
					order(pairs)
					for _, p := range pairs {
						s.Reconcile(p[0], p[1])
						mustHold(t, s)
					}
					m := measure(s)
					t.Logf("before %+v", whole)
					t.Logf("after  %+v", m)
					if len(apartPairs(s)) != 0 || m.maxRoots > whole.maxRoots || m.depth > whole.depth+2 || m.beyond*20 > n+20 {
						t.Errorf("before %+v, after %+v", whole, m)
					}
					if n <= smallCell*4 && m.maxRootOf > whole.maxRootOf {
						t.Errorf("a viewer is root of %d trees, before it was %d", m.maxRootOf, whole.maxRootOf)
					}
					for i := range n {
						if s.Solo(viewer(i).ID) {
							t.Errorf("viewer %d is still left to the edge", i)
						}
					}
				})
			}
		}
	}
}

// A viewer that was left to the edge comes back with its capacity at the first
// end of a separation that brings it below the bound, and not when somebody
// merely leaves.
func TestSoloViewerComesBack(t *testing.T) {
	s := New(Config{MaxLost: 3})
	s.SetCatalog(demo)
	leaf := func(i int) Viewer { return Viewer{ID: fmt.Sprintf("leaf%d", i), Tracks: both} }
	fill(t, s, 1, even)
	fill(t, s, 4, leaf)
	id := even(0).ID
	for i := range 3 {
		s.Lost(id, leaf(i).ID)
	}
	mustHold(t, s)
	if m := measure(s); !s.Solo(id) || m.peers != 0 {
		t.Fatalf("lost three: %+v", m)
	}
	s.Leave(leaf(0).ID)
	mustHold(t, s)
	if !s.Solo(id) {
		t.Fatal("a departure brought it back")
	}
	changed := s.Reconcile(id, leaf(0).ID)
	mustHold(t, s)
	if s.Solo(id) || !slices.Contains(changed, id) || !s.Neighbours(id, leaf(3).ID) {
		t.Fatalf("after its separation from one that left: solo %v, changed %v", s.Solo(id), changed)
	}
	if s.Neighbours(id, leaf(1).ID) {
		t.Fatal("paired with one from which it is separated")
	}
	s.Reconcile(leaf(1).ID, id)
	mustHold(t, s)
	if !s.Neighbours(id, leaf(1).ID) {
		t.Fatal("not paired after the end of the separation")
	}
	for _, p := range [][2]string{{id, leaf(1).ID}, {id, id}, {id, "nobody"}, {"nobody", "nobody"}} {
		if changed := s.Reconcile(p[0], p[1]); changed != nil {
			t.Errorf("%v were not separated: changed %v", p, changed)
		}
	}
}

// BenchmarkReconcile ends separations in a full cell that needs none of them.
func BenchmarkReconcile(b *testing.B) {
	s := New(Config{})
	s.SetCatalog(demo)
	fill(b, s, 1000, reference)
	for b.Loop() {
		pair, _ := somePair(s)
		s.Lost(pair[0], pair[1])
		s.Reconcile(pair[0], pair[1])
	}
}
