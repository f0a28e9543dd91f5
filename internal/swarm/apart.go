package swarm

// separate parts two viewers; lost says that they cannot connect.
func (c *cell) separate(a, b int32, lost bool) {
	na, nb := c.nodes[a], c.nodes[b]
	known := na.isApart(b)
	if known && (na.apart[b] || !lost) {
		return
	}
	na.setApart(b, lost)
	nb.setApart(a, lost)
	if !known {
		c.partTrees(a, b)
	}
	c.checkSolo(a)
	c.checkSolo(b)
}

// partTrees ends all that two viewers have with each other.
func (c *cell) partTrees(a, b int32) {
	for _, t := range c.trees {
		for _, x := range [2][2]int32{{a, b}, {b, a}} {
			v, p := x[0], x[1]
			if !t.has(v) {
				continue
			}
			if t.backup[v] == p {
				c.setBackup(t, v, edge)
				c.needBackup(t, v)
			}
			if t.parent[v] == p {
				c.detach(t, v)
				c.place(t, v)
			}
		}
	}
}

// moveAway finds v other parents than p, not much deeper, where there are any.
func (c *cell) moveAway(v, p int32) {
	for _, t := range c.trees {
		if !t.has(v) || t.parent[v] != p {
			continue
		}
		other := c.choose(t, v, p, c.open(t), c.cfg.MaxPeers, levelCost)
		if other == none || t.depth[other] > t.depth[p]+backupDetour {
			continue
		}
		c.detach(t, v)
		c.attach(t, v, other)
	}
}

// provenAge is how long a pair must have been there to be taken for connected:
// by then one that cannot connect has been reported, ms.
const provenAge = 15_000

// tolerance is from how many others v may be separated before it is left to the
// edge. Pairs that work show that its network lets somebody through: a viewer
// that meets many, as strong ones do, also loses many.
func (c *cell) tolerance(v int32) int {
	proven := 0
	for _, l := range c.nodes[v].links {
		if c.now-l.since >= provenAge {
			proven++
		}
	}
	return c.cfg.MaxLost * (1 + max(proven, c.nodes[v].connected))
}

// checkSolo leaves a viewer to the edge that works with too few others.
func (c *cell) checkSolo(v int32) {
	n := c.nodes[v]
	if n.solo || n.lost < c.tolerance(v) {
		return
	}
	c.setPrimary(v, nil)
	n.solo = true
	for _, t := range c.trees {
		if !t.has(v) {
			continue
		}
		orphans := c.quit(t, v)
		t.enter(v)
		c.attach(t, v, edge)
		c.placeOrphans(t, orphans)
	}
}

// reconcile ends the separation of two viewers, or of one from another that has
// left, and reports whether that changed anything.
func (c *cell) reconcile(slots []int32) bool {
	changed := len(slots) == 2 && c.unite(slots[0], slots[1])
	for _, v := range slots {
		changed = c.readmit(v) || changed
	}
	if !changed {
		return false
	}
	// Roots can be shared once those that were roots for want of a peer have gone
	// below others.
	for _, t := range c.trees {
		c.consolidate(t)
	}
	for _, v := range slots {
		c.shareRoots(v)
	}
	return true
}

// unite ends a separation. Who had no backup but the edge looks for one again.
func (c *cell) unite(a, b int32) bool {
	if !c.nodes[a].isApart(b) {
		return false
	}
	c.nodes[a].endApart(b)
	c.nodes[b].endApart(a)
	for _, t := range c.trees {
		for _, v := range [2]int32{a, b} {
			if t.has(v) && t.backup[v] == edge {
				c.needBackup(t, v)
			}
		}
	}
	return true
}

// readmit brings a viewer that was left to the edge back into the trees, if it
// is separated from few enough. A departure alone brings nobody back: a viewer
// that can reach nobody would be tried again whenever one of those leaves.
func (c *cell) readmit(v int32) bool {
	n := c.nodes[v]
	if !n.solo || n.lost >= c.cfg.MaxLost {
		return false
	}
	n.solo = false
	for _, t := range c.trees {
		if t.has(v) {
			c.detach(t, v)
		}
	}
	c.choosePrimary(v)
	c.placeAll(v)
	return true
}
