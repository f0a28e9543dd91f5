package swarm

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// checkCell verifies everything that must hold between events.
func checkCell(c *cell) error {
	uses := map[[2]int32]int32{}
	relate := func(a, b int32) {
		uses[[2]int32{a, b}]++
		uses[[2]int32{b, a}]++
	}
	served := make([]int64, len(c.nodes))
	places := map[*tree]int64{}
	for v, n := range c.nodes {
		if n != nil && n.primary != nil {
			places[n.primary] += n.budget / n.primary.rate
		}
		_ = v
	}
	for _, t := range c.trees {
		name := fmt.Sprintf("%s/%d", t.track, t.slice)
		if t.places != places[t] {
			return fmt.Errorf("%s: places %d, want %d", name, t.places, places[t])
		}
		roots := []int32{}
		for slot, n := range c.nodes {
			v := int32(slot)
			if want := n != nil && slices.Contains(n.wants, t.track); t.has(v) != want {
				return fmt.Errorf("%s: slot %d is member %v, want %v", name, v, t.has(v), want)
			}
			if !t.has(v) {
				if len(t.kids[v]) > 0 || t.backup[v] != edge {
					return fmt.Errorf("%s: %d is absent and has relations", name, v)
				}
				continue
			}
			depth, x := int32(0), v
			for ; x >= 0; x = t.parent[x] {
				if depth++; int(depth) > len(c.nodes) {
					return fmt.Errorf("%s: cycle at %d", name, v)
				}
			}
			if x != edge {
				return fmt.Errorf("%s: %d is not reached (top %d)", name, v, x)
			}
			if t.depth[v] != depth {
				return fmt.Errorf("%s: depth of %d is %d, want %d", name, v, t.depth[v], depth)
			}
			switch p := t.parent[v]; {
			case p == edge && !n.solo:
				roots = append(roots, v)
			case p >= 0:
				if n.isApart(p) || !slices.Contains(t.kids[p], v) {
					return fmt.Errorf("%s: %d below %d: separated or unknown to it", name, v, p)
				}
				relate(v, p)
			}
			if b := t.backup[v]; b != edge {
				if b == t.parent[v] || t.below(b, v) || n.isApart(b) || !t.has(b) || c.nodes[b] == nil {
					return fmt.Errorf("%s: backup %d of %d", name, b, v)
				}
				relate(v, b)
			}
			if n.solo && (t.parent[v] != edge || len(t.kids[v]) > 0 || t.backup[v] != edge) {
				return fmt.Errorf("%s: solo viewer %d has peers", name, v)
			}
			for _, k := range t.kids[v] {
				if t.parent[k] != v {
					return fmt.Errorf("%s: %d is no child of %d", name, k, v)
				}
			}
			served[v] += t.rate * int64(len(t.kids[v]))
		}
		got := slices.Sorted(slices.Values(t.roots))
		if !slices.Equal(got, roots) && len(got)+len(roots) > 0 {
			return fmt.Errorf("%s: roots %v, want %v", name, got, roots)
		}
		if err := checkRoots(c, t, name); err != nil {
			return err
		}
	}
	count := 0
	for slot, n := range c.nodes {
		if n == nil {
			continue
		}
		count++
		v := int32(slot)
		lost := 0
		for _, failed := range n.apart {
			if failed {
				lost++
			}
		}
		if lost != n.lost {
			return fmt.Errorf("viewer %d could not connect with %d, counted %d", v, lost, n.lost)
		}
		if !n.solo && n.lost >= c.cfg.MaxLost*(1+c.cfg.HardPeers) {
			return fmt.Errorf("viewer %d is separated from %d others and is not left to the edge", v, len(n.apart))
		}
		for o := range n.apart {
			if other := c.nodes[o]; other == nil || !other.isApart(v) || c.linked(v, o) {
				return fmt.Errorf("viewer %d is separated from %d: one-sided, or paired all the same", v, o)
			}
		}
		if n.solo && (n.primary != nil || len(n.links) > 0) {
			return fmt.Errorf("solo viewer %d has a primary tree or %d neighbours", v, len(n.links))
		}
		if c.spare[v] != n.budget-served[v] || c.spare[v] < -n.reserve() {
			return fmt.Errorf("viewer %d: spare %d of %d with %d served", v, c.spare[v], n.budget, served[v])
		}
		if len(n.links) > c.cfg.HardPeers {
			return fmt.Errorf("viewer %d has %d neighbours", v, len(n.links))
		}
		for _, l := range n.links {
			if uses[[2]int32{v, l.peer}] != l.uses {
				return fmt.Errorf("link %d-%d: %d uses, want %d", v, l.peer, l.uses, uses[[2]int32{v, l.peer}])
			}
			delete(uses, [2]int32{v, l.peer})
		}
	}
	if len(uses) > 0 {
		return fmt.Errorf("relations without link: %v", uses)
	}
	if count != c.count || count > c.cfg.MaxCell {
		return fmt.Errorf("%d viewers, counted %d", count, c.count)
	}
	return nil
}

