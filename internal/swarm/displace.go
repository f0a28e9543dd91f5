package swarm

// maxTakeover is how many children change parent when v takes an interior
// viewer's place: more would make a join an upheaval.
const maxTakeover = 3

// displace gives the orphan v the place of w, with w's children, and makes w
// its child.
func (c *cell) displace(t *tree, v, w int32) {
	p := t.parent[w]
	c.detach(t, w)
	c.attach(t, v, p)
	for len(t.kids[w]) > 0 {
		k := t.kids[w][0]
		c.detach(t, k)
		c.attach(t, k, v)
	}
	c.attach(t, w, v)
}

// findWeaker finds the shallowest viewer above limit whose place the orphan v
// can take: a leaf that is not meant to feed anybody in t, or one that can
// carry at most half as much as v. Leaves go first, then who can upload least,
// then who came last.
func (c *cell) findWeaker(t *tree, v, limit int32) int32 {
	c.markAround(t, v)
	best := none
	for slot, p := range t.parent {
		w := int32(slot)
		if p == absent || p == orphan || t.depth[w] >= limit || c.under[w] == c.stamp {
			continue
		}
		if best != none && !c.yieldsBefore(t, w, best) {
			continue
		}
		if c.isWeaker(t, w, v) && c.mayDepose(t, v, w) && c.canDisplace(t, v, w) {
			best = w
		}
	}
	return best
}

// yieldsBefore orders two viewers that v could displace.
func (c *cell) yieldsBefore(t *tree, a, b int32) bool {
	na, nb := c.nodes[a], c.nodes[b]
	switch {
	case t.depth[a] != t.depth[b]:
		return t.depth[a] < t.depth[b]
	case (len(t.kids[a]) == 0) != (len(t.kids[b]) == 0):
		return len(t.kids[a]) == 0
	case na.budget != nb.budget:
		return na.budget < nb.budget
	}
	return na.tenure > nb.tenure
}

func (c *cell) isWeaker(t *tree, w, v int32) bool {
	n := c.nodes[w]
	if n.solo {
		return false
	}
	kids := len(t.kids[w])
	if kids == 0 && n.primary != t {
		return true
	}
	return kids <= maxTakeover && n.budget <= c.nodes[v].budget/2 && c.spare[v] >= t.rate*int64(kids+1)
}

// canDisplace checks the connections that v needs to come between w, its
// parent and its children. The marks of v must be set.
func (c *cell) canDisplace(t *tree, v, w int32) bool {
	n, l, p := c.nodes[v], c.nodes[w], t.parent[w]
	if n.isApart(w) {
		return false
	}
	limit := c.cfg.MaxPeers
	mine, theirs := len(n.links), len(l.links)
	parted := p >= 0 && l.onlyUse(p)
	if parted {
		theirs--
	}
	for _, k := range t.kids[w] {
		if n.isApart(k) || c.under[k] == c.stamp {
			return false
		}
		if c.near[k] == c.stamp {
			continue
		}
		kid := len(c.nodes[k].links)
		if l.onlyUse(k) {
			kid--
		}
		if mine++; kid+1 > limit {
			return false
		}
	}
	if c.near[w] != c.stamp {
		if mine++; theirs+1 > limit {
			return false
		}
	}
	if p >= 0 {
		q := c.nodes[p]
		if n.isApart(p) || q.away || c.under[p] == c.stamp {
			return false
		}
		if c.near[p] != c.stamp {
			theirs := len(q.links)
			if parted {
				theirs--
			}
			if mine++; theirs+1 > limit {
				return false
			}
		}
	}
	return mine <= limit || mine == len(n.links)
}
