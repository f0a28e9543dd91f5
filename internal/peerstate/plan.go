package peerstate

import (
	"cmp"

	"starling/internal/media"
)

// PartState is all that the repair of one part depends on. Times are
// milliseconds on the caller's monotonic clock.
type PartState struct {
	SeenAt   int64 // first sign of life: a header or chunk came, or the playlist lists it
	Deadline int64 // when the player needs the whole part
	Header   bool  // a verified header is there; Have and Slices then describe its chunks
	Have     Bitmap
	Slices   []SliceState
	// Neighbours that announced the part, without those that failed it.
	Neighbours []Holder
	Pending    []Pending
	Strained   bool  // lateness is general: waiting is better than asking twice
	RetryAt    int64 // no edge fetch before this time, after one has failed
	// EdgeMS is how long the edge would take to bring what is missing; 0: not
	// longer than the rules allow for.
	EdgeMS int64
}

// SliceState is one slice of the part and where it should come from.
type SliceState struct {
	Source   string // who pushes it: a neighbour or Edge
	Up       bool   // the source is connected and its subscription covers this part
	Backup   string // who comes next: a neighbour or Edge
	BackupUp bool
	Since    int64 // the source is waited for since then: SeenAt, or when it became the source
	First    int64 // first chunk of the slice, 0 before it
	Last     int64 // latest chunk of the slice
	Missed   int   // parts in a row without any chunk from the source
}

// Holder is a neighbour that holds chunks of the part.
type Holder struct {
	ID   string
	Has  Bitmap
	Load int // chunks asked of it and outstanding, over all parts
}

// Pending is a repair under way. At the edge Until is 0: HTTP has its own limits.
type Pending struct {
	From         string
	First, Count int
	All          bool // the whole part and its header
	Until        int64
}

// Step is one decision of Plan.
type Step struct {
	Kind  StepKind
	Peer  string // whom it is about: the holder asked, cancelled or switched to
	Slice int    // of a switch
	First int    // of a request, cancel or fetch
	Count int
	Until int64 // when a request is given up
}

// StepKind is what a Step does.
type StepKind uint8

// The kinds of step, in the order in which Plan gives them.
const (
	StepGiveUp   StepKind = iota + 1 // the part is of no use any more
	StepCancel                       // a request ran out of time; its holder is not asked again
	StepSwitch                       // leave the slice's source for Peer
	StepRequest                      // ask a neighbour for chunks
	StepFetch                        // fetch chunks from the edge by byte range
	StepFetchAll                     // fetch the whole part from the edge
)

// Plan decides what to do about a part now. It changes nothing: the caller
// carries the steps out on the state. Steps are appended to dst.
//
// Received chunks are never asked for again. A push is awaited for the
// patience that the slack allows, then a neighbour that has the chunks is
// asked, and the edge when none has them or the slack is short.
func Plan(r Rules, p *PartState, now int64, dst []Step) []Step {
	if p.Header && p.Have.Full() {
		return dst
	}
	slack := p.Deadline - now
	if p.Strained {
		r = r.Strained()
	}
	r = r.reserving(p.EdgeMS)
	if -slack >= r.UsefulMS {
		return append(dst, Step{Kind: StepGiveUp})
	}
	for _, q := range p.Pending {
		if q.Until != 0 && now >= q.Until {
			dst = append(dst, Step{Kind: StepCancel, Peer: q.From, First: q.First, Count: q.Count})
		}
	}
	if !p.Header {
		if now >= p.RetryAt && !p.fetchingAll() && p.headerDue(r, now) {
			dst = append(dst, Step{Kind: StepFetchAll})
		}
		return dst
	}
	pl := planner{r: r, p: p, now: now, slack: slack, n: p.Have.Len(), k: len(p.Slices)}
	for s := range p.Slices {
		if to, ok := pl.switchTo(s); ok {
			dst = append(dst, Step{Kind: StepSwitch, Peer: to, Slice: s})
		}
		if pl.due(s) {
			pl.dueSlices |= 1 << s
		}
	}
	return pl.repairs(dst)
}

func (p *PartState) fetchingAll() bool {
	for _, q := range p.Pending {
		if q.All {
			return true
		}
	}
	return false
}

// headerDue reports whether waiting for the header has to end: patience is
// over, or no source of any slice can bring it.
func (p *PartState) headerDue(r Rules, now int64) bool {
	since, up := p.SeenAt, false
	for i := range p.Slices {
		up = up || p.Slices[i].Up
		since = max(since, p.Slices[i].Since)
	}
	return !up || now >= p.SeenAt+min(r.Patience(p.Deadline-p.SeenAt), r.HeaderMaxMS) && now >= since+min(r.Patience(p.Deadline-since), r.HeaderMaxMS)
}

