package simulation

import (
	"fmt"
	"time"

	"starling/bench/report"
)

// Figures beyond those that bench/report knows.
const (
	worstCell   report.Figure = "edgeCopiesWorstCell"
	controlOnce report.Figure = "controlSent"
	switches    report.Figure = "switches"
	refusals    report.Figure = "refusals"
	jumps       report.Figure = "jumps"
	lostPairs   report.Figure = "lostPairs"
	cellCount   report.Figure = "cells"
)

// Receipt is the result as a receipt for bench/report, less what only the
// caller knows: the command, the version and the time.
func (r *Result) Receipt(o Options) report.Receipt {
	o, err := o.withDefaults()
	out := report.Receipt{Kind: report.Simulation, Title: fmt.Sprintf("%d simulated viewers, %s", r.Viewers, r.Profile), Machine: report.ThisMachine(),
		Profile: r.Profile, Seed: r.Seed, Viewers: r.Viewers, Seconds: r.Seconds, Warmup: o.Warmup.Seconds(), PartMS: float64(o.Part / time.Millisecond),
		Settings: map[string]string{"bitrate": fmt.Sprintf("%.1f + %.3f Mbit/s", float64(o.Bitrate)/1e6, float64(o.AudioBitrate)/1e6),
			"cells": fmt.Sprintf("%d of at most %d viewers", r.Cells, o.Swarm.MaxCell), "uplink": o.uplinkText()}}
	if err != nil {
		out.Notes = append(out.Notes, err.Error())
	}
	out.Notes = append(out.Notes, r.copiesText())
	if o.Slump.Factor > 0 {
		out.Settings["slump"] = fmt.Sprintf("uplinks times %g for %s from %s on", o.Slump.Factor, o.Slump.For, o.Slump.At)
	}
	if o.Bad > 0 {
		out.Settings["bad"] = fmt.Sprintf("%g %% %s", 100*o.Bad, behaviours[o.Badly])
	}
	out.Results = []report.Result{r.result(o)}
	return out
}

func (o *Options) uplinkText() string {
	if o.KnownUplink {
		return fmt.Sprintf("known to the viewers, %g of it used", o.Headroom)
	}
	return "measured by the viewers"
}

func (r *Result) result(o Options) report.Result {
	out := report.Result{Name: "swarm", Role: report.Swarm, About: "the policy in virtual time over modelled lines"}
	if o.EdgeOnly {
		out.Name, out.Role = "edge only", report.EdgeOnly
	}
	for _, f := range []struct {
		figure report.Figure
		value  float64
	}{
		{report.Offload, r.Offload}, {report.Bound, r.Bound}, {report.BoundShare, r.BoundShare}, {report.EdgeCopies, r.EdgeCopies}, {worstCell, r.WorstCell},
		{report.PeerBytes, float64(r.PeerBytes)}, {report.FeedBytes, float64(r.FeedBytes)}, {report.HTTPBytes, float64(r.HTTPBytes)},
		{report.EdgeBytes, float64(r.EdgeBytes)}, {report.Stalls, float64(r.Stalls)}, {report.StallTime, float64(r.StallMS)},
		{report.StallsPerViewerHour, float64(r.Stalls) * 3600 / (r.Seconds * float64(r.Viewers))},
		{report.Parts, float64(r.Parts)}, {report.LateParts, float64(r.Late)}, {report.SkippedParts, float64(r.Skipped)},
		{report.Duplicates, r.Duplicates}, {report.Control, r.Control}, {controlOnce, r.ControlSent}, {report.RejectedBytes, float64(r.Rejected)},
		{report.RepairsNeighbour, float64(r.Requests)}, {report.RepairsHTTP, float64(r.Fetches)},
		{report.Playlists, float64(r.Playlists)}, {report.RequestRate, float64(r.Fetches+r.Playlists) / (r.Seconds * float64(r.Viewers))},
		{report.Connections, r.Connections}, {report.ConnectFailures, float64(r.ConnectFailures)},
		{report.Roots, float64(r.Roots)}, {report.Leaves, float64(r.Leaves)}, {report.Liars, float64(r.Bad)}, {report.Banned, float64(r.Banned)},
		{report.HonestBanned, float64(r.HonestBanned)}, {switches, float64(r.Switches)}, {refusals, float64(r.Refusals)}, {jumps, float64(r.Jumps)},
		{lostPairs, float64(r.LostPairs)}, {cellCount, float64(r.Cells)},
	} {
		out.Set(f.figure, f.value)
	}
	for _, q := range []struct {
		figure report.Figure
		h      *histogram
	}{{report.Lateness, &r.lateness}, {report.Startup, &r.startup}, {report.FirstPeerByte, &r.firstPeer}, {report.ParentGap, &r.gap}, {report.Depth, &r.depth}} {
		v := q.h.quantiles()
		out.SetQuantiles(q.figure, report.Quantiles(v))
		if cdf := q.h.cdf(); cdf != nil {
			if out.CDFs == nil {
				out.CDFs = map[report.Figure][]report.Point{}
			}
			out.CDFs[q.figure] = cdf
		}
	}
	out.Series = r.plots()
	return out
}

// cdf gives the share of the samples at or below some of their values.
func (h *histogram) cdf() []report.Point {
	if h.n == 0 {
		return nil
	}
	var out []report.Point
	for i := range 101 {
		q := float64(i) / 100
		if p := (report.Point{X: h.at(q), Y: q}); len(out) == 0 || out[len(out)-1].X != p.X {
			out = append(out, p)
		} else {
			out[len(out)-1] = p
		}
	}
	return out
}

func (r *Result) plots() []report.Series {
	offload := report.Series{Name: "Offload", Unit: report.Share, Every: 1}
	late := report.Series{Name: "Part lateness, p95", Unit: report.Millis, Every: 1}
	stalls := report.Series{Name: "Stalls begun", Unit: report.Count, Every: 1}
	peers := report.Series{Name: "From peers", Unit: report.BitRate, Every: 1}
	edge := report.Series{Name: "From the edge", Unit: report.BitRate, Every: 1}
	for _, s := range r.Series {
		for _, x := range []struct {
			to *report.Series
			v  float64
		}{{&offload, s.Offload}, {&late, s.Late95}, {&stalls, s.Stalls}, {&peers, s.PeerBits}, {&edge, s.EdgeBits}} {
			x.to.Values = append(x.to.Values, report.Number(x.v))
		}
	}
	return []report.Series{offload, late, stalls, peers, edge}
}