// checkRoots verifies that the edge feeds a second viewer only when nobody can.
func checkRoots(c *cell, t *tree, name string) error {
	if len(t.roots) < 2 {
		return nil
	}
	for _, r := range t.roots {
		for slot, n := range c.nodes {
			p := int32(slot)
			if n == nil || !t.has(p) || t.below(p, r) || c.spare[p] < t.rate || n.away || n.solo || n.isApart(r) {
				continue
			}
			if c.linked(r, p) || len(n.links) < c.cfg.HardPeers && len(c.nodes[r].links) < c.cfg.HardPeers {
				return fmt.Errorf("%s: %d roots, though %d could feed %d", name, len(t.roots), p, r)
			}
		}
	}
	return nil
}

// snapshot takes every assignment, and checks that they agree with each other.
func snapshot(s *Swarm) (map[string]Assignment, error) {
	out := map[string]Assignment{}
	for id := range s.where {
		out[id], _ = s.Assignment(id)
	}
	for id, a := range out {
		for _, tr := range a.Tracks {
			for _, sl := range tr.Slices {
				for _, p := range []string{sl.Parent, sl.Backup} {
					if p == Edge {
						continue
					}
					if !slices.Contains(out[p].Children, id) || !slices.Contains(a.Peers, p) || !slices.Contains(out[p].Peers, id) {
						return nil, fmt.Errorf("%s and %s do not know of each other", id, p)
					}
				}
			}
		}
		for _, p := range a.Peers {
			if !slices.Contains(out[p].Peers, id) || !s.Neighbours(id, p) {
				return nil, fmt.Errorf("%s has peer %s, which does not have it", id, p)
			}
		}
	}
	return out, nil
}

// verify checks the whole swarm after an event that said changed.
func verify(s *Swarm, before map[string]Assignment, changed []string) (map[string]Assignment, error) {
	total := 0
	for _, c := range s.cells {
		if err := checkCell(c); err != nil {
			return nil, err
		}
		total += c.count
	}
	if total != len(s.where) {
		return nil, fmt.Errorf("%d viewers in cells, %d known", total, len(s.where))
	}
	after, err := snapshot(s)
	if err != nil {
		return nil, err
	}
	for _, id := range changed {
		if _, ok := after[id]; !ok {
			return nil, fmt.Errorf("%s changed but is gone", id)
		}
	}
	for id, a := range after {
		if !slices.Contains(changed, id) && !reflect.DeepEqual(a, before[id]) {
			return nil, fmt.Errorf("%s changed from %+v to %+v without notice", id, before[id], a)
		}
	}
	return after, nil
}

