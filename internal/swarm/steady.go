package swarm

// Times of the slow improvements, ms.
const (
	// matureAge is how long a viewer must have been there to become root of a
	// tree that has one: who has just come leaves soonest.
	matureAge = 10_000
	// handOverEvery is the least time between two rounds of moves of a cell that
	// nothing has happened to: what they disturb has settled by then.
	handOverEvery = 2_000
)

// rootPlaces is how many children a root is asked to carry: more change little,
// so that the strongest root is not sought for ever.
const rootPlaces = 8

// Tick tells the time, in ms of any clock that does not go back, and lets each
// cell hand one root over to a stronger viewer, if there is one that has been
// there for a while, and make the moves that end every event. It is to be called
// every second or so; a swarm that is never told the time keeps its roots.
func (s *Swarm) Tick(now int64) []string {
	s.now = max(now, s.now)
	var out []string
	for _, c := range s.cells {
		c.now = s.now
		if c.now-c.handedAt >= handOverEvery {
			c.handedAt = c.now
			c.handOver()
			out = append(out, c.finish()...)
		}
	}
	return out
}

// isMature reports whether v has been there for long enough to be relied on.
func (c *cell) isMature(v int32) bool { return c.now-c.nodes[v].joined >= matureAge }

// strength is how many children v could feed in t, up to what a root needs.
func (c *cell) strength(t *tree, v int32) int64 {
	return min(c.nodes[v].budget/t.rate, rootPlaces)
}

// handOver replaces one root by a viewer with at least twice its strength. Only
// the two change their places: the old root becomes a child of the new one, and
// both keep their children, so nobody else has to switch.
func (c *cell) handOver() {
	for range c.trees {
		c.rootTurn = (c.rootTurn + 1) % len(c.trees)
		t := c.trees[c.rootTurn]
		if len(t.roots) != 1 {
			continue
		}
		r := t.roots[0]
		v := c.successor(t, r)
		if v == none {
			continue
		}
		c.detach(t, v)
		c.detach(t, r)
		c.attach(t, v, edge)
		c.attach(t, r, v)
		return
	}
}

// successor finds who should be root of t in r's place: the strongest of those
// that are mature, and of these who has been there longest.
func (c *cell) successor(t *tree, r int32) int32 {
	best, need := none, 2*max(c.strength(t, r), 1)
	for slot, p := range t.parent {
		v := int32(slot)
		if p < 0 || !c.isMature(v) || !c.canRoot(t, v, r) {
			continue
		}
		s := c.strength(t, v)
		if s < need || best != none && s == c.strength(t, best) && c.nodes[v].tenure > c.nodes[best].tenure {
			continue
		}
		best, need = v, s
	}
	return best
}

// canRoot reports whether v may take r below itself.
func (c *cell) canRoot(t *tree, v, r int32) bool {
	n := c.nodes[v]
	return c.canLead(t, v) && c.rootCount(v) <= c.rootCount(r) && !n.isApart(r) && c.canLink(v, r)
}

// mayDepose reports whether v may take the place of the root w when it comes or
// becomes stronger: not while it is new and the root can feed others, because
// roots are to be those who stay.
func (c *cell) mayDepose(t *tree, v, w int32) bool {
	return t.parent[w] != edge || c.now == 0 || c.isMature(v) || c.nodes[w].primary != t && len(t.kids[w]) == 0
}
