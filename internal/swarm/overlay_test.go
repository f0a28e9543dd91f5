package swarm

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// demo is a stream at 1.5 Mbit/s with audio.
var demo = []Track{{"v480", 3, 1_500_000}, {"a128", 1, 128_000}}

var both = []string{"v480", "a128"}

// reference draws uplinks as the reference network has them: 20 % none, 30 %
// 2, 30 % 5 and 20 % 20 Mbit/s.
func reference(i int) Viewer {
	r := rand.New(rand.NewPCG(7, uint64(i)))
	v := Viewer{ID: fmt.Sprintf("p%d", i), Tracks: both}
	switch x := r.IntN(10); {
	case x < 2:
	case x < 5:
		v.Uplink = 2_000_000
	case x < 8:
		v.Uplink = 5_000_000
	default:
		v.Uplink = 20_000_000
	}
	return v
}

func even(i int) Viewer {
	return Viewer{ID: fmt.Sprintf("p%d", i), Tracks: both, Uplink: 8_000_000}
}

func fill(t testing.TB, s *Swarm, n int, mk func(int) Viewer) {
	t.Helper()
	for i := range n {
		if _, err := s.Join(mk(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// shape sums up a swarm.
type shape struct {
	roots, maxRoots  int // over all trees; the most in one tree
	depth            int32
	peers            float64
	maxPeers, beyond int // beyond: viewers with more than MaxPeers neighbours
	backups          float64
	parents          float64
	interior         float64 // trees in which a viewer that feeds somebody does so
	maxRootOf        int     // trees in which one viewer is root
}

func measure(s *Swarm) shape {
	var m shape
	links, viewers, places, backed, parents, feeding, interior := 0, 0, 0, 0, 0, 0, 0
	for _, c := range s.cells {
		for _, t := range c.trees {
			m.roots += len(t.roots)
			m.maxRoots = max(m.maxRoots, len(t.roots))
			for v := range t.parent {
				if t.has(int32(v)) {
					m.depth = max(m.depth, t.depth[v])
					if t.parent[v] != edge {
						places++
						if t.backup[v] != edge {
							backed++
						}
					}
				}
			}
		}
		for v, n := range c.nodes {
			if n == nil {
				continue
			}
			viewers++
			links += len(n.links)
			m.maxPeers = max(m.maxPeers, len(n.links))
			if len(n.links) > c.cfg.MaxPeers {
				m.beyond++
			}
			parents += c.parents(int32(v))
			m.maxRootOf = max(m.maxRootOf, c.rootCount(int32(v)))
			in := 0
			for _, t := range c.trees {
				if len(t.kids[v]) > 0 {
					in++
				}
			}
			if in > 0 {
				feeding++
				interior += in
			}
		}
	}
	m.peers = float64(links) / float64(viewers)
	m.backups = float64(backed) / float64(max(places, 1))
	m.parents = float64(parents) / float64(viewers)
	m.interior = float64(interior) / float64(max(feeding, 1))
	return m
}

func mustHold(t testing.TB, s *Swarm) {
	t.Helper()
	for _, c := range s.cells {
		if err := checkCell(c); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTwoViewersAreEachOthersParents(t *testing.T) {
	s := New(Config{})
	s.SetCatalog(demo)
	fill(t, s, 2, even)
	mustHold(t, s)
	if m := measure(s); m.roots != 4 || m.maxRoots != 1 || m.maxRootOf != 2 {
		t.Fatalf("%+v", m)
	}
	s.SetCatalog([]Track{{"v480", 2, 1_000_000}})
	mustHold(t, s)
	if m := measure(s); m.roots != 2 || m.maxRootOf != 1 {
		t.Fatalf("without audio: %+v", m)
	}
}

func TestSixViewersTakeOneCopy(t *testing.T) {
	s := New(Config{})
	s.SetCatalog(demo)
	for n := 1; n <= 6; n++ {
		if _, err := s.Join(even(n)); err != nil {
			t.Fatal(err)
		}
		mustHold(t, s)
		m := measure(s)
		if m.roots != 4 || m.maxRoots != 1 {
			t.Fatalf("%d viewers: %+v", n, m)
		}
		if want := (4 + n - 1) / n; m.maxRootOf > want {
			t.Fatalf("%d viewers: one is root of %d trees, want %d", n, m.maxRootOf, want)
		}
		if m.depth > 3 {
			t.Fatalf("%d viewers: depth %d", n, m.depth)
		}
	}
}

// A viewer without uplink that came first gives way to one that can feed it.
func TestLeafRootGivesWay(t *testing.T) {
	s := New(Config{})
	s.SetCatalog(demo)
	leaf := func(i int) Viewer { return Viewer{ID: fmt.Sprintf("leaf%d", i), Tracks: both} }
	fill(t, s, 2, leaf)
	if m := measure(s); m.roots != 8 {
		t.Fatalf("nobody can feed: %+v", m)
	}
	fill(t, s, 1, even)
	mustHold(t, s)
	if m := measure(s); m.maxRoots != 1 || m.depth != 2 {
		t.Fatalf("after a capable viewer: %+v", m)
	}
	s.SetUplink("p0", 0)
	mustHold(t, s)
	if m := measure(s); m.roots != 12 {
		t.Fatalf("after it stopped uploading: %+v", m)
	}
	s.SetUplink("leaf1", 8_000_000)
	mustHold(t, s)
	if m := measure(s); m.maxRoots != 1 {
		t.Fatalf("after another began: %+v", m)
	}
}

// log2 rounded up.
func levels(n, fanOut int) int32 {
	d := int32(0)
	for reach := 1; reach < n; reach *= fanOut {
		d++
	}
	return d
}

func TestShape(t *testing.T) {
	for _, c := range []struct {
		name    string
		viewer  func(int) Viewer
		catalog []Track
		fanOut  int // of the bound of depth: the mean fan-out of those that can feed
	}{
		{"even", even, demo, 3},
		{"reference", reference, demo, 3},
		{"reference at 2 Mbit/s", reference, []Track{{"v480", 4, 2_000_000}, {"a128", 1, 128_000}}, 3},
		{"eight slices", func(i int) Viewer {
			v := even(i)
			v.Uplink = 16_000_000
			return v
		}, []Track{{"v480", 8, 4_000_000}, {"a128", 1, 128_000}}, 3},
	} {
		sizes := []int{10, 30, 100, 300}
		if c.name == "reference" {
			sizes = append(sizes, 1000) // a full cell
		}
		for _, n := range sizes {
			s := New(Config{})
			s.SetCatalog(c.catalog)
			fill(t, s, n, c.viewer)
			mustHold(t, s)
			m := measure(s)
			t.Logf("%s, %d: %+v", c.name, n, m)
			if m.maxRoots > 2 {
				t.Errorf("%s, %d: %d roots in a tree", c.name, n, m.maxRoots)
			}
			if limit := levels(n, c.fanOut) + 3; m.depth > limit {
				t.Errorf("%s, %d: depth %d, at most %d", c.name, n, m.depth, limit)
			}
			if m.beyond*12 > n+24 {
				t.Errorf("%s, %d: %d viewers have more than 10 neighbours", c.name, n, m.beyond)
			}
			// The same after everybody was replaced once.
			for i := range n {
				s.Leave(c.viewer(i).ID)
				if _, err := s.Join(c.viewer(n + i)); err != nil {
					t.Fatal(err)
				}
			}
			mustHold(t, s)
			m = measure(s)
			t.Logf("%s, %d, after churn: %+v", c.name, n, m)
			if limit := levels(n, c.fanOut) + 4; m.depth > limit || m.maxRoots > 2 || m.beyond*12 > n+24 {
				t.Errorf("%s, %d, after churn: %+v", c.name, n, m)
			}
		}
	}
}

func TestEventsChangeFew(t *testing.T) {
	s := New(Config{})
	s.SetCatalog(demo)
	fill(t, s, 500, reference)
	trees := len(s.cells[0].trees)
	r := rand.New(rand.NewPCG(1, 2))
	ids := []string{}
	for i := range 500 {
		ids = append(ids, reference(i).ID)
	}
	worstJoin, worstLeave, sum := 0, 0, 0
	for i := range 500 {
		at := r.IntN(len(ids))
		a, _ := s.Assignment(ids[at])
		changed := len(s.Leave(ids[at]))
		// Its peers, and for every orphan a new parent and one displaced leaf.
		if limit := len(a.Peers) + 4*len(a.Children) + 6*trees; changed > limit {
			t.Errorf("departure of a viewer with %d peers changed %d", len(a.Peers), changed)
		}
		worstLeave = max(worstLeave, changed)
		sum += changed
		v := reference(1000 + i)
		joined, err := s.Join(v)
		if err != nil {
			t.Fatal(err)
		}
		// In each tree a parent, a displaced viewer and its parent, and two moves
		// of three viewers.
		if len(joined) > 1+9*trees {
			t.Errorf("a join changed %d", len(joined))
		}
		worstJoin = max(worstJoin, len(joined))
		sum += len(joined)
		ids[at] = v.ID
	}
	if sum > 20*1000 {
		t.Errorf("%d changes in 1,000 events", sum)
	}
	t.Logf("worst join %d, worst leave %d, mean %.1f", worstJoin, worstLeave, float64(sum)/1000)
}

func TestCells(t *testing.T) {
	s := New(Config{MaxCell: 50})
	s.SetCatalog(demo)
	fill(t, s, 120, even)
	mustHold(t, s)
	if s.Cells() != 3 {
		t.Fatalf("%d cells", s.Cells())
	}
	for i := range 50 {
		s.Leave(even(i).ID)
	}
	mustHold(t, s)
	if s.Cells() != 2 || s.Len() != 70 {
		t.Fatalf("%d cells with %d viewers", s.Cells(), s.Len())
	}
	if s.Neighbours(even(60).ID, even(110).ID) {
		t.Fatal("neighbours across cells")
	}
}

// A viewer that can connect with nobody ends at the edge and stops disturbing.
func TestUnreachableViewerIsLeftToTheEdge(t *testing.T) {
	s := New(Config{})
	s.SetCatalog(demo)
	fill(t, s, 60, even)
	id := even(33).ID
	for range 100 {
		a, _ := s.Assignment(id)
		if len(a.Peers) == 0 {
			break
		}
		s.Lost(id, a.Peers[0])
	}
	mustHold(t, s)
	a, _ := s.Assignment(id)
	if len(a.Peers) != 0 {
		t.Fatalf("still paired with %v", a.Peers)
	}
	for _, tr := range a.Tracks {
		for _, sl := range tr.Slices {
			if sl.Parent != Edge || sl.Backup != Edge {
				t.Fatalf("%+v", a)
			}
		}
	}
	for _, tr := range s.cells[0].trees {
		if len(tr.roots) != 1 {
			t.Fatalf("%d roots beside it", len(tr.roots))
		}
	}
}

// BenchmarkJoin fills ten cells, with capacity to spare, hardly enough, and too
// little for everybody.
func BenchmarkJoin(b *testing.B) {
	for _, c := range []struct {
		name    string
		catalog []Track
	}{{"ample", demo}, {"tight", []Track{{"v480", 4, 2_000_000}, {"a128", 1, 128_000}}}, {"short", []Track{{"v480", 8, 5_000_000}, {"a128", 1, 128_000}}}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				s := New(Config{})
				s.SetCatalog(c.catalog)
				fill(b, s, 10_000, reference)
			}
			b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "joins/s")
		})
	}
}

func BenchmarkChurn(b *testing.B) {
	s := New(Config{})
	s.SetCatalog(demo)
	fill(b, s, 1000, reference)
	i := 0
	for b.Loop() {
		s.Leave(reference(i).ID)
		if _, err := s.Join(reference(1000 + i)); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
