package audience

import (
	"fmt"
	"strconv"
	"time"

	"starling/bench/report"
	"starling/internal/peer"
)

// Figures that only this package measures; the others are report's.
const (
	Refusals   report.Figure = "refusals"   // subscriptions refused
	Switches   report.Figure = "switches"   // slices moved to another source
	Jumps      report.Figure = "jumps"      // to live, over media that came too late
	NeverOn    report.Figure = "neverOn"    // viewers that were there for 5 s and never played
	LostSlice  report.Figure = "lostSlice"  // slices whose parent was lost
	LostNever  report.Figure = "lostNever"  // of those, that did not flow again within 4 s
	LostStall  report.Figure = "lostStall"  // children of a lost parent that stalled within 4 s
	LostSince  report.Figure = "lostSince"  // quantiles: as report.ParentGap, from the loss itself on
	LostFound  report.Figure = "lostFound"  // quantiles: of ParentGap, until the child turned to another source
	LostFilled report.Figure = "lostFilled" // quantiles: of ParentGap, from then to the first chunk
	LostDelay  report.Figure = "lostDelay"  // quantiles: worst delay of a part beyond usual
	LeftGap    report.Figure = "leftGap"    // as report.ParentGap, of parents that said goodbye
	Uplink     report.Figure = "uplink"     // of the line, bit/s
	SentBytes  report.Figure = "sentBytes"
	WatchTime  report.Figure = "watchTime" // s within the measurement
	HalfBound  report.Figure = "halfBound" // as report.Bound when half of each uplink is used, as the overlay's headroom leaves it
	Behind     report.Figure = "behind"    // ms behind live at the end
)

// rootShare of its media from the edge's feed makes a viewer a root.
const rootShare = 0.1

// neverAfter is when a viewer that does not play is reported.
const neverAfter = 5 * time.Second

func (r *run) result() report.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := report.Result{Name: "swarm", Role: report.Swarm}
	if r.o.EdgeOnly {
		res.Name, res.Role, res.About = "edge only", report.EdgeOnly, "the same audience, each fed by the edge alone, without tracker and peers"
	}
	var t peer.Stats // of honest viewers, within the measurement
	var peers, fed, fetched, bad, rejected uint64
	var startup, first, latency []float64
	var hours, connections float64
	counts := map[report.Figure]float64{}
	present := 0
	for _, v := range r.viewers {
		d := v.final
		base := v.base
		minus(&d, &base)
		peers, fed, fetched = peers+d.PeerBytes, fed+d.FeedBytes, fetched+d.HTTPBytes
		watched := r.watched(v)
		row := r.row(v, &d, watched)
		if watched > 0 || v.bad {
			res.PerViewer = append(res.PerViewer, row)
			counts[map[string]report.Figure{"root": report.Roots, "leaf": report.Leaves, "bad": report.Liars}[row.Labels["role"]]]++
		}
		if v.bad {
			continue
		}
		bad += v.badBytes
		rejected += v.final.RejectedBytes
		add(&t, &d)
		hours += watched.Hours()
		if r.stayed(v) {
			present++
			connections += float64(v.final.Neighbours)
			if v.final.LatencyMS > 0 {
				latency = append(latency, float64(v.final.LatencyMS))
			}
		}
		if v.final.StartupMS > 0 {
			startup = append(startup, float64(v.final.StartupMS))
		} else if r.there(v) > neverAfter {
			counts[NeverOn]++
		}
		if v.final.FirstPeer > 0 {
			first = append(first, float64(v.final.FirstPeer))
		}
	}
	r.bytes(&res, &t, peers, fed+fetched)
	res.Set(report.StallsPerViewerHour, float64(t.Stalls)/hours)
	res.Set(report.Connections, connections/float64(present))
	res.Set(report.RequestRate, float64(t.Fetches+t.Playlists)/(hours*3600))
	res.Set(report.BadBytes, float64(bad))
	// A liar may be caught before the measurement: these are of all the time.
	res.Set(report.RejectedBytes, float64(rejected))
	if !r.o.EdgeOnly {
		banned := r.o.World.Banned()
		res.Set(report.Banned, float64(banned))
		// Which ones the tracker does not tell; more than there are bad ones is wrong in any case.
		res.Set(report.HonestBanned, max(float64(banned)-counts[report.Liars], 0))
	}
	for _, f := range []report.Figure{report.Roots, report.Leaves, report.Liars, NeverOn} {
		res.Set(f, counts[f])
	}
	res.SetSamples(report.Startup, startup)
	res.SetSamples(report.FirstPeerByte, first)
	res.SetSamples(report.Latency, latency)
	res.SetSamples(report.Lateness, r.meter.lateness)
	res.SetSamples(report.Depth, r.meter.depths)
	r.lost(&res)
	r.series(&res)
	return res
}

