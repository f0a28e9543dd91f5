package swarm

// consolidate moves what the edge feeds beside the first root below viewers,
// as far as any can take it: every root is one more copy from the edge.
func (c *cell) consolidate(t *tree) (moved bool) {
	for len(t.roots) > 1 {
		if !c.moveOneRoot(t) {
			break
		}
		moved = true
	}
	return moved
}

// reserveTries bounds how many roots of a tree are offered the reserves of
// others in an event. Where capacity is short there are many, and few fit.
const reserveTries = 2

// moveOneRoot places the latest root that has a place below another viewer, or
// one below a viewer that goes into its reserve for it.
func (c *cell) moveOneRoot(t *tree) bool {
	open := c.open(t)
	for i := len(t.roots) - 1; i >= 0 && len(open) > 0; i-- {
		r := t.roots[i]
		p := c.choose(t, r, none, open, c.cfg.MaxPeers, levelCost)
		if p == none {
			p = c.choose(t, r, none, open, c.cfg.HardPeers, levelCost)
		}
		if p != none {
			c.detach(t, r)
			c.attach(t, r, p)
			return true
		}
	}
	c.reserves = true
	defer func() { c.reserves = false }()
	open = c.open(t)
	for range min(reserveTries, len(t.roots)) {
		t.rescue = (t.rescue + 1) % len(t.roots)
		r := t.roots[t.rescue]
		if p := c.choose(t, r, none, open, c.cfg.HardPeers, levelCost); p != none {
			c.detach(t, r)
			c.attach(t, r, p)
			return true
		}
	}
	return false
}

// worthMoving is how many levels a move must save: one more than nothing, so
// that two equal places never trade.
const worthMoving = 2

// improveMoves is how many viewers improve moves in one tree and event: one
// would not keep up where every event is a departure.
const improveMoves = 2

// improveTries bounds how many viewers on the deepest path improve looks at.
const improveTries = 8

// improve shortens the deepest path of t when that saves enough: it moves the
// viewer nearest the top whose subtree can hang higher. A move or two an event
// keep trees shallow after many departures, and every event small.
func (c *cell) improve(t *tree) (moved bool) {
	deepest := none
	for v, p := range t.parent {
		if p >= 0 && (deepest == none || t.depth[v] > t.depth[deepest]) {
			deepest = int32(v)
		}
	}
	if deepest == none || t.depth[deepest] <= 1+worthMoving {
		return false
	}
	highest := far
	open := c.open(t)
	for _, p := range open {
		highest = min(highest, t.depth[p])
	}
	if highest+1+worthMoving > t.depth[deepest] {
		return false
	}
	path := c.path[:0]
	for v := deepest; v >= 0 && t.depth[v] >= highest+1+worthMoving; v = t.parent[v] {
		path = append(path, v)
	}
	c.path = path
	for i := len(path) - 1; i >= max(0, len(path)-improveTries); i-- {
		v := path[i]
		if p := t.parent[v]; p >= 0 && c.isMate(v, p) {
			continue // that hop costs no time
		}
		for _, try := range [2]struct {
			limit int
			saves int32
		}{{c.cfg.MaxPeers, worthMoving}, {c.cfg.HardPeers, 2 * worthMoving}} {
			if p := c.choose(t, v, none, open, try.limit, improveCost); p != none && t.depth[p]+1+try.saves <= t.depth[v] {
				c.detach(t, v)
				c.attach(t, v, p)
				return true
			}
		}
		if c.canLead(t, v) {
			if w := c.findWeaker(t, v, t.depth[v]-worthMoving+1); w != none {
				c.detach(t, v)
				c.displace(t, v, w)
				return true
			}
		}
	}
	return false
}

// promote moves v, which has become able to feed others, to a weaker viewer's
// place nearer the top of t.
func (c *cell) promote(t *tree, v int32) {
	if w := c.findWeaker(t, v, t.depth[v]); w != none {
		c.detach(t, v)
		c.displace(t, v, w)
	}
}

// smallCell is how many viewers a tree of a cell may have for roots to be
// shared: then one root can be the only interior viewer of several trees, and
// making it a child there costs one level of a shallow tree.
const smallCell = 4

