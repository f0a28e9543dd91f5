// Package swarm is the overlay policy of docs/overlay.md: who gets which slice
// from whom. It is a deterministic state machine with no goroutine, socket or
// clock: the tracker feeds it events and sends out what changed, and a
// simulation can do the same in virtual time.
package swarm

import (
	"errors"
	"slices"
)

// Edge stands for the edge where a parent or backup is named.
const Edge = "edge"

// Errors of Join.
var (
	ErrDuplicate = errors.New("the viewer is in the swarm already")
	ErrBanned    = errors.New("the viewer is banned from the swarm")
)

// Config bounds the overlay. The zero value is the documented default.
type Config struct {
	// MaxPeers is how many neighbours a viewer has at most while any other
	// viewer can take its place: default 10. A browser holds tens of
	// connections well, but each costs keep-alives and setup at every change.
	MaxPeers int
	// HardPeers is the bound that is never passed, default MaxPeers*2. The room
	// between the two is used only when the edge would have to feed otherwise.
	HardPeers int
	// Spread is how many different parents a viewer should have: default 3. More
	// lose less when one leaves; each costs a connection at both ends.
	Spread int
	// MaxCell bounds a cell in viewers: default 1,000. It keeps a cell's
	// work small; every cell costs one more copy of the stream from the edge.
	MaxCell int
	// MaxLost is with how many present viewers one viewer may fail to connect
	// before it is left to the edge: default 8, and as many more for every
	// neighbour that it is connected with. Behind a network that drops UDP every
	// further try would only disturb others.
	MaxLost int
}

func (c Config) withDefaults() Config {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&c.MaxPeers, 10)
	set(&c.HardPeers, c.MaxPeers*2)
	c.HardPeers = max(c.HardPeers, c.MaxPeers)
	set(&c.Spread, 3)
	set(&c.MaxCell, 1000)
	set(&c.MaxLost, 8)
	return c
}

// Viewer describes a viewer that joins.
type Viewer struct {
	ID       string   // unique in the swarm, not Edge
	Uplink   int64    // bit/s it may upload; 0: it is a leaf everywhere
	Tracks   []string // tracks wanted; unknown names wait for the catalog
	Locality Locality // near viewers are preferred as pairs
}

// Track describes one track of the catalog.
type Track struct {
	Name    string
	Slices  int   // K, the number of its trees
	Bitrate int64 // bit/s of the whole track
}

// Swarm is all viewers of one stream. It is not safe for concurrent use. The
// methods that change it return the viewers whose Assignment may differ now, in
// order of tenure; a viewer that left is not among them.
type Swarm struct {
	cfg    Config
	tracks []Track
	cells  []*cell
	where  map[string]ref
	banned map[string]struct{}
	tenure uint64
	now    int64 // ms, as of the last Tick
	// regions counts viewers by region.
	regions map[uint64]int
}

// ref is where a viewer is kept.
type ref struct {
	cell *cell
	slot int32
}

// New makes an empty swarm without tracks.
func New(cfg Config) *Swarm {
	return &Swarm{cfg: cfg.withDefaults(), where: map[string]ref{}, banned: map[string]struct{}{}, regions: map[uint64]int{}}
}

// Config gives the bounds in force, defaults filled in.
func (s *Swarm) Config() Config { return s.cfg }

// Len is the number of viewers.
func (s *Swarm) Len() int { return len(s.where) }

// Cells is the number of cells.
func (s *Swarm) Cells() int { return len(s.cells) }

// Has reports whether the viewer is in the swarm.
func (s *Swarm) Has(id string) bool {
	_, ok := s.where[id]
	return ok
}

// SetCatalog replaces the tracks. Trees of tracks whose K is unchanged stay.
func (s *Swarm) SetCatalog(tracks []Track) []string {
	if slices.Equal(s.tracks, tracks) {
		return nil
	}
	s.tracks = slices.Clone(tracks)
	var out []string
	for _, c := range s.cells {
		c.setCatalog(s.tracks)
		out = append(out, c.finish()...)
	}
	return out
}

// Join adds a viewer. It fails for one that is there already or was banned.
func (s *Swarm) Join(v Viewer) ([]string, error) {
	if _, ok := s.where[v.ID]; ok || v.ID == Edge {
		return nil, ErrDuplicate
	}
	if _, ok := s.banned[v.ID]; ok {
		return nil, ErrBanned
	}
	at := placeOf(v.Locality)
	c := s.cellFor(at)
	s.tenure++
	s.regions[at.region]++
	slot := c.join(v, s.tenure)
	s.where[v.ID] = ref{c, slot}
	return c.finish(), nil
}

