package swarm

import (
	"cmp"
	"slices"
)

// setCatalog makes the cell's trees those of tracks.
func (c *cell) setCatalog(tracks []Track) {
	old := c.trees
	c.trees = nil
	for _, track := range tracks {
		k := max(track.Slices, 1)
		kept := slices.DeleteFunc(slices.Clone(old), func(t *tree) bool { return t.track != track.Name })
		for s := range k {
			if len(kept) == k {
				c.setRate(kept[s], sliceRate(track.Bitrate, k))
				c.trees = append(c.trees, kept[s])
			} else {
				c.trees = append(c.trees, newTree(track.Name, s, k, track.Bitrate, len(c.nodes)))
			}
		}
	}
	for _, t := range old {
		if !slices.Contains(c.trees, t) {
			c.fell(t)
		}
	}
	c.replant()
}

// setRate changes what a child costs. Viewers that are over their budget then
// are relieved by replant.
func (c *cell) setRate(t *tree, rate int64) {
	if t.rate == rate {
		return
	}
	t.places = 0
	for v, n := range c.nodes {
		if n == nil {
			continue
		}
		c.spare[v] -= (rate - t.rate) * int64(len(t.kids[v]))
		if n.primary == t {
			t.places += n.budget / rate
		}
	}
	t.rate = rate
}

// fell takes a tree down that is no longer in the catalog.
func (c *cell) fell(t *tree) {
	for v, n := range c.nodes {
		if n == nil {
			continue
		}
		if n.primary == t {
			c.setPrimary(int32(v), nil)
		}
		if t.has(int32(v)) {
			c.quit(t, int32(v))
		}
	}
}

// replant brings every viewer into the trees of the tracks it wants, those
// first that can feed others.
func (c *cell) replant() {
	order := make([]int32, 0, c.count)
	for v, n := range c.nodes {
		if n != nil {
			order = append(order, int32(v))
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		na, nb := c.nodes[a], c.nodes[b]
		return cmp.Or(-cmp.Compare(min(na.budget, 1), min(nb.budget, 1)), cmp.Compare(na.tenure, nb.tenure))
	})
	for _, v := range order {
		for _, t := range c.trees {
			if !t.has(v) && slices.Contains(c.nodes[v].wants, t.track) {
				t.enter(v)
			}
		}
		if p := c.nodes[v].primary; p != nil && c.nodes[v].budget < p.rate {
			c.setPrimary(v, nil)
		}
		c.choosePrimary(v)
	}
	for _, v := range order {
		c.shed(v)
		c.placeAll(v)
	}
}
