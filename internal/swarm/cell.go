package swarm

import (
	"cmp"
	"slices"
)

// cell is a group of viewers with its own trees. Viewers are kept by slot so
// that a choice among a thousand of them is one pass over small arrays.
type cell struct {
	cfg   Config
	count int
	nodes []*node // nil: free slot
	free  []int32
	spare []int64 // by slot: bit/s of the budget not yet spent on children; below 0: so much of the reserve is
	trees []*tree

	dirty   []int32 // slots whose assignment changed in this event
	isDirty []bool
	backups []want // backups to choose at the end of this event

	stamp   uint64   // marks of the present choice, see markAround
	near    []uint64 // by slot: stamp, when a neighbour
	under   []uint64 // by slot: stamp, when a descendant or itself
	openBuf []int32  // see open
	// reserves lets choices go into reserves, see room.
	reserves bool
	debt     int     // where repay goes on
	path     []int32 // see improve
	crowd    int     // where relieve goes on

	lans     map[uint64][]int32 // slots by LAN
	home     uint64             // region whose cell this is; 0: everybody's
	now      int64              // ms, as of the last Tick
	handedAt int64              // of the last round of slow moves
	rootTurn int                // where handOver goes on
}

// want asks for a backup.
type want struct {
	tree *tree
	slot int32
}

func newCell(cfg Config) *cell { return &cell{cfg: cfg, lans: map[uint64][]int32{}} }

// mark notes that v's assignment changed.
func (c *cell) mark(v int32) {
	if !c.isDirty[v] {
		c.isDirty[v] = true
		c.dirty = append(c.dirty, v)
	}
}

func (c *cell) needBackup(t *tree, v int32) { c.backups = append(c.backups, want{t, v}) }

func (c *cell) join(v Viewer, tenure uint64) int32 {
	slot := c.newSlot()
	c.nodes[slot] = &node{id: v.ID, tenure: tenure, wants: slices.Clone(v.Tracks), at: placeOf(v.Locality), joined: c.now,
		budget: max(v.Uplink, 0) / headroom}
	c.spare[slot] = c.nodes[slot].budget
	c.enterLAN(slot)
	c.count++
	c.mark(slot)
	for _, t := range c.trees {
		if slices.Contains(v.Tracks, t.track) {
			t.enter(slot)
		}
	}
	c.choosePrimary(slot)
	c.placeAll(slot)
	c.gather(slot)
	return slot
}

func (c *cell) newSlot() int32 {
	if n := len(c.free); n > 0 {
		slot := c.free[n-1]
		c.free = c.free[:n-1]
		return slot
	}
	c.nodes = append(c.nodes, nil)
	c.spare = append(c.spare, 0)
	c.isDirty = append(c.isDirty, false)
	c.near = append(c.near, 0)
	c.under = append(c.under, 0)
	for _, t := range c.trees {
		t.grow(len(c.nodes))
	}
	return int32(len(c.nodes) - 1)
}

// placeAll finds the orphan v its parents: its primary tree first, because its
// place there is worth most; small tracks last, because they follow
// connections that are there already.
func (c *cell) placeAll(v int32) {
	primary := c.nodes[v].primary
	for pass := range 3 {
		for _, t := range c.trees {
			order := 1
			if t == primary {
				order = 0
			} else if t.whole {
				order = 2
			}
			if order == pass && t.parent[v] == orphan {
				c.place(t, v)
			}
		}
	}
	c.shareRoots(v)
}

func (c *cell) leave(v int32) {
	n := c.nodes[v]
	c.setPrimary(v, nil)
	n.away = true // nobody is to be placed below it while it is taken apart
	orphans := make([][]int32, len(c.trees))
	for i, t := range c.trees {
		if t.has(v) {
			orphans[i] = c.quit(t, v)
		}
	}
	for other := range n.apart {
		c.nodes[other].endApart(v)
	}
	c.leaveLAN(v)
	c.nodes[v], c.spare[v] = nil, 0
	c.free = append(c.free, v)
	c.count--
	for i, t := range c.trees {
		c.placeOrphans(t, orphans[i])
	}
}

