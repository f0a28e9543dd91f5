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

// canBackUp reports whether b, already v's neighbour, can stand in for v's
// parent.
func (c *cell) canBackUp(t *tree, v, b int32) bool {
	return t.has(b) && t.parent[b] != orphan && b != t.parent[v] && c.canServe(t, b) && !c.nodes[v].isApart(b) && !t.below(b, v)
}
