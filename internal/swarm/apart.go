package swarm

// lost separates two viewers.
func (c *cell) lost(a, b int32) {
	na, nb := c.nodes[a], c.nodes[b]
	if na.isApart(b) {
		return
	}
	for _, x := range [2]struct {
		n    *node
		peer int32
	}{{na, b}, {nb, a}} {
		if x.n.apart == nil {
			x.n.apart = map[int32]struct{}{}
		}
		x.n.apart[x.peer] = struct{}{}
	}
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
	c.checkSolo(a)
	c.checkSolo(b)
}

// checkSolo leaves a viewer to the edge that works with too few others.
func (c *cell) checkSolo(v int32) {
	n := c.nodes[v]
	if n.solo || len(n.apart) < c.cfg.MaxLost {
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
	delete(c.nodes[a].apart, b)
	delete(c.nodes[b].apart, a)
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
	if !n.solo || len(n.apart) >= c.cfg.MaxLost {
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