// placeOrphans places those first that can carry the others.
func (c *cell) placeOrphans(t *tree, orphans []int32) {
	slices.SortFunc(orphans, func(a, b int32) int {
		ca, cb := c.capable(t, a), c.capable(t, b)
		switch {
		case ca != cb && ca:
			return -1
		case ca != cb:
			return 1
		}
		return cmp.Or(-cmp.Compare(min(c.spare[a]/t.rate, 2), min(c.spare[b]/t.rate, 2)),
			cmp.Compare(c.rootCount(a), c.rootCount(b)), cmp.Compare(c.nodes[a].tenure, c.nodes[b].tenure))
	})
	for _, v := range orphans {
		if t.parent[v] == orphan {
			c.place(t, v)
		}
	}
}

func (c *cell) setTracks(v int32, tracks []string) {
	n := c.nodes[v]
	if slices.Equal(n.wants, tracks) {
		return
	}
	n.wants = slices.Clone(tracks)
	if n.primary != nil && !slices.Contains(tracks, n.primary.track) {
		c.setPrimary(v, nil)
	}
	orphans := make([][]int32, len(c.trees))
	for i, t := range c.trees {
		switch wanted := slices.Contains(tracks, t.track); {
		case t.has(v) && !wanted:
			orphans[i] = c.quit(t, v)
		case !t.has(v) && wanted:
			t.enter(v)
		}
	}
	c.mark(v)
	c.choosePrimary(v)
	c.placeAll(v)
	for i, t := range c.trees {
		c.placeOrphans(t, orphans[i])
	}
}

func (c *cell) setUplink(v int32, uplink int64) {
	n := c.nodes[v]
	budget := max(uplink, 0) / headroom
	if budget == n.budget {
		return
	}
	primary := n.primary
	c.setPrimary(v, nil)
	c.spare[v] += budget - n.budget
	n.budget = budget
	c.shed(v)
	c.retireBackup(v)
	if primary != nil && budget >= primary.rate {
		c.setPrimary(v, primary)
		return
	}
	c.choosePrimary(v)
	if n.primary != nil {
		c.promote(n.primary, v)
		c.shareRoots(v)
	}
}

// shed takes children from v until it can feed the rest, with its reserve, those
// outside its primary tree first.
func (c *cell) shed(v int32) {
	least := -c.nodes[v].reserve()
	for pass := range 2 {
		for i := len(c.trees) - 1; i >= 0 && c.spare[v] < least; i-- {
			t := c.trees[i]
			if !t.has(v) || (t == c.nodes[v].primary) != (pass == 1) {
				continue
			}
			var orphans []int32
			for c.spare[v] < least && len(t.kids[v]) > 0 {
				k := t.kids[v][len(t.kids[v])-1]
				c.detach(t, k)
				orphans = append(orphans, k)
			}
			c.placeOrphans(t, orphans)
		}
	}
}

// finish completes an event: what the edge feeds needlessly moves below
// viewers, backups are chosen, and the changed viewers are listed.
func (c *cell) finish() []string {
	for _, t := range c.trees {
		c.consolidate(t)
		for range improveMoves {
			if !c.improve(t) {
				break
			}
		}
	}
	c.relieve()
	c.repay()
	// A move in one tree can free what another waits for. Every further round
	// leaves fewer roots, so this ends.
	for again := true; again; {
		for _, w := range c.backups {
			if c.nodes[w.slot] != nil && w.tree.has(w.slot) {
				c.chooseBackup(w.tree, w.slot)
			}
		}
		c.backups = c.backups[:0]
		again = false
		for _, t := range c.trees {
			again = c.consolidate(t) || again
		}
	}
	changed := c.dirty[:0]
	for _, v := range c.dirty {
		c.isDirty[v] = false
		if c.nodes[v] != nil {
			changed = append(changed, v)
		}
	}
	slices.SortFunc(changed, func(a, b int32) int { return cmp.Compare(c.nodes[a].tenure, c.nodes[b].tenure) })
	out := make([]string, len(changed))
	for i, v := range changed {
		out[i] = c.nodes[v].id
	}
	c.dirty = c.dirty[:0]
	return out
}