// Leave removes a viewer and finds its children other parents.
func (s *Swarm) Leave(id string) []string {
	r, ok := s.where[id]
	if !ok {
		return nil
	}
	delete(s.where, id)
	region := r.cell.nodes[r.slot].at.region
	if s.regions[region]--; s.regions[region] == 0 {
		delete(s.regions, region)
	}
	r.cell.leave(r.slot)
	if r.cell.count == 0 {
		s.cells = slices.DeleteFunc(s.cells, func(c *cell) bool { return c == r.cell })
		return nil
	}
	return r.cell.finish()
}

// Ban removes a viewer for good: a later Join with its id fails.
func (s *Swarm) Ban(id string) []string {
	s.banned[id] = struct{}{}
	return s.Leave(id)
}

// SetTracks says that the viewer wants other tracks now.
func (s *Swarm) SetTracks(id string, tracks []string) []string {
	r, ok := s.where[id]
	if !ok {
		return nil
	}
	r.cell.setTracks(r.slot, tracks)
	return r.cell.finish()
}

// SetUplink says that the viewer may upload so many bit/s from now on.
func (s *Swarm) SetUplink(id string, uplink int64) []string {
	r, ok := s.where[id]
	if !ok {
		return nil
	}
	r.cell.setUplink(r.slot, uplink)
	return r.cell.finish()
}

// SetAway marks a viewer that the tracker no longer hears: it keeps its place,
// since its peers may still hear it, but gets no new child.
func (s *Swarm) SetAway(id string, away bool) []string {
	r, ok := s.where[id]
	if !ok || r.cell.nodes[r.slot].away == away {
		return nil
	}
	r.cell.nodes[r.slot].away = away
	return r.cell.finish()
}

// SetConnected notes how many open connections a viewer says it has. It changes
// no assignment: who has some is not left to the edge for losing others.
func (s *Swarm) SetConnected(id string, n int) {
	if r, ok := s.where[id]; ok {
		r.cell.nodes[r.slot].connected = min(max(n, 0), s.cfg.HardPeers)
	}
}

// Lost separates two viewers that could not connect, until Reconcile, or until
// one leaves: neither will be the other's parent, child or backup.
func (s *Swarm) Lost(a, b string) []string { return s.separate(a, b, true) }

// Avoid separates two viewers that did connect, for another reason. However many
// others a viewer is separated from in this way, it is not left to the edge.
func (s *Swarm) Avoid(a, b string) []string { return s.separate(a, b, false) }

func (s *Swarm) separate(a, b string, lost bool) []string {
	ra, okA := s.where[a]
	rb, okB := s.where[b]
	if !okA || !okB || a == b || ra.cell != rb.cell {
		return nil
	}
	ra.cell.separate(ra.slot, rb.slot, lost)
	return ra.cell.finish()
}

// Slow moves what child gets from parent to others, as far as any can take it.
// The two stay together otherwise, and may meet again: in a small swarm there
// is nobody else.
func (s *Swarm) Slow(child, parent string) []string {
	rc, okC := s.where[child]
	rp, okP := s.where[parent]
	if !okC || !okP || child == parent || rc.cell != rp.cell {
		return nil
	}
	rc.cell.moveAway(rc.slot, rp.slot)
	return rc.cell.finish()
}

// Reconcile ends the separation of two viewers. Each of them that was left to
// the edge and is separated from fewer than MaxLost others now comes back into
// the trees, also when the other one has left since.
func (s *Swarm) Reconcile(a, b string) []string {
	var c *cell
	var slots []int32
	for _, id := range [2]string{a, b} {
		r, ok := s.where[id]
		if !ok {
			continue
		}
		if c != nil && c != r.cell {
			return nil // they never met
		}
		c = r.cell
		slots = append(slots, r.slot)
	}
	if c == nil || !c.reconcile(slots) {
		return nil
	}
	return c.finish()
}

// Solo reports whether the viewer is left to the edge, because it could not
// connect with MaxLost others or more.
func (s *Swarm) Solo(id string) bool {
	r, ok := s.where[id]
	return ok && r.cell.nodes[r.slot].solo
}

// Neighbours reports whether two viewers are paired.
func (s *Swarm) Neighbours(a, b string) bool {
	ra, okA := s.where[a]
	rb, okB := s.where[b]
	return okA && okB && ra.cell == rb.cell && ra.cell.linked(ra.slot, rb.slot)
}

// Roots counts the viewers that the edge feeds in some slice tree.
func (s *Swarm) Roots() int {
	n := 0
	for _, c := range s.cells {
		n += c.rootViewers()
	}
	return n
}
