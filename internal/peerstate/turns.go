package peerstate

// Turns shares the uplink among neighbours: one chunk each in turn. Who has
// nothing to send, or whose channel is full, is passed over and holds nobody
// up; while the bucket is empty it stays the turn of whoever came next, so
// that a bucket that fills chunk by chunk serves all.
type Turns struct{ next int }

// Pick gives the neighbour whose turn it is, of n in a fixed order, among those
// that are ready; -1 when none is.
func (t *Turns) Pick(n int, ready func(int) bool) int {
	for k := range n {
		if i := (t.next + k) % n; ready(i) {
			return i
		}
	}
	return -1
}

// Served notes that neighbour i got its chunk.
func (t *Turns) Served(i int) { t.next = i + 1 }

// Gone notes that neighbour i was taken out of the order.
func (t *Turns) Gone(i int) {
	if t.next > i {
		t.next--
	}
}
