// Package profile describes the networks and audiences that swarms are
// measured in: what a viewer's line carries, what lies between two viewers,
// and when viewers come and go. Everything drawn depends on the seed alone, so
// the same seed gives the live lab and the simulator the same audience.
package profile

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Profile is a kind of network and audience.
type Profile struct {
	Name string
	// About is one line for people.
	About string
	// Uplinks and Downlinks are what lines carry; shares add up to 1.
	Uplinks   []Share
	Downlinks []Share
	// MinRTT and MaxRTT between two viewers, and between a viewer and its edge;
	// drawn evenly for a pair.
	MinRTT, MaxRTT time.Duration
	// Jitter is added to each packet's delay, drawn evenly from 0 to Jitter.
	Jitter time.Duration
	// Loss is the share of packets lost, independently.
	Loss float64
	// Unreachable is the share of pairs that cannot connect at all.
	Unreachable float64
	// Leaves is the share of viewers that must not upload, whatever their
	// line carries: metered, opted out, or behind a wall.
	Leaves float64
	// Churn is the share of viewers replaced in a minute.
	Churn float64
	// Arrival is how the first viewers come.
	Arrival Arrival
	// Regions is into how many regions viewers fall, evenly; 0 means 1. Pairs of
	// different regions have the upper half of the RTTs, others the lower.
	Regions int
	// LAN is the share of viewers that sit behind the same line's address as
	// another one, in pairs: an RTT of 1 ms and no loss between the two.
	LAN float64
}

// Share is a part of the viewers and what their line carries in bit/s.
type Share struct {
	Of         float64
	BitsPerSec int64
}

// Arrival says when the first viewers come: Crowd of them evenly within
// CrowdWithin, the rest evenly within Within after that.
type Arrival struct {
	Crowd       float64
	CrowdWithin time.Duration
	// Within 0 means 100 ms for each viewer.
	Within time.Duration
}

const mbit = 1_000_000

// reference is the network that the project's goals are stated for.
func reference() Profile {
	return Profile{
		Name: "reference", About: "uplinks 20 % none, 30 % 2, 30 % 5, 20 % 20 Mbit/s; RTT 20-80 ms, 0.5 % loss, 10 % of pairs cannot connect, 5 % of viewers replaced a minute",
		Uplinks:   []Share{{0.2, 0}, {0.3, 2 * mbit}, {0.3, 5 * mbit}, {0.2, 20 * mbit}},
		Downlinks: []Share{{1, 50 * mbit}},
		MinRTT:    20 * time.Millisecond, MaxRTT: 80 * time.Millisecond, Jitter: 2 * time.Millisecond,
		Loss: 0.005, Unreachable: 0.1, Churn: 0.05,
	}
}

// All lists the profiles, the reference first.
func All() []Profile {
	lan := reference()
	lan.Name, lan.About = "lan", "an office: 100 Mbit/s both ways, RTT 1-2 ms, no loss, everybody reachable"
	lan.Uplinks, lan.Downlinks = []Share{{1, 100 * mbit}}, []Share{{1, 100 * mbit}}
	lan.MinRTT, lan.MaxRTT, lan.Jitter = time.Millisecond, 2*time.Millisecond, 0
	lan.Loss, lan.Unreachable, lan.Churn = 0, 0, 0.02

	mobile := reference()
	mobile.Name, mobile.About = "mobile", "phones: uplinks 40 % none, 30 % 1, 30 % 4 Mbit/s, downlinks 6-20 Mbit/s; RTT 40-140 ms with 15 ms jitter, 1 % loss, 35 % of pairs cannot connect, 15 % replaced a minute"
	mobile.Uplinks = []Share{{0.4, 0}, {0.3, 1 * mbit}, {0.3, 4 * mbit}}
	mobile.Downlinks = []Share{{0.5, 6 * mbit}, {0.5, 20 * mbit}}
	mobile.MinRTT, mobile.MaxRTT, mobile.Jitter = 40*time.Millisecond, 140*time.Millisecond, 15*time.Millisecond
	mobile.Loss, mobile.Unreachable, mobile.Churn = 0.01, 0.35, 0.15

	half := reference()
	half.Name, half.About = "half-leaf", "the reference network, half of whose viewers must not upload"
	half.Leaves = 0.5

	flash := reference()
	flash.Name, flash.About = "flash-crowd", "the reference network; 80 % of the viewers come within 5 s"
	flash.Arrival = Arrival{Crowd: 0.8, CrowdWithin: 5 * time.Second, Within: 20 * time.Second}

	tv := reference()
	tv.Name, tv.About = "tv", "set-top boxes: uplinks 50 % 10, 50 % 20 Mbit/s, RTT 20-60 ms, 0.1 % loss, 5 % of pairs cannot connect, nobody leaves"
	tv.Uplinks = []Share{{0.5, 10 * mbit}, {0.5, 20 * mbit}}
	tv.MaxRTT, tv.Loss, tv.Unreachable, tv.Churn = 60*time.Millisecond, 0.001, 0.05, 0

	regions := reference()
	regions.Name, regions.About = "regions", "the reference network in four regions, a tenth of the viewers two to a household"
	regions.Regions, regions.LAN = 4, 0.1

	return []Profile{reference(), lan, mobile, half, flash, tv, regions}
}

// Names lists the profiles' names.
func Names() []string {
	var out []string
	for _, p := range All() {
		out = append(out, p.Name)
	}
	return out
}

// Named finds a profile.
func Named(name string) (Profile, error) {
	all := All()
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, fmt.Errorf("profile %q: want one of %s", name, strings.Join(Names(), ", "))
	}
	return all[i], nil
}