// bytes sets what follows from counters.
func (r *run) bytes(res *report.Result, t *peer.Stats, peers, said uint64) {
	m := &r.meter
	edge := m.edgeTo - m.edgeFrom
	stream := uint64(0)
	for _, n := range m.parts {
		stream += uint64(n)
	}
	received := float64(t.PeerBytes + t.FeedBytes + t.HTTPBytes)
	offload, bound, half := share(peers, edge), 0.0, 0.0
	n := 0
	for i, s := range m.seconds {
		if at := time.Duration(i+1) * time.Second; at > m.from && at <= m.to {
			bound, half, n = bound+s.bound, half+s.half, n+1
		}
	}
	bound, half = bound/float64(n), half/float64(n)
	for f, v := range map[report.Figure]float64{
		report.Offload: offload, report.Bound: bound, HalfBound: half, report.BoundShare: offload / bound, report.EdgeCopies: float64(edge) / float64(stream),
		report.PeerBytes: float64(peers), report.FeedBytes: float64(t.FeedBytes), report.HTTPBytes: float64(t.HTTPBytes),
		report.EdgeBytes: float64(edge), report.StreamBytes: float64(stream),
		report.Parts: float64(t.Parts), report.LateParts: float64(t.Late), report.SkippedParts: float64(t.Skipped),
		report.Stalls: float64(t.Stalls), report.StallTime: float64(t.StallMS), Jumps: float64(t.Jumps),
		report.Duplicates: float64(t.DuplicateBytes) / received, report.Control: float64(t.ControlBytes) / received,
		"controlHeaders": float64(t.HeaderBytes) / received, "controlHaves": float64(t.HaveBytes) / received, "controlPings": float64(t.PingBytes) / received,
		report.RepairsNeighbour: float64(t.Requests), report.RepairsHTTP: float64(t.Fetches), report.Playlists: float64(t.Playlists),
		report.ConnectFailures: float64(t.ConnectFailures), Switches: float64(t.Switches), Refusals: float64(t.Refusals),
		"countMismatch": float64(said)/float64(edge) - 1,
	} {
		res.Set(f, v)
	}
}

// lost sets what became of the slices whose parent went.
func (r *run) lost(res *report.Result) {
	if r.o.EdgeOnly {
		return
	}
	from, to := r.began.Add(r.meter.from), r.began.Add(r.meter.to)
	rude, polite := r.losses.summary(true, from, to), r.losses.summary(false, from, to)
	res.SetSamples(report.ParentGap, rude.gaps)
	res.SetSamples(LeftGap, polite.gaps)
	res.SetSamples(LostSince, rude.since)
	res.SetSamples(LostFound, rude.found)
	res.SetSamples(LostFilled, rude.filled)
	res.SetSamples(LostDelay, rude.delays)
	res.Set(LostSlice, float64(len(rude.gaps)))
	res.Set(LostNever, float64(rude.never))
	res.Set(LostStall, float64(rude.stalled))
}

// there is how long a viewer was there at all.
func (r *run) there(v *viewer) time.Duration {
	return r.end(v) - v.joined
}