// apartPairs lists the separated pairs, each once, in order.
func apartPairs(s *Swarm) [][2]string {
	var out [][2]string
	for _, c := range s.cells {
		for _, n := range c.nodes {
			if n == nil {
				continue
			}
			for o := range n.apart {
				if other := c.nodes[o]; n.id < other.id {
					out = append(out, [2]string{n.id, other.id})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	return out
}

func drawCatalog(t *rapid.T) []Track {
	var out []Track
	for i, name := range []string{"v720", "v480", "a128"} {
		if !rapid.Bool().Draw(t, "has "+name) {
			continue
		}
		if i == 2 {
			out = append(out, Track{name, 1, 128_000})
		} else {
			out = append(out, Track{name, rapid.IntRange(2, 8).Draw(t, "K"), rapid.Int64Range(0, 6_000_000).Draw(t, "bitrate")})
		}
	}
	return out
}

var wishes = [][]string{{"v720", "a128"}, {"v480", "a128"}, {"v720"}, {"v720", "v480", "a128"}, {"later"}, {}}

func drawUplink(t *rapid.T) int64 {
	return rapid.SampledFrom([]int64{0, 0, 300_000, 2_000_000, 5_000_000, 8_000_000, 20_000_000, 1_000_000_000}).Draw(t, "uplink")
}

func TestInvariantsHoldAfterEveryEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Config{MaxPeers: rapid.IntRange(2, 10).Draw(t, "max peers"), MaxCell: rapid.SampledFrom([]int{3, 20, 1000}).Draw(t, "max cell"), MaxLost: rapid.IntRange(1, 8).Draw(t, "max lost")})
		present := map[string]bool{}
		banned := map[string]bool{}
		next := 0
		before := map[string]Assignment{}
		pick := func(t *rapid.T) string {
			if len(present) == 0 {
				t.Skip("nobody")
			}
			return rapid.SampledFrom(slices.Sorted(keys(present))).Draw(t, "viewer")
		}
		step := func(t *rapid.T, changed []string) {
			var err error
			if before, err = verify(s, before, changed); err != nil {
				t.Fatal(err)
			}
		}
		pickPair := func(t *rapid.T) [2]string {
			pairs := apartPairs(s)
			if len(pairs) == 0 {
				t.Skip("nobody is separated")
			}
			return rapid.SampledFrom(pairs).Draw(t, "pair")
		}
		reconcile := func(t *rapid.T, pair [2]string) {
			was := apartPairs(s)
			step(t, s.Reconcile(pair[0], pair[1]))
			if now := apartPairs(s); len(was)-len(now) > 1 || slices.Contains(now, pair) {
				t.Fatalf("of %v there are left %v", was, now)
			}
			if a, b := s.where[pair[0]].cell, s.where[pair[1]].cell; a != nil && b != nil && a != b {
				return // they never met
			}
			for _, id := range pair {
				if r, ok := s.where[id]; ok && s.Solo(id) && r.cell.nodes[r.slot].lost < s.cfg.MaxLost {
					t.Fatalf("%s is still left to the edge", id)
				}
			}
		}
		join := func(t *rapid.T) {
			next++
			v := Viewer{ID: fmt.Sprintf("p%d", next), Uplink: drawUplink(t), Tracks: rapid.SampledFrom(wishes).Draw(t, "tracks"),
				Locality: Locality{LAN: rapid.SampledFrom([]string{"", "", "h1", "h2"}).Draw(t, "LAN"), ASN: rapid.SampledFrom([]uint32{0, 1, 2}).Draw(t, "ASN"),
					Region: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "region")}}
			changed, err := s.Join(v)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Join(v); err != ErrDuplicate {
				t.Fatalf("second join: %v", err)
			}
			present[v.ID] = true
			step(t, changed)
		}
		step(t, s.SetCatalog(drawCatalog(t)))
		t.Repeat(map[string]func(*rapid.T){
			"join": join, "join too": join, "and join": join, "also join": join,
			"leave": func(t *rapid.T) {
				id := pick(t)
				delete(present, id)
				step(t, s.Leave(id))
			},
			"ban": func(t *rapid.T) {
				id := pick(t)
				delete(present, id)
				banned[id] = true
				step(t, s.Ban(id))
				if _, err := s.Join(Viewer{ID: id}); err != ErrBanned {
					t.Fatalf("banned viewer's join: %v", err)
				}
			},
			"lost parent": func(t *rapid.T) {
				id := pick(t)
				peers := before[id].Peers
				if len(peers) == 0 {
					t.Skip("alone")
				}
				step(t, s.Lost(id, rapid.SampledFrom(peers).Draw(t, "peer")))
			},
			"slow parent": func(t *rapid.T) {
				id := pick(t)
				if peers := before[id].Peers; len(peers) > 0 {
					step(t, s.Slow(id, rapid.SampledFrom(peers).Draw(t, "peer")))
				}
			},
			"avoid anyone":                 func(t *rapid.T) { step(t, s.Avoid(pick(t), pick(t))) },
			"lost anyone":                  func(t *rapid.T) { step(t, s.Lost(pick(t), pick(t))) },
			"reconcile":                    func(t *rapid.T) { reconcile(t, pickPair(t)) },
			"reconcile too":                func(t *rapid.T) { reconcile(t, pickPair(t)) },
			"reconcile anyone":             func(t *rapid.T) { reconcile(t, [2]string{pick(t), pick(t)}) },
			"reconcile with one that left": func(t *rapid.T) { reconcile(t, [2]string{"p0", pick(t)}) },
			"tracks":                       func(t *rapid.T) { step(t, s.SetTracks(pick(t), rapid.SampledFrom(wishes).Draw(t, "tracks"))) },
			"uplink":                       func(t *rapid.T) { step(t, s.SetUplink(pick(t), drawUplink(t))) },
			"away":                         func(t *rapid.T) { step(t, s.SetAway(pick(t), rapid.Bool().Draw(t, "away"))) },
			"time":                         func(t *rapid.T) { step(t, s.Tick(s.now+rapid.Int64Range(0, 20_000).Draw(t, "pause"))) },
			"connected":                    func(t *rapid.T) { s.SetConnected(pick(t), rapid.IntRange(-1, 100).Draw(t, "open")) },
			"time too":                     func(t *rapid.T) { step(t, s.Tick(s.now+2_000)) },
			"catalog":                      func(t *rapid.T) { step(t, s.SetCatalog(drawCatalog(t))) },
		})
	})
}

func keys(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// The same events always give the same overlay.
func TestDeterministic(t *testing.T) {
	run := func() []map[string]Assignment {
		s := New(Config{})
		s.SetCatalog(demo)
		for i := range 200 {
			if _, err := s.Join(reference(i)); err != nil {
				t.Fatal(err)
			}
			if i%3 == 2 {
				s.Leave(reference(i / 2).ID)
			}
		}
		m, err := snapshot(s)
		if err != nil {
			t.Fatal(err)
		}
		return []map[string]Assignment{m}
	}
	if !reflect.DeepEqual(run(), run()) {
		t.Fatal("two runs differ")
	}
}
