package peerstate

// What is assumed of the edge before it has answered anything: the first guess
// must not be too good.
const (
	firstByteGuessMS = 50
	edgeRateGuess    = 312.5 // bytes a ms: 2.5 Mbit/s
	// edgeRateMax keeps one answer out of a cache from hiding the line.
	edgeRateMax = 12_500
	// minReserveMS is kept beside the transfer, whatever was measured.
	minReserveMS = 150
	// Weights of a sample, as divisors. A busy machine makes answers look slow,
	// nothing makes them look fast: good samples count more.
	edgeBetter = 2
	edgeWorse  = 4
	// timeoutMS and two round trips are what a lost packet costs; what takes longer
	// was the machine.
	timeoutMS = 200
	// smallAnswer bytes and less tell nothing about the rate.
	smallAnswer = 8 << 10
)

// EdgeRate is how fast the edge answers requests by HTTP: it gives the last
// moment at which asking still helps (docs/repair.md rule 18).
type EdgeRate struct {
	bytesPerMS, firstByteMS float64
	overrunMS               float64 // by how much answers take longer than both say
}

// NewEdgeRate begins with the guesses.
func NewEdgeRate() EdgeRate {
	return EdgeRate{bytesPerMS: edgeRateGuess, firstByteMS: firstByteGuessMS}
}

// Note takes an answer: its bytes, the time to the first of them, and to the
// last, in ms.
func (e *EdgeRate) Note(bytes int, firstByteMS, totalMS int64) {
	first, total := float64(firstByteMS), float64(totalMS)
	// A packet lost costs a round trip or a time-out now and then, which no mean
	// shows: late answers are followed quickly and forgotten slowly.
	overrun := min(total-e.firstByteMS-float64(bytes)/e.bytesPerMS, 2*e.firstByteMS+timeoutMS)
	if overrun > e.overrunMS {
		e.overrunMS += (overrun - e.overrunMS) / 2
	} else {
		e.overrunMS += -e.overrunMS / 16
	}
	e.firstByteMS += (first - e.firstByteMS) / edgeWeight(first < e.firstByteMS)
	if bytes < smallAnswer {
		return
	}
	rate := float64(bytes) / max(total-first, 1)
	e.bytesPerMS += (min(rate, edgeRateMax) - e.bytesPerMS) / edgeWeight(rate > e.bytesPerMS)
}

func edgeWeight(isBetter bool) float64 {
	if isBetter {
		return edgeBetter
	}
	return edgeWorse
}

// ReserveMS is the time to leave for an answer of that many bytes, one of whose
// packets may be lost.
func (e *EdgeRate) ReserveMS(bytes int) int64 {
	return int64(max(minReserveMS, 3*e.firstByteMS, e.firstByteMS+e.overrunMS) + float64(bytes)/e.bytesPerMS)
}

// EdgeAnswered tells how fast the edge answered a request.
func (v *Viewer) EdgeAnswered(bytes int, firstByteMS, totalMS int64) {
	v.edge.Note(bytes, firstByteMS, totalMS)
}

// Sized tells how many bytes a part has, as its verified header says.
func (v *Viewer) Sized(k Key, bytes int) {
	if t := v.track(k.Track); t != nil {
		if p := t.part(k.ID); p != nil {
			p.size = bytes
		}
	}
}

// bytes is the size of so many chunks of a part; of one whose header is not
// there it is the whole of a usual part.
func (t *track) bytes(p *part, chunks int) int {
	size := p.size
	if size == 0 {
		size = int(int64(t.Bitrate) * t.PartMS / 8000)
	}
	if n := p.Have.Len(); n > 0 {
		return size * chunks / n
	}
	return size
}

// edgeMS is how long the edge would take to bring what is missing of a part,
// behind what it was asked for already.
func (v *Viewer) edgeMS(t *track, p *part) int64 {
	missing := p.Have.Len() - p.Have.Count()
	return v.edge.ReserveMS(t.bytes(p, missing) + v.fetching)
}

// countFetching sums up what the edge was asked for and has not answered.
func (v *Viewer) countFetching() {
	v.fetching = 0
	for _, t := range v.tracks {
		for _, p := range t.open() {
			for _, q := range p.Pending {
				if q.From != Edge {
					continue
				}
				count := q.Count
				if q.All {
					count = p.Have.Len()
				}
				v.fetching += t.bytes(p, count)
			}
		}
	}
}