// watched is how much of the measurement a viewer was there for.
func (r *run) watched(v *viewer) time.Duration {
	return max(r.end(v)-max(v.joined, r.meter.from), 0)
}

// stayed reports whether a viewer was there when the measurement ended.
func (r *run) stayed(v *viewer) bool { return v.left == 0 || v.left >= r.meter.to }

// end is when a viewer left, or the measurement ended.
func (r *run) end(v *viewer) time.Duration {
	if r.stayed(v) {
		return r.meter.to
	}
	return v.left
}

// row is a viewer's line in the receipt.
func (r *run) row(v *viewer, d *peer.Stats, watched time.Duration) report.Viewer {
	role := "viewer"
	all := d.PeerBytes + d.FeedBytes + d.HTTPBytes
	switch {
	case v.bad:
		role = "bad"
	case !v.who.MayUpload:
		role = "leaf"
	case all > 0 && float64(d.FeedBytes)/float64(all) >= rootShare:
		role = "root"
	}
	row := report.Viewer{Name: strconv.Itoa(v.who.Index), Labels: map[string]string{"role": role, "rung": v.rung}, Figures: map[report.Figure]float64{
		Uplink: float64(v.who.Uplink), WatchTime: watched.Seconds(), SentBytes: float64(d.SentBytes),
		report.PeerBytes: float64(d.PeerBytes), report.FeedBytes: float64(d.FeedBytes), report.HTTPBytes: float64(d.HTTPBytes),
		report.Offload: d.Offload(), report.Stalls: float64(d.Stalls), report.StallTime: float64(d.StallMS), report.LateParts: float64(d.Late),
		report.Connections: float64(v.final.Neighbours), report.ConnectFailures: float64(v.final.ConnectFailures),
		report.RepairsNeighbour: float64(d.Requests), report.RepairsHTTP: float64(d.Fetches), report.Startup: float64(v.final.StartupMS),
		report.FirstPeerByte: float64(v.final.FirstPeer), Behind: float64(v.final.LatencyMS), report.Banned: float64(v.final.Bans),
	}}
	if r.o.Profile.Regions > 1 {
		row.Labels["region"] = strconv.Itoa(v.who.Region)
	}
	if !r.stayed(v) {
		row.Labels["left"] = fmt.Sprintf("%.0f s", v.left.Seconds())
	}
	return row
}

// series are the figures second by second.
func (r *run) series(res *report.Result) {
	add := func(name string, unit report.Unit, value func(now, before *second) report.Number) {
		s := report.Series{Name: name, Unit: unit, Start: 1, Every: 1}
		before := &second{}
		for i := range r.meter.seconds {
			now := &r.meter.seconds[i]
			s.Values = append(s.Values, value(now, before))
			before = now
		}
		res.Series = append(res.Series, s)
	}
	add("Viewers", report.Count, func(now, _ *second) report.Number { return report.Number(now.viewers) })
	add("Offload", report.Share, func(now, before *second) report.Number {
		return report.Number(share(now.peers-before.peers, now.edge-before.edge))
	})
	add("Bound", report.Share, func(now, _ *second) report.Number { return report.Number(now.bound) })
	add("Part lateness p95", report.Millis, func(now, _ *second) report.Number {
		if now.lateness < 0 {
			return report.Missing()
		}
		return report.Number(now.lateness)
	})
	add("Left the edge", report.BitRate, func(now, before *second) report.Number { return report.Number(8 * (now.edge - before.edge)) })
	add("Stalls", report.Count, func(now, before *second) report.Number {
		return report.Number(now.total.Stalls - min(now.total.Stalls, before.total.Stalls))
	})
	add("Repairs by neighbours", report.Count, func(now, before *second) report.Number {
		return report.Number(now.total.Requests - before.total.Requests)
	})
	add("Repairs by HTTP", report.Count, func(now, before *second) report.Number {
		return report.Number(now.total.Fetches - before.total.Fetches)
	})
}
