package bench

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// Report is what a swarm did during the measurement. Bytes are media payload;
// times are milliseconds. Liars are not counted among the viewers.
type Report struct {
	URL       string  `json:"url"`
	Viewers   int     `json:"viewers"`
	Liars     int     `json:"liars"`
	Seconds   float64 `json:"seconds"`
	Reference bool    `json:"reference"` // uplinks drawn as in the reference network
	EdgeOnly  bool    `json:"edgeOnly"`

	// Offload is peer bytes ÷ (peer bytes + bytes that left the edge), by the
	// edge's count when there is one.
	Offload float64 `json:"offload"`
	// EdgeCopies is how often the edge sent each part on average.
	EdgeCopies   float64 `json:"edgeCopies"`
	StreamBytes  uint64  `json:"streamBytes"` // of the parts of the tracks played, each once
	PeerBytes    uint64  `json:"peerBytes"`
	FeedBytes    uint64  `json:"feedBytes"` // by the viewers' count
	HTTPBytes    uint64  `json:"httpBytes"`
	EdgeBytes    uint64  `json:"edgeBytes"` // by the edge's count; 0 when it was not asked
	EdgeMismatch float64 `json:"edgeMismatch"`
	Duplicates   float64 `json:"duplicates"` // share of all media received
	Control      float64 `json:"control"`    // frames without media, share of all media received
	Rejected     uint64  `json:"rejectedBytes"`
	Bans         uint64  `json:"bans"`

	Parts    uint64    `json:"parts"` // completed, all viewers
	Late     uint64    `json:"lateParts"`
	Skipped  uint64    `json:"skippedParts"`
	Lateness Quantiles `json:"latenessMs"` // end of a part's media to complete at a viewer
	Latency  Quantiles `json:"latencyMs"`  // wall clock minus playhead, at the end
	Startup  Quantiles `json:"startupMs"`
	FirstHit Quantiles `json:"firstPeerByteMs"`
	Stalls   uint64    `json:"stalls"`
	StallMS  uint64    `json:"stallMs"`

	Connections     float64 `json:"connectionsPerViewer"`
	ConnectFailures uint64  `json:"connectFailures"`
	Requests        uint64  `json:"requests"`  // repairs asked of neighbours
	Fetches         uint64  `json:"fetches"`   // repairs by HTTP
	Playlists       uint64  `json:"playlists"` // playlist requests

	CPU      float64 `json:"cpuPerViewer"`   // cores, of this whole process
	MemoryMB float64 `json:"memoryMbViewer"` // of this whole process
}

// Quantiles of a set of samples; all 0 when there is none.
type Quantiles struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// quantiles sorts samples and reads them by nearest rank.
func quantiles(samples []float64) Quantiles {
	if len(samples) == 0 {
		return Quantiles{}
	}
	slices.Sort(samples)
	at := func(q float64) float64 {
		return samples[min(int(q*float64(len(samples))), len(samples)-1)]
	}
	return Quantiles{N: len(samples), P50: at(0.50), P95: at(0.95), P99: at(0.99), Max: samples[len(samples)-1]}
}

func (q Quantiles) String() string {
	return fmt.Sprintf("p50 %.0f  p95 %.0f  p99 %.0f  max %.0f ms", q.P50, q.P95, q.P99, q.Max)
}

// Write writes the report for people.
func (r *Report) Write(w io.Writer) error {
	edge := "not asked"
	if r.EdgeBytes > 0 {
		edge = fmt.Sprintf("%.1f MB (viewers say %+.2f %%)", mb(r.EdgeBytes), 100*r.EdgeMismatch)
	}
	_, err := fmt.Fprintf(w, `swarm of %d viewers and %d liars on %s, %s
  offload          %.1f %%   (%.1f MB from peers, %.1f MB by feed, %.1f MB by HTTP)
  edge copies      %.2f of each part
  edge's count     %s
  part lateness    %s
  live latency     %s
  start-up         %s
  first peer byte  %s
  stalls           %d (%d ms), %d of %d parts late, %d skipped
  duplicates       %.2f %%   control %.2f %%   rejected %d bytes, %d bans
  repairs          %d by neighbours, %d by HTTP; %d playlists
  connections      %.1f a viewer, %d failed
  cost             %.3f core and %.1f MB a viewer
`, r.Viewers, r.Liars, r.URL, time.Duration(r.Seconds*float64(time.Second)).Round(time.Second),
		100*r.Offload, mb(r.PeerBytes), mb(r.FeedBytes), mb(r.HTTPBytes), r.EdgeCopies, edge,
		r.Lateness, r.Latency, r.Startup, r.FirstHit, r.Stalls, r.StallMS, r.Late, r.Parts, r.Skipped,
		100*r.Duplicates, 100*r.Control, r.Rejected, r.Bans, r.Requests, r.Fetches, r.Playlists,
		r.Connections, r.ConnectFailures, r.CPU, r.MemoryMB)
	return err
}

func mb(n uint64) float64 { return float64(n) / 1e6 }
