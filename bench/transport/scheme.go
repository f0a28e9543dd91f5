package transport

// Parity says what is sent beside the data.
type Parity string

// The kinds of parity.
const (
	NoParity Parity = ""
	// ChunkParity adds to each slice the XOR of its chunks, from its own parent.
	ChunkParity Parity = "chunk"
	// SliceParity adds a slice, from one more parent: the XOR of all slices.
	SliceParity Parity = "slice"
)

// Forever is for Scheme.Retransmits: reliable.
const Forever = -1

// Scheme is a way of sending.
type Scheme struct {
	Name string `json:"name"`
	// Slices a part is cut into, one parent each.
	Slices int `json:"slices"`
	// Chunk is the largest size of a chunk, bytes.
	Chunk   int  `json:"chunk"`
	Ordered bool `json:"ordered,omitempty"`
	// Paced sends through a token bucket at the uplink's rate and stops at the
	// channel's high mark; otherwise all goes into the channel at once.
	Paced bool `json:"paced,omitempty"`
	// Pace is the bucket's rate as a share of the uplink; 0 is 1. Payload alone
	// passes the bucket, so at 1 the headers overflow the line.
	Pace float64 `json:"pace,omitempty"`
	// Burst is the bucket's size, bytes; 0 is the peer's own.
	Burst int `json:"burst,omitempty"`
	// Drawn serves one child after the other, in an order drawn for each part
	// that is the same at all parents; otherwise one chunk a child in turn.
	Drawn bool `json:"drawn,omitempty"`
	// Retransmits is how often a lost packet is sent again; Forever is always.
	Retransmits int `json:"retransmits"`
	// LifetimeMS is for how long it is, in its place when not 0.
	LifetimeMS int    `json:"lifetimeMs,omitempty"`
	Parity     Parity `json:"parity,omitempty"`
	// QuietMS after the latest chunk of a slice, what is missing of it is
	// repaired. RTTs is added to it in round trips, for a retransmission, and
	// Gaps in usual times between two chunks of the slice.
	QuietMS int     `json:"quietMs"`
	Gaps    float64 `json:"gaps,omitempty"`
	// PatienceMS after a part's header, everything missing is repaired; 0 is
	// the peer's rule for the whole distance from the live edge.
	PatienceMS int     `json:"patienceMs,omitempty"`
	RTTs       float64 `json:"rtts,omitempty"`
	// GapMS after a later chunk of the slice came, a missing one is repaired;
	// 0 is never.
	GapMS int `json:"gapMs,omitempty"`
	// MinWindow is pion's least congestion window, bytes; 0 is one packet.
	MinWindow uint32 `json:"minWindow,omitempty"`
}

// Sizes of chunks: what the packager makes, and what fills one packet.
const (
	fullChunk   = 16 << 10
	packetChunk = 1100
)

// peer is the plainest scheme of pushing: unordered, reliable, through a bucket
// at the uplink's rate, in 16 KiB chunks; what is missing is repaired 60 ms
// after a slice falls silent.
func peer() Scheme {
	return Scheme{Name: "reliable paced", Slices: 4, Chunk: fullChunk, Paced: true, Retransmits: Forever, QuietMS: 60}
}

// patient leaves SCTP the time of a retransmission, and the uplink that of an
// IDR, before something is repaired.
func patient() Scheme {
	s := peer()
	s.Name, s.RTTs, s.Gaps, s.PatienceMS = "patient", 2, 2, 750
	return s
}

// smooth keeps the queue of the line short: the bucket leaves room for headers
// and retransmissions, and lets little through at once.
func smooth() Scheme {
	s := patient()
	s.Name, s.Pace, s.Burst, s.Chunk = "smooth", 0.85, 4<<10, 4<<10
	return s
}

// fragile is smooth with limited retransmission and one packet a chunk, so that
// a lost packet takes nothing else with it.
func fragile(name string, retransmits int) Scheme {
	s := smooth()
	s.Name, s.Retransmits, s.Chunk, s.GapMS, s.RTTs = name, retransmits, packetChunk, 15, 0
	return s
}

// Schemes are those of the whole table.
func Schemes() []Scheme {
	naive := peer()
	naive.Name, naive.Ordered, naive.Paced = "ordered burst", true, false
	large := smooth()
	largeWindow := smooth()
	largeWindow.Name, largeWindow.Chunk, largeWindow.MinWindow = "smooth, window of 32 KiB, 16 KiB chunks", fullChunk, minWindow
	large.Name, large.Chunk = "smooth, 16 KiB chunks", fullChunk
	window := smooth()
	window.Name, window.MinWindow = "smooth, window of 32 KiB", minWindow
	drawn := window
	drawn.Name, drawn.Drawn = "smooth, window of 32 KiB, child after child", true
	none := fragile("no retransmission", 0)
	open := windowed("no retransmission, window of 32 KiB", 0)
	once := windowed("one retransmission, window of 32 KiB", 1)
	once.RTTs, once.GapMS = 2, 0
	lifetime := windowed("retransmission for 150 ms, window of 32 KiB", Forever)
	lifetime.LifetimeMS, lifetime.RTTs, lifetime.GapMS = 150, 2, 0
	chunk := windowed("no retransmission, window of 32 KiB, parity chunk a slice", 0)
	chunk.Parity = ChunkParity
	slice := windowed("no retransmission, window of 32 KiB, parity slice", 0)
	slice.Parity = SliceParity
	sure := window
	sure.Name, sure.Parity = "smooth, window of 32 KiB, parity slice", SliceParity
	// A bucket that thinks the line twice as fast as it is: does SCTP hold back?
	over, overWindow := smooth(), window
	over.Name, over.Pace = "twice the line", 2
	overWindow.Name, overWindow.Pace = "twice the line, window of 32 KiB", 2
	return []Scheme{naive, peer(), patient(), smooth(), large, window, largeWindow, drawn, none, open, once, lifetime, chunk, slice, sure, over, overWindow}
}

// minWindow is more than a slice's share of the largest bandwidth-delay
// product here, 1 Mbit/s × 200 ms, so that the bucket and not SCTP paces.
const minWindow = 32 << 10

// windowed is fragile with that window.
func windowed(name string, retransmits int) Scheme {
	s := fragile(name, retransmits)
	s.MinWindow, s.RTTs = minWindow, 0.5
	return s
}

// Sizes are ways of sending over numbers of slices and sizes of chunks: with
// the window of 32 KiB, without it (as in browsers, which have no such
// setting), and without retransmission.
func Sizes() []Scheme {
	var out []Scheme
	for _, k := range []int{2, 4, 6, 8} {
		for _, size := range []int{packetChunk, 4 << 10, fullChunk} {
			floor, plain := smooth(), smooth()
			floor.Name, floor.MinWindow = named("smooth, window of 32 KiB", k, size), minWindow
			plain.Name = named("smooth", k, size)
			none := windowed(named("no retransmission, window of 32 KiB", k, size), 0)
			for _, s := range []Scheme{floor, plain, none} {
				if s.Slices, s.Chunk = k, size; s.Retransmits != 0 || size == packetChunk {
					out = append(out, s)
				}
			}
		}
	}
	return out
}
