package transport

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Row is the outcome of a scheme on a path.
type Row struct {
	Scheme Scheme `json:"scheme"`
	Path   Path   `json:"path"`
	// Children of each parent; as many children's parts are measured.
	Children int `json:"children"`
	Parts    int `json:"parts"` // measured
	// Lateness from the moment when the parents have a part to its completion
	// at the child, ns.
	P50 time.Duration `json:"p50"`
	P95 time.Duration `json:"p95"`
	P99 time.Duration `json:"p99"`
	// Late is the share of parts that took longer than two part durations: of
	// the player's three, one is left.
	Late float64 `json:"late"`
	// Repaired is the share of parts of which something was asked of the edge.
	Repaired float64 `json:"repaired"`
	// RepairedBytes, Duplicate and Parity are shares of the useful bytes.
	RepairedBytes float64 `json:"repairedBytes"`
	Duplicate     float64 `json:"duplicate"`
	Parity        float64 `json:"parity"`
	// Line is the bytes that left the parents with all headers and
	// retransmissions, per byte that the children got from them.
	Line float64 `json:"line"`
	// Dropped is the share of the parents' packets that found the uplink's
	// queue full, and Queue the longest wait in it, ns.
	Dropped float64       `json:"dropped"`
	Queue   time.Duration `json:"queue"`
}

// lateAfter leaves a part duration for whatever comes after.
const lateAfter = 2 * partDuration

// Table is the outcome of a run.
type Table struct {
	Duration     time.Duration `json:"duration"` // of media in each cell, ns
	PartDuration time.Duration `json:"partDuration"`
	Bitrate      int64         `json:"bitrate"`
	Seed         uint64        `json:"seed"`
	Rows         []Row         `json:"rows"`
}

// result counts up a cell. Nothing may run in it any more.
func (c *cell) result() Row {
	row := Row{Scheme: c.scheme, Path: c.path, Children: c.fanOut}
	var lateness []time.Duration
	var n counts
	for _, r := range c.receivers {
		n.useful += r.counts.useful
		n.repaired += r.counts.repaired
		n.duplicate += r.counts.duplicate
		n.parity += r.counts.parity
		for _, p := range r.got[c.first:] {
			took := giveUp
			if !p.done.IsZero() {
				took = min(took, p.done.Sub(p.begun))
			}
			lateness = append(lateness, took)
			if took > lateAfter {
				row.Late++
			}
			if p.repaired {
				row.Repaired++
			}
		}
	}
	slices.Sort(lateness)
	row.Parts = len(lateness)
	row.P50, row.P95, row.P99 = quantile(lateness, 0.5), quantile(lateness, 0.95), quantile(lateness, 0.99)
	row.Late /= float64(row.Parts)
	row.Repaired /= float64(row.Parts)
	useful := float64(n.useful)
	row.RepairedBytes, row.Duplicate, row.Parity = float64(n.repaired)/useful, float64(n.duplicate)/useful, float64(n.parity)/useful
	var bytes, packets, dropped uint64
	for _, h := range c.hosts {
		s := h.Stats()
		bytes += s.SentBytes
		packets += s.SentPackets
		dropped += s.DroppedUp
		row.Queue = max(row.Queue, s.MaxQueueDelay)
	}
	row.Line = float64(bytes) / float64(n.useful-n.repaired+n.duplicate)
	row.Dropped = float64(dropped) / float64(packets)
	return row
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// Markdown gives a table for each scheme: one line a path.
func (t Table) Markdown() string {
	var b strings.Builder
	last := ""
	for _, r := range t.Rows {
		if r.Scheme.Name != last {
			last = r.Scheme.Name
			fmt.Fprintf(&b, "\n### %s (K = %d, %d-byte chunks)\n\n", last, r.Scheme.Slices, r.Scheme.Chunk)
			b.WriteString("| RTT, loss, uplink | children | p50 / p95 / p99 ms | > 666 ms | parts repaired | bytes repaired | duplicate | parity | line | queue |\n|---|---|---|---|---|---|---|---|---|---|\n")
		}
		fmt.Fprintf(&b, "| %v | %d | %d / %d / %d | %s | %s | %s | %s | %s | %.2f | %d ms |\n", r.Path, r.Children,
			r.P50.Milliseconds(), r.P95.Milliseconds(), r.P99.Milliseconds(), percent(r.Late), percent(r.Repaired), percent(r.RepairedBytes),
			percent(r.Duplicate), percent(r.Parity), r.Line, r.Queue.Milliseconds())
	}
	return strings.TrimPrefix(b.String(), "\n")
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// named makes the name of a scheme that differs by its sizes.
func named(kind string, slices, chunk int) string {
	return fmt.Sprintf("%s, K %d, %d B", kind, slices, chunk)
}