// shareRoots lets v, new or newly able to upload, take over trees from viewers
// that are root of at least two more than it is: two viewers are each
// root of half the slices.
func (c *cell) shareRoots(v int32) {
	n := c.nodes[v]
	if n.solo || n.primary == nil || c.count > smallCell*len(c.trees) {
		return
	}
	for range c.trees {
		t := c.rootToShare(v)
		if t == nil {
			return
		}
		r := t.roots[0]
		c.detach(t, v)
		c.detach(t, r)
		c.attach(t, v, edge)
		c.attach(t, r, v)
	}
}

// rootToShare finds the tree that v should take over from its root: from the
// viewer with most, and not its primary tree where there is another.
func (c *cell) rootToShare(v int32) *tree {
	mine := c.rootCount(v)
	var best *tree
	var bestCount int
	var bestPrimary bool
	for _, t := range c.trees {
		if !t.has(v) || len(t.roots) != 1 || !c.canServe(t, v) {
			continue
		}
		r := t.roots[0]
		count := c.rootCount(r)
		if r == v || count < mine+2 || c.nodes[v].isApart(r) || !c.canLink(v, r) {
			continue
		}
		primary := c.nodes[r].primary == t
		if best == nil || count > bestCount || count == bestCount && bestPrimary && !primary {
			best, bestCount, bestPrimary = t, count, primary
		}
	}
	return best
}

// canLink reports whether two viewers are paired or both have room for it.
func (c *cell) canLink(a, b int32) bool {
	return c.linked(a, b) || len(c.nodes[a].links) < c.cfg.MaxPeers && len(c.nodes[b].links) < c.cfg.MaxPeers
}

// rootCount is the number of trees in which the edge feeds v.
func (c *cell) rootCount(v int32) int {
	count := 0
	for _, t := range c.trees {
		if t.parent[v] == edge {
			count++
		}
	}
	return count
}

// rootViewers counts the viewers that the edge feeds in some tree.
func (c *cell) rootViewers() int {
	count := 0
	for v := range c.nodes {
		if c.nodes[v] != nil && c.rootCount(int32(v)) > 0 {
			count++
		}
	}
	return count
}

// relieveTries bounds how many pairs relieve looks at in one event. Where all
// are needed, trying every one would cost more than the event itself.
const relieveTries = 4

// relieve brings a viewer with more than MaxPeers neighbours nearer to that: a
// pair that shares one relation only finds another for it. One move an event;
// the next event goes on with the next viewer.
func (c *cell) relieve() {
	tries := relieveTries
	for range c.nodes {
		c.crowd = (c.crowd + 1) % len(c.nodes)
		v := int32(c.crowd)
		n := c.nodes[v]
		if n == nil || len(n.links) <= c.cfg.MaxPeers {
			continue
		}
		for _, l := range n.links {
			if l.uses > 1 {
				continue
			}
			if tries--; tries < 0 || c.part(v, l.peer) {
				return
			}
		}
	}
}

// repay finds a child of a viewer that has gone into its reserve a place with
// another that has not. One viewer is looked at in an event.
func (c *cell) repay() {
	for range c.nodes {
		c.debt = (c.debt + 1) % len(c.nodes)
		v := int32(c.debt)
		if c.nodes[v] == nil || c.spare[v] >= 0 {
			continue
		}
		for _, t := range c.trees {
			if !t.has(v) || len(t.kids[v]) == 0 {
				continue
			}
			k := t.kids[v][len(t.kids[v])-1]
			p := c.choose(t, k, v, c.open(t), c.cfg.MaxPeers, levelCost)
			if p != none && t.depth[p] <= t.depth[v]+worthMoving {
				c.detach(t, k)
				c.attach(t, k, p)
				break
			}
		}
		return
	}
}

// part moves the only relation of two viewers elsewhere, if it can.
func (c *cell) part(a, b int32) bool {
	for _, t := range c.trees {
		for _, pair := range [2][2]int32{{a, b}, {b, a}} {
			v, p := pair[0], pair[1]
			if !t.has(v) {
				continue
			}
			if t.backup[v] == p {
				c.setBackup(t, v, edge)
				return true
			}
			if t.parent[v] != p {
				continue
			}
			other := c.choose(t, v, p, c.open(t), c.cfg.MaxPeers, levelCost)
			if other == none || t.depth[other] > t.depth[p]+worthMoving {
				return false
			}
			c.detach(t, v)
			c.attach(t, v, other)
			return true
		}
	}
	return false
}
