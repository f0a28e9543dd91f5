package swarm

import (
	"hash/fnv"
	"slices"
)

// Locality says where a viewer is, as far as the tracker knows.
type Locality struct {
	// LAN names the line: viewers with equal ones reach the Internet by one
	// address and are most likely in one house or office. Empty: unknown.
	LAN string
	// ASN is the number of the autonomous system; 0: unknown.
	ASN uint32
	// Region is a country, province or whatever the operator distinguishes.
	// Empty: unknown.
	Region string
}

// place is a Locality in a form that is quick to compare; 0: unknown.
type place struct{ lan, asn, region uint64 }

func placeOf(l Locality) place {
	return place{lan: nameHash(l.LAN), asn: uint64(l.ASN), region: nameHash(l.Region)}
}

// nameHash stands for a name. That two names share one only makes a pair look
// nearer than it is.
func nameHash(s string) uint64 {
	if s == "" {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(s)) // never fails
	return max(h.Sum64(), 1)
}

// Credits of choose for a parent that is near, in quarters of a level. A hop
// within a house costs no time and nobody's line, so it goes before everything.
// For the others, TestLocalityShape shows what more credit would buy in local
// bytes and cost in depth.
const (
	lanCredit    = 40
	asnCredit    = 6
	regionCredit = 4
)

// credit is what a pair is preferred by.
func (p place) credit(q place) int32 {
	switch {
	case p.lan != 0 && p.lan == q.lan:
		return lanCredit
	case p.asn != 0 && p.asn == q.asn:
		return asnCredit
	case p.region != 0 && p.region == q.region:
		return regionCredit
	}
	return 0
}

// mateTries bounds how many viewers of one LAN are looked at: in an office all
// are near, and any will do.
const mateTries = 4

// isMate reports whether a and b are in one LAN.
func (c *cell) isMate(a, b int32) bool {
	lan := c.nodes[a].at.lan
	return lan != 0 && c.nodes[b].at.lan == lan
}

// mates lists some viewers of v's LAN, those who came first.
func (c *cell) mates(v int32) []int32 {
	all := c.lans[c.nodes[v].at.lan]
	if len(all) < 2 {
		return nil
	}
	return all[:min(len(all), mateTries)]
}

// enterLAN and leaveLAN keep the lists of mates.
func (c *cell) enterLAN(v int32) {
	if lan := c.nodes[v].at.lan; lan != 0 {
		c.lans[lan] = append(c.lans[lan], v)
	}
}

func (c *cell) leaveLAN(v int32) {
	lan := c.nodes[v].at.lan
	if lan == 0 {
		return
	}
	rest := slices.DeleteFunc(c.lans[lan], func(m int32) bool { return m == v })
	if c.lans[lan] = rest; len(rest) == 0 {
		delete(c.lans, lan)
	}
}

// makeRoom finds a place below a mate that has none left: it takes a child from
// it that is not in the LAN, and gives that back as an orphan. none: no mate
// can take v.
func (c *cell) makeRoom(t *tree, v int32) (mate, orphan int32) {
	for _, m := range c.mates(v) {
		if m == v || !t.has(m) || c.spare[m] >= t.rate || t.below(m, v) {
			continue
		}
		if n := c.nodes[m]; n.away || n.solo || n.isApart(v) || t.parent[m] < edge {
			continue
		}
		for i := len(t.kids[m]) - 1; i >= 0; i-- {
			k := t.kids[m][i]
			if c.isMate(m, k) || !c.linked(v, m) && len(c.nodes[v].links) >= c.cfg.MaxPeers {
				continue
			}
			// The connection that k gives up makes room for v's.
			if !c.linked(v, m) && len(c.nodes[m].links) >= c.cfg.MaxPeers && !c.nodes[m].onlyUse(k) {
				continue
			}
			c.detach(t, k)
			return m, k
		}
	}
	return none, none
}

// gather brings mates of v that get a slice from afar below v, which has come
// to a better place.
func (c *cell) gather(v int32) {
	for _, m := range c.mates(v) {
		if m == v {
			continue
		}
		for _, t := range c.trees {
			if !t.has(v) || !t.has(m) || t.parent[m] < 0 || t.parent[v] < edge || c.isMate(m, t.parent[m]) || t.depth[v] > t.depth[m] {
				continue
			}
			if t.below(v, m) || !c.canServe(t, v) || c.nodes[v].isApart(m) || c.nodes[m].solo || !c.canLink(v, m) {
				continue
			}
			c.detach(t, m)
			c.attach(t, m, v)
		}
	}
}

// regionCell is how many viewers a region must have for cells of its own, in
// a swarm that fills more than one: fewer would be left among few peers.
const regionCell = 100

// cellFor chooses the cell of a viewer that joins: the oldest with room, since
// fewer cells are fewer copies of the stream from the edge. In a swarm of
// several cells, a region with many viewers has its own.
func (s *Swarm) cellFor(at place) *cell {
	home := at.region
	if len(s.where) < s.cfg.MaxCell || s.regions[home] < regionCell {
		home = 0
	}
	for _, c := range s.cells {
		if c.count < s.cfg.MaxCell && (c.home == home || home == 0 && c.home == at.region) {
			return c
		}
	}
	if home == 0 {
		for _, c := range s.cells {
			if c.count < s.cfg.MaxCell {
				return c
			}
		}
	}
	c := newCell(s.cfg)
	c.home = home
	c.now = s.now
	c.setCatalog(s.tracks)
	s.cells = append(s.cells, c)
	return c
}
