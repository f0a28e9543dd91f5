package swarm

// capable reports whether v is meant to be interior in t and can take a child.
func (c *cell) capable(t *tree, v int32) bool {
	n := c.nodes[v]
	return n.primary == t && c.spare[v] >= t.rate && !n.solo && !n.away
}

// canLead reports whether v may take the place of another in t: it is meant to
// be interior there, or is already.
func (c *cell) canLead(t *tree, v int32) bool {
	return c.canServe(t, v) && (c.nodes[v].primary == t || len(t.kids[v]) > 0)
}

// canServe reports whether v may get one more child in t.
func (c *cell) canServe(t *tree, v int32) bool {
	n := c.nodes[v]
	return c.spare[v] >= t.rate && !n.away && !n.solo
}

// setPrimary makes t the tree in which v should be interior; nil: none.
func (c *cell) setPrimary(v int32, t *tree) {
	n := c.nodes[v]
	if n.primary != nil {
		n.primary.places -= n.budget / n.primary.rate
	}
	if n.primary = t; t != nil {
		t.places += n.budget / t.rate
	}
}

// choosePrimary gives v, when it has none, the tree with the least capacity
// that it can serve.
func (c *cell) choosePrimary(v int32) {
	n := c.nodes[v]
	if n.primary != nil || n.solo {
		return
	}
	var best *tree
	for _, t := range c.trees {
		if t.has(v) && n.budget >= t.rate && (best == nil || t.places < best.places) {
			best = t
		}
	}
	c.setPrimary(v, best)
}

// place gives the orphan v a parent in t: the shallowest free place, the place
// of a leaf that it can adopt, or the edge when no viewer can feed it.
func (c *cell) place(t *tree, v int32) {
	if c.nodes[v].solo || len(t.roots) == 0 {
		c.attach(t, v, edge)
		return
	}
	open := c.open(t)
	p := c.choose(t, v, none, open, c.cfg.MaxPeers, levelCost)
	if p == none || !c.isMate(v, p) {
		if m, k := c.makeRoom(t, v); m != none {
			c.attach(t, v, m)
			c.place(t, k)
			return
		}
	}
	// The orphan has switched to its backup already: it stays there unless that
	// is a detour.
	if b := t.backup[v]; b >= 0 && c.canServe(t, b) && !t.below(b, v) && (p == none || t.depth[b] <= t.depth[p]+backupDetour) {
		p = b
	}
	if c.canLead(t, v) {
		limit := far
		if p != none {
			limit = t.depth[p] + 1
		}
		if w := c.findWeaker(t, v, limit); w != none {
			c.displace(t, v, w)
			return
		}
	}
	if p == none {
		p = c.choose(t, v, none, open, c.cfg.HardPeers, levelCost)
	}
	if p == none {
		p = c.chooseReserve(t, v)
	}
	if p == none {
		p = edge
	}
	c.attach(t, v, p)
}

// chooseReserve picks a parent for v that goes into its reserve for it.
func (c *cell) chooseReserve(t *tree, v int32) int32 {
	c.reserves = true
	p := c.choose(t, v, none, c.open(t), c.cfg.HardPeers, levelCost)
	c.reserves = false
	return p
}

// room is what v may still spend on a child.
func (c *cell) room(v int32) int64 {
	if c.reserves {
		return c.spare[v] + c.nodes[v].reserve()
	}
	return c.spare[v]
}

// backupDetour is how many levels deeper a backup may be than the best place
// and still keep the orphan: a level costs tens of milliseconds, a
// move costs a new subscription and perhaps a new connection.
const backupDetour = 2

// open lists the members that can take one more child. It is valid until the
// next call.
func (c *cell) open(t *tree) []int32 {
	out := c.openBuf[:0]
	for v, p := range t.parent {
		if p != absent && c.room(int32(v)) >= t.rate {
			if n := c.nodes[v]; !n.away && !n.solo {
				out = append(out, int32(v))
			}
		}
	}
	c.openBuf = out
	return out
}

// markAround stamps v's neighbours, and v with all that is below it in t.
func (c *cell) markAround(t *tree, v int32) {
	c.stamp++
	for _, l := range c.nodes[v].links {
		c.near[l.peer] = c.stamp
	}
	c.markUnder(t, v)
}

func (c *cell) markUnder(t *tree, v int32) {
	c.under[v] = c.stamp
	for _, k := range t.kids[v] {
		c.markUnder(t, k)
	}
}

// Weights of choose, in quarters of a level of depth.
const (
	levelCost     = 4
	secondaryCost = 3 * levelCost // interior outside its primary tree
	smallCost     = 10            // a new connection for a small track
	moreParents   = 10            // a new connection beyond Spread parents
	sameParent    = 2             // a second slice from one parent before Spread is reached
	crowdedCost   = 2             // for every connection of the parent above three quarters of MaxPeers
	// improveCost is a level's cost where only depth is to be won.
	improveCost = 3 * levelCost
)

// choose picks the parent with the least cost for v among open, or none. It
// counts level for each level of depth, and passes over skip, v's own descendants, separated viewers, and pairs that
// would bring either side above limit connections.
func (c *cell) choose(t *tree, v, skip int32, open []int32, limit int, level int32) int32 {
	if len(open) == 0 {
		return none
	}
	c.markAround(t, v)
	n := c.nodes[v]
	full := len(n.links) >= limit
	spread := c.parents(v) >= c.cfg.Spread
	crowded := c.cfg.MaxPeers * 3 / 4
	best, bestCost := none, int32(0)
	for _, p := range open {
		if c.under[p] == c.stamp || p == skip || c.room(p) < t.rate {
			continue
		}
		q := c.nodes[p]
		cost := t.depth[p] * level
		// A parent with more bandwidth than connections left gives several
		// slices to each child.
		rich := false
		if c.near[p] == c.stamp {
			rich = c.spare[p] > 2*t.rate*int64(max(0, limit-len(q.links)))
			if !spread && !t.whole && !rich {
				cost += sameParent
			}
		} else {
			if full || len(q.links) >= limit {
				continue
			}
			switch {
			case t.whole:
				cost += smallCost
			case spread:
				cost += moreParents
			}
			cost += int32(max(0, len(q.links)-crowded) * crowdedCost)
		}
		if q.primary != t && !t.whole && !rich {
			cost += secondaryCost
		}
		cost -= n.at.credit(q.at)
		if best != none && (cost > bestCost || cost == bestCost && q.tenure > c.nodes[best].tenure) {
			continue
		}
		if n.isApart(p) {
			continue
		}
		best, bestCost = p, cost
	}
	return best
}

// parents counts v's different parents over all trees.
func (c *cell) parents(v int32) int {
	count := 0
	for i, t := range c.trees {
		p := t.parent[v]
		if p < 0 {
			continue
		}
		seen := false
		for _, u := range c.trees[:i] {
			if u.parent[v] == p {
				seen = true
				break
			}
		}
		if !seen {
			count++
		}
	}
	return count
}
