package swarm

import "slices"

// What a slot's parent can be besides another slot.
const (
	edge   int32 = -1 // fed by the edge
	absent int32 = -2 // not in this tree
	orphan int32 = -3 // in the tree, waits for a parent inside one event
	none   int32 = -4 // no choice
)

// far is the depth of what hangs below an orphan: chosen last, and corrected
// when the orphan has a place.
const far int32 = 1 << 20

// tree carries one slice of one track. All arrays are indexed by slot.
type tree struct {
	track  string
	slice  int
	rate   int64 // bit/s of the slice
	whole  bool  // the only slice of its track: small, so a neighbour is better than a new connection
	places int64 // children that its primaries can feed

	parent []int32
	backup []int32
	depth  []int32 // 1: root
	kids   [][]int32
	roots  []int32 // fed by the edge, without solo viewers, oldest place first
	rescue int     // where moveOneRoot goes on
}

func newTree(track string, slice, of int, bitrate int64, slots int) *tree {
	t := &tree{track: track, slice: slice, rate: sliceRate(bitrate, of), whole: of == 1}
	t.grow(slots)
	return t
}

// sliceRate is never 0: a free child would make capacity endless.
func sliceRate(bitrate int64, k int) int64 { return max(bitrate/int64(k), 1) }

func (t *tree) grow(slots int) {
	for len(t.parent) < slots {
		t.parent = append(t.parent, absent)
		t.backup = append(t.backup, edge)
		t.depth = append(t.depth, 0)
		t.kids = append(t.kids, nil)
	}
}

func (t *tree) has(v int32) bool { return t.parent[v] != absent }

// below reports whether x is v or a descendant of v.
func (t *tree) below(x, v int32) bool {
	for ; x >= 0; x = t.parent[x] {
		if x == v {
			return true
		}
	}
	return false
}

// setDepth gives v and everything below it their depths.
func (t *tree) setDepth(v, d int32) {
	t.depth[v] = d
	for _, k := range t.kids[v] {
		t.setDepth(k, d+1)
	}
}

// attach puts orphan v below p, which may be the edge.
func (c *cell) attach(t *tree, v, p int32) {
	t.parent[v] = p
	c.mark(v)
	c.needBackup(t, v)
	if p == edge {
		if !c.nodes[v].solo {
			t.roots = append(t.roots, v)
		}
		t.setDepth(v, 1)
		return
	}
	t.kids[p] = append(t.kids[p], v)
	c.spare[p] -= t.rate
	c.pair(p, v)
	c.mark(p)
	t.setDepth(v, t.depth[p]+1)
	// A backup that has come below the viewer it should help would wait for
	// that viewer itself.
	for a := p; a >= 0; a = t.parent[a] {
		if b := t.backup[a]; b >= 0 && t.below(b, v) {
			c.setBackup(t, a, edge)
			c.needBackup(t, a)
		}
	}
}

// detach makes v an orphan that keeps everything below it.
func (c *cell) detach(t *tree, v int32) {
	p := t.parent[v]
	t.parent[v] = orphan
	c.mark(v)
	if p == edge {
		t.roots = slices.DeleteFunc(t.roots, func(r int32) bool { return r == v })
	} else if p >= 0 {
		t.kids[p] = slices.DeleteFunc(t.kids[p], func(k int32) bool { return k == v })
		c.spare[p] += t.rate
		c.unpair(p, v)
		c.mark(p)
	}
	t.setDepth(v, far)
}

// setBackup replaces v's backup by b, which may be the edge.
func (c *cell) setBackup(t *tree, v, b int32) {
	old := t.backup[v]
	if old == b {
		return
	}
	t.backup[v] = b
	c.mark(v)
	if old >= 0 {
		c.unpair(v, old)
		c.mark(old)
	}
	if b >= 0 {
		c.pair(v, b)
		c.mark(b)
	}
}

// enter makes v a member, still an orphan.
func (t *tree) enter(v int32) {
	t.parent[v], t.backup[v] = orphan, edge
}

// quit removes v from the tree and returns the orphans it leaves.
func (c *cell) quit(t *tree, v int32) []int32 {
	orphans := slices.Clone(t.kids[v])
	for _, k := range orphans {
		c.detach(t, k)
	}
	if t.parent[v] != orphan {
		c.detach(t, v)
	}
	c.setBackup(t, v, edge)
	for i := len(c.nodes[v].links) - 1; i >= 0; i-- { // from the end: the pair may part
		if q := c.nodes[v].links[i].peer; t.backup[q] == v && t.has(q) {
			c.setBackup(t, q, edge)
			c.needBackup(t, q)
		}
	}
	t.parent[v] = absent
	return orphans
}
