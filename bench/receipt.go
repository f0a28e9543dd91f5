package bench

import (
	"fmt"
	"time"

	"starling/bench/report"
)

// Receipt gives what was measured in the form that reports are made of. The
// caller adds the command and the version.
func (r *Report) Receipt() report.Receipt {
	out := report.Receipt{Kind: report.Live, Title: fmt.Sprintf("Swarm of %d viewers on %s", r.Viewers, r.URL), Time: time.Now().UTC(),
		Machine: report.ThisMachine(), Viewers: r.Viewers, Seconds: r.Seconds, Settings: map[string]string{"uplinks": "all alike"}}
	if r.Reference {
		out.Settings["uplinks"] = "as in the reference network"
	}
	res := report.Result{Name: "swarm", Role: report.Swarm}
	if r.EdgeOnly {
		res.Name, res.Role = "edge only", report.EdgeOnly
	}
	for f, v := range map[report.Figure]float64{
		report.Offload: r.Offload, report.EdgeCopies: r.EdgeCopies, report.PeerBytes: float64(r.PeerBytes), report.FeedBytes: float64(r.FeedBytes),
		report.HTTPBytes: float64(r.HTTPBytes), report.StreamBytes: float64(r.StreamBytes), report.Duplicates: r.Duplicates, report.Control: r.Control,
		report.RejectedBytes: float64(r.Rejected), report.Banned: float64(r.Bans), report.Liars: float64(r.Liars), report.Parts: float64(r.Parts),
		report.LateParts: float64(r.Late), report.SkippedParts: float64(r.Skipped), report.Stalls: float64(r.Stalls), report.StallTime: float64(r.StallMS),
		report.StallsPerViewerHour: float64(r.Stalls) / (float64(r.Viewers) * r.Seconds / 3600),
		report.Connections:         r.Connections, report.ConnectFailures: float64(r.ConnectFailures), report.RepairsNeighbour: float64(r.Requests),
		report.RepairsHTTP: float64(r.Fetches), report.Playlists: float64(r.Playlists), report.CPU: r.CPU, report.Memory: r.MemoryMB,
		report.RequestRate: float64(r.Fetches+r.Playlists) / (float64(r.Viewers) * r.Seconds),
	} {
		res.Set(f, v)
	}
	if r.EdgeBytes > 0 {
		res.Set(report.EdgeBytes, float64(r.EdgeBytes))
	}
	for f, q := range map[report.Figure]Quantiles{report.Lateness: r.Lateness, report.Latency: r.Latency, report.Startup: r.Startup, report.FirstPeerByte: r.FirstHit} {
		res.SetQuantiles(f, report.Quantiles(q))
	}
	out.Results = []report.Result{res}
	return out
}
