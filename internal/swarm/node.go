package swarm

import "slices"

// node is one viewer of a cell. Its slot is its index in the cell's arrays.
type node struct {
	id     string
	tenure uint64 // lower joined earlier
	budget int64  // bit/s it may spend on children: half its uplink
	wants  []string
	at     place
	joined int64 // ms, as of the Tick before
	// connected is how many connections it says are open.
	connected int
	primary   *tree // where it should be interior; nil: nowhere
	links     []link
	// apart are the slots it is separated from, and whether it could not connect
	// with them; nil until the first.
	apart map[int32]bool
	lost  int  // of these, those it could not connect with
	away  bool // gets no new child
	solo  bool // separated from too many: fed by the edge, feeds nobody
}

// link is a neighbour and for how many parent, child and backup relations.
type link struct {
	peer  int32
	uses  int32
	since int64 // ms, as of the Tick before
}

// headroom is the factor between a viewer's uplink and what is planned on it:
// retransmissions, repair and its other traffic need the rest.
const headroom = 2

// reserve is how much more than its budget a viewer spends where the edge would
// have to feed otherwise: four fifths of its uplink in all.
func (n *node) reserve() int64 { return n.budget * (headroom*4 - 5) / 5 }

func (n *node) isApart(slot int32) bool {
	_, ok := n.apart[slot]
	return ok
}

func (n *node) setApart(slot int32, lost bool) {
	if n.apart == nil {
		n.apart = map[int32]bool{}
	}
	n.apart[slot] = lost
	if lost {
		n.lost++
	}
}

func (n *node) endApart(slot int32) {
	if n.apart[slot] {
		n.lost--
	}
	delete(n.apart, slot)
}

func (n *node) find(peer int32) int {
	return slices.IndexFunc(n.links, func(l link) bool { return l.peer == peer })
}

// use counts one more relation with peer.
func (n *node) use(peer int32, now int64) {
	if i := n.find(peer); i >= 0 {
		n.links[i].uses++
		return
	}
	n.links = append(n.links, link{peer, 1, now})
}

// drop counts one relation with peer less.
func (n *node) drop(peer int32) {
	i := n.find(peer)
	if n.links[i].uses--; n.links[i].uses == 0 {
		n.links = slices.Delete(n.links, i, i+1)
	}
}

// onlyUse reports whether the pair would part if one relation ended.
func (n *node) onlyUse(peer int32) bool {
	i := n.find(peer)
	return i >= 0 && n.links[i].uses == 1
}

func (c *cell) linked(a, b int32) bool { return c.nodes[a].find(b) >= 0 }

func (c *cell) pair(a, b int32) {
	c.nodes[a].use(b, c.now)
	c.nodes[b].use(a, c.now)
}

func (c *cell) unpair(a, b int32) {
	c.nodes[a].drop(b)
	c.nodes[b].drop(a)
}