// planner holds what the rules for one part share.
type planner struct {
	r     Rules
	p     *PartState
	now   int64
	slack int64
	n, k  int
	// dueSlices has a bit for each slice whose pushes are waited for no more.
	dueSlices uint64
}

// switchTo decides whether slice s leaves its source, and for whom.
func (pl *planner) switchTo(s int) (string, bool) {
	sl := &pl.p.Slices[s]
	if sl.Source == Edge || pl.held(s) {
		return "", false
	}
	if sl.Up && (sl.Missed < pl.r.MissedParts || pl.p.Strained) {
		return "", false
	}
	if sl.BackupUp && sl.Backup != sl.Source {
		return sl.Backup, true
	}
	return Edge, true
}

func (pl *planner) held(s int) bool {
	first, end := media.SliceChunks(pl.n, pl.k, s)
	return pl.p.Have.HasRange(first, end)
}

// due reports whether waiting for the pushes of slice s is over.
func (pl *planner) due(s int) bool {
	sl := &pl.p.Slices[s]
	if to, ok := pl.switchTo(s); ok {
		// The new source gets its own patience, unless it is no better than
		// a fetch: the feed's push and a range come from the same edge.
		return pl.slack <= pl.r.RequestSlackMS || (to == Edge && !sl.BackupUp)
	}
	// A source that came in the middle of the part gets no time that the edge needs.
	if !sl.Up || pl.slack <= 0 || sl.Since > pl.p.SeenAt && pl.slack <= pl.r.RequestSlackMS {
		return true
	}
	until := sl.Since + pl.r.Patience(pl.p.Deadline-sl.Since)
	if sl.Last != 0 && pl.slack > pl.r.RequestSlackMS {
		until = max(until, sl.Last+pl.r.FlowingMS)
	}
	return pl.now >= until
}

// repairs asks neighbours and the edge for every chunk that is missing, due
// and not on its way.
func (pl *planner) repairs(dst []Step) []Step {
	requests, fetchMayStart := len(dst), pl.now >= pl.p.RetryAt
	var fetches []Step
	for i := 0; i < pl.n; {
		if !pl.wanted(i) {
			i++
			continue
		}
		end := i + 1
		for end < pl.n && pl.wanted(end) {
			end++
		}
		for i < end {
			if h, upTo := pl.holder(i, end, dst[requests:]); h != "" {
				dst = append(dst, Step{Kind: StepRequest, Peer: h, First: i, Count: upTo - i, Until: pl.now + pl.requestMS()})
				i = upTo
				continue
			}
			if k := len(fetches); k > 0 && fetches[k-1].First+fetches[k-1].Count == i {
				fetches[k-1].Count++
			} else {
				fetches = append(fetches, Step{Kind: StepFetch, Peer: Edge, First: i, Count: 1})
			}
			i++
		}
	}
	if !fetchMayStart {
		return dst
	}
	return append(dst, fetches...)
}

// requestMS is how long a neighbour is waited for that is asked now: what it
// does not bring must still come from the edge in time.
func (pl *planner) requestMS() int64 {
	return min(pl.r.RequestMS(pl.slack), max(pl.slack-pl.p.EdgeMS, pl.r.PatienceMinMS))
}

func (pl *planner) wanted(i int) bool {
	if pl.p.Have.Has(i) || pl.dueSlices>>media.SliceOf(pl.n, pl.k, i)&1 == 0 {
		return false
	}
	for _, q := range pl.p.Pending {
		if q.All || q.First <= i && i < q.First+q.Count && (q.Until == 0 || pl.now < q.Until) {
			return false
		}
	}
	return true
}

// holder chooses the neighbour to ask for chunks from first on: the one that
// has the longest run of them, then the least loaded, then the first by id.
// One whose request has just run out is not asked again.
func (pl *planner) holder(first, end int, asked []Step) (id string, upTo int) {
	if pl.slack <= pl.r.RequestSlackMS || pl.p.Strained {
		return "", 0
	}
	best := Holder{}
	for _, h := range pl.p.Neighbours {
		if pl.failed(h.ID) {
			continue
		}
		to := first
		for to < end && h.Has.Has(to) {
			to++
		}
		if to == first {
			continue
		}
		for _, a := range asked {
			if a.Peer == h.ID {
				h.Load += a.Count
			}
		}
		if best.ID == "" || cmp.Or(cmp.Compare(upTo, to), cmp.Compare(h.Load, best.Load), cmp.Compare(h.ID, best.ID)) < 0 {
			best, upTo = h, to
		}
	}
	return best.ID, upTo
}

func (pl *planner) failed(id string) bool {
	for _, q := range pl.p.Pending {
		if q.From == id && q.Until != 0 && pl.now >= q.Until {
			return true
		}
	}
	return false
}
