package swarm

import "slices"

// Assignment is a viewer's whole place in the overlay.
type Assignment struct {
	Tracks   []TrackAssignment // in the catalog's order
	Children []string          // may subscribe: children, and those whose backup this is
	Peers    []string          // all viewers it is paired with, children and parents included
}

// TrackAssignment names who feeds the slices of one track, by slice number.
type TrackAssignment struct {
	Name   string
	Slices []SliceAssignment
}

// SliceAssignment names a viewer, or Edge.
type SliceAssignment struct {
	Parent, Backup string
}

// Assignment gives a viewer's place, or false for one that is not there.
func (s *Swarm) Assignment(id string) (Assignment, bool) {
	r, ok := s.where[id]
	if !ok {
		return Assignment{}, false
	}
	return r.cell.assignment(r.slot), true
}

func (c *cell) assignment(v int32) Assignment {
	a := Assignment{Tracks: []TrackAssignment{}, Children: []string{}, Peers: []string{}}
	for _, t := range c.trees {
		if !t.has(v) {
			continue
		}
		if n := len(a.Tracks); n == 0 || a.Tracks[n-1].Name != t.track {
			a.Tracks = append(a.Tracks, TrackAssignment{Name: t.track})
		}
		last := &a.Tracks[len(a.Tracks)-1]
		last.Slices = append(last.Slices, SliceAssignment{Parent: c.name(t.parent[v]), Backup: c.name(t.backup[v])})
	}
	for _, l := range c.nodes[v].links {
		a.Peers = append(a.Peers, c.nodes[l.peer].id)
		if c.serves(v, l.peer) {
			a.Children = append(a.Children, c.nodes[l.peer].id)
		}
	}
	slices.Sort(a.Peers)
	slices.Sort(a.Children)
	return a
}

func (c *cell) name(v int32) string {
	if v < 0 {
		return Edge
	}
	return c.nodes[v].id
}

// serves reports whether peer may subscribe to v in some tree.
func (c *cell) serves(v, peer int32) bool {
	for _, t := range c.trees {
		if t.has(peer) && (t.parent[peer] == v || t.backup[peer] == v) {
			return true
		}
	}
	return false
}
