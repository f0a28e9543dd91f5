package swarm

// chooseBackup gives v the viewer that it turns to by itself when its parent
// in t fails, or the edge. The present one stays while it can help.
func (c *cell) chooseBackup(t *tree, v int32) {
	n := c.nodes[v]
	if t.parent[v] == orphan || n.solo {
		c.setBackup(t, v, edge)
		return
	}
	if b := t.backup[v]; b >= 0 && c.canBackUp(t, v, b) {
		return
	}
	best := none
	for _, l := range n.links {
		b := l.peer
		if !c.canBackUp(t, v, b) {
			continue
		}
		if best == none || t.depth[b] < t.depth[best] || t.depth[b] == t.depth[best] && c.nodes[b].tenure < c.nodes[best].tenure {
			best = b
		}
	}
	// A connection only for a backup is worth it where both have many free.
	if best == none && t.parent[v] != edge && len(n.links) < c.cfg.MaxPeers/2 {
		best = c.choose(t, v, t.parent[v], c.open(t), c.cfg.MaxPeers/2, levelCost)
	}
	if best == none {
		best = edge
	}
	c.setBackup(t, v, best)
}

// retireBackup has those look for another backup whom v cannot help any more.
func (c *cell) retireBackup(v int32) {
	for _, t := range c.trees {
		if c.canHelp(t, v) {
			continue
		}
		for _, l := range c.nodes[v].links {
			if t.has(l.peer) && t.backup[l.peer] == v {
				c.needBackup(t, l.peer)
			}
		}
	}
}

// canBackUp reports whether b, already v's neighbour, can stand in for v's
// parent.
func (c *cell) canBackUp(t *tree, v, b int32) bool {
	return t.has(b) && t.parent[b] != orphan && b != t.parent[v] && c.canHelp(t, b) && !c.nodes[v].isApart(b) && !t.below(b, v)
}

// canHelp reports whether v could feed one more child in t for as long as it
// takes to place that anew: for this, half of the headroom is there too.
func (c *cell) canHelp(t *tree, v int32) bool {
	n := c.nodes[v]
	return n.budget >= t.rate && c.spare[v]+n.budget*(headroom-1)/2 >= t.rate && !n.away && !n.solo
}
