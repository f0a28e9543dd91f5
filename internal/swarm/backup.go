package swarm

// chooseBackup gives v the viewer that it turns to by itself when its parent
// in t fails, or the edge. The present one stays while it can help.
func (c *cell) chooseBackup(t *tree, v int32) {
	n := c.nodes[v]
	if t.parent[v] == orphan || n.solo {
		c.setBackup(t, v, edge)
		return
	}
	if b := t.backup[v]; b >= 0 && c.canBackUp(t, v, b) && !t.sharesFate(v, b) {
		return
	}
	best, bestShares := none, false
	for _, l := range n.links {
		b := l.peer
		if !c.canBackUp(t, v, b) {
			continue
		}
		shares := t.sharesFate(v, b)
		if shares && t.waitsFor(b, v) {
			continue
		}
		if best == none || !shares && bestShares || shares == bestShares &&
			(t.depth[b] < t.depth[best] || t.depth[b] == t.depth[best] && c.nodes[b].tenure < c.nodes[best].tenure) {
			best, bestShares = b, shares
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

// sharesFate reports whether b gets the slice through v's parent, too: then it
// loses it in the same moment, and as a backup it is the last choice.
func (t *tree) sharesFate(v, b int32) bool {
	p := t.parent[v]
	return p >= 0 && t.below(b, p)
}

// maxWaits is how many may wait for each other's backups in a row.
const maxWaits = 2

// waitsFor reports whether b, which loses the slice together with v, would come
// to wait for v: whoever is below the lost parent above b turns to its own
// backup, and so on.
func (t *tree) waitsFor(b, v int32) bool {
	p := t.parent[v]
	for range maxWaits {
		for b >= 0 && t.parent[b] != p {
			b = t.parent[b]
		}
		if b == v || b < 0 {
			return true
		}
		if b = t.backup[b]; b < 0 || !t.below(b, p) {
			return false
		}
	}
	return true
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
