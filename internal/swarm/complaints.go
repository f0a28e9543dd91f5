package swarm

// Times of complaints, ms.
const (
	// complaintAge is how long a complaint counts.
	complaintAge = 60_000
	// complaintsNeeded different children, at least half of all, make a viewer a
	// leaf, or both when it has two: one alone may be slow itself.
	complaintsNeeded = 3
	// firstSentence is how long a viewer is a leaf the first time. Doubled every
	// further time within an hour, up to maxSentence.
	firstSentence = 120_000
	maxSentence   = 3_600_000
)

// Complaints finds viewers that do not deliver what they are to pass on, by what
// their children say of them. Like all of this package it has no clock.
type Complaints struct {
	of map[string]*record
}

// record is what is known of one viewer.
type record struct {
	by        map[string]int64 // complainers and when
	ownAt     int64            // when it last complained itself
	complains bool             // it has
	until     int64            // it is a leaf until then
	times     int              // how often it was made one
}

// NewComplaints knows of nobody.
func NewComplaints() *Complaints { return &Complaints{of: map[string]*record{}} }

func (c *Complaints) record(id string) *record {
	r := c.of[id]
	if r == nil {
		r = &record{by: map[string]int64{}}
		c.of[id] = r
	}
	return r
}

// Slow notes that child left its parent because slices did not come; children is
// how many the parent has. It reports whether the parent is to be a leaf from
// now on, see Share. Who complains of its own parents is not to blame: it cannot
// pass on what it does not get.
func (c *Complaints) Slow(child, parent string, children int, now int64) bool {
	own := c.record(child)
	own.ownAt, own.complains = now, true
	r := c.record(parent)
	r.expire(now)
	if r.complains && now-r.ownAt <= complaintAge || now < r.until {
		return false
	}
	r.by[child] = now
	if len(r.by) < min(complaintsNeeded, max(children, 2)) || 2*len(r.by) < children {
		return false
	}
	if r.times > 0 && now-r.until > maxSentence {
		r.times = 0
	}
	sentence := int64(firstSentence)
	for i := 0; i < r.times && sentence < maxSentence; i++ {
		sentence *= 2
	}
	r.until, r.times = now+min(sentence, maxSentence), r.times+1
	clear(r.by)
	return true
}

func (r *record) expire(now int64) {
	for id, at := range r.by {
		if now-at > complaintAge {
			delete(r.by, id)
		}
	}
}

// FullShare is the Share of a viewer that nobody complains of.
const FullShare = 4

// Share is how many quarters of its uplink are to be planned with: one less when
// a child complained lately, none while it is a leaf.
func (c *Complaints) Share(id string, now int64) int64 {
	r := c.of[id]
	if r == nil {
		return FullShare
	}
	if now < r.until {
		return 0
	}
	r.expire(now)
	return FullShare - int64(min(len(r.by), 1))
}

// Pardon drops what was said of a viewer that has lowered its uplink by itself:
// it is planned with less already.
func (c *Complaints) Pardon(id string) {
	if r := c.of[id]; r != nil {
		clear(r.by)
	}
}

// Forget drops a viewer that has left.
func (c *Complaints) Forget(id string) { delete(c.of, id) }
