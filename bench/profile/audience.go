package profile

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// Viewer is one viewer of an audience.
type Viewer struct {
	Index int
	// Uplink and Downlink of its line, bit/s. An uplink of 0 gives nothing.
	Uplink, Downlink int64
	// MayUpload is false for a leaf by choice; its line still has an uplink.
	MayUpload bool
	Region    int
	// Home is the household: viewers with equal ones share an address and a LAN.
	Home int
	// Join and Leave are offsets from the start; Leave 0 means that it stays.
	Join, Leave time.Duration
}

// Path is what lies between two viewers, or a viewer and its edge.
type Path struct {
	RTT, Jitter time.Duration
	Loss        float64
	Reachable   bool
}

// EdgeIndex stands for the edge among the indices given to Path.
const EdgeIndex = -1

// Streams of random numbers, so that drawing one thing does not change another.
const (
	streamLines uint64 = iota + 1
	streamLeaves
	streamHomes
	streamArrival
	streamChurn
)

// Audience draws the viewers of a run that lasts that long: n that come first,
// then those who replace others. The count of viewers who are there stays n.
func (p Profile) Audience(n int, duration time.Duration, seed uint64) []Viewer {
	a := &audience{p: p, seed: seed}
	for _, at := range p.arrivals(n, seed) {
		a.add(at)
	}
	a.churn(n, duration)
	return a.viewers
}

type audience struct {
	p       Profile
	seed    uint64
	viewers []Viewer
}

func (a *audience) add(at time.Duration) int {
	i := len(a.viewers)
	rng := func(stream uint64) *rand.Rand {
		return rand.New(rand.NewPCG(a.seed, stream<<32|uint64(i)))
	}
	lines := rng(streamLines)
	v := Viewer{Index: i, Join: at, Home: i,
		Uplink: draw(a.p.Uplinks, lines.Float64()), Downlink: draw(a.p.Downlinks, lines.Float64())}
	v.MayUpload = v.Uplink > 0 && rng(streamLeaves).Float64() >= a.p.Leaves
	homes := rng(streamHomes)
	v.Region = homes.IntN(max(a.p.Regions, 1))
	// Half of those who share a line move in with the one before them.
	if i > 0 && homes.Float64() < a.p.LAN/2 {
		v.Home, v.Region = a.viewers[i-1].Home, a.viewers[i-1].Region
	}
	a.viewers = append(a.viewers, v)
	return i
}

// churn replaces viewers at a steady rate once all have come.
func (a *audience) churn(n int, duration time.Duration) {
	if a.p.Churn <= 0 || n == 0 {
		return
	}
	rng := rand.New(rand.NewPCG(a.seed, streamChurn))
	every := float64(time.Minute) / (a.p.Churn * float64(n))
	here := make([]int, n)
	for i := range here {
		here[i] = i
	}
	at := a.viewers[n-1].Join
	for {
		at += time.Duration(rng.ExpFloat64() * every)
		if at >= duration {
			return
		}
		k := rng.IntN(n)
		a.viewers[here[k]].Leave = at
		here[k] = a.add(at)
	}
}

func (p Profile) arrivals(n int, seed uint64) []time.Duration {
	rng := rand.New(rand.NewPCG(seed, streamArrival))
	within := p.Arrival.Within
	if within == 0 {
		within = time.Duration(n) * 100 * time.Millisecond
	}
	crowd := int(p.Arrival.Crowd * float64(n))
	out := make([]time.Duration, n)
	for i := range out {
		if i < crowd {
			out[i] = time.Duration(rng.Float64() * float64(p.Arrival.CrowdWithin))
		} else {
			out[i] = p.Arrival.CrowdWithin + time.Duration(rng.Float64()*float64(within))
		}
	}
	slices.Sort(out)
	return out
}

func draw(shares []Share, at float64) int64 {
	for _, s := range shares {
		if at -= s.Of; at < 0 {
			return s.BitsPerSec
		}
	}
	return shares[len(shares)-1].BitsPerSec
}

// Path gives what lies between two viewers, the same in both directions; either
// may be nil, which stands for the edge. The edge can always be reached.
func (p Profile) Path(a, b *Viewer, seed uint64) Path {
	i, j := EdgeIndex, EdgeIndex
	if a != nil {
		i = a.Index
	}
	if b != nil {
		j = b.Index
	}
	if i > j {
		i, j, a, b = j, i, b, a
	}
	rng := rand.New(rand.NewPCG(seed^0x9e3779b97f4a7c15, uint64(i+1)<<32|uint64(j+1)))
	if a != nil && b != nil && a.Home == b.Home {
		return Path{RTT: time.Millisecond, Reachable: true}
	}
	low, high := p.MinRTT, p.MaxRTT
	if p.Regions > 1 {
		middle := (low + high) / 2
		if a != nil && b != nil && a.Region != b.Region {
			low = middle
		} else {
			high = middle
		}
	}
	out := Path{Jitter: p.Jitter, Loss: p.Loss, Reachable: true}
	out.RTT = low + time.Duration(rng.Float64()*float64(high-low))
	if a != nil && b != nil {
		out.Reachable = rng.Float64() >= p.Unreachable
	}
	return out
}

// Addr is the viewer's public address in the lab: 127.0.0.0/8, which one
// machine may use freely. The second byte is the region; viewers of one home
// have the same address.
func (v *Viewer) Addr() netip.Addr {
	h := v.Home + 2
	return netip.AddrFrom4([4]byte{127, byte(1 + v.Region%250), byte(h >> 8), byte(h)})
}

// String names the viewer for people.
func (v *Viewer) String() string {
	return fmt.Sprintf("viewer %d (%.1f Mbit/s up)", v.Index, float64(v.Uplink)/mbit)
}

// Bound is the largest share of the bytes that peers can carry while the
// viewers have those uplinks: min(1 − copies/n, sum of uplinks ÷ demand), with
// the demand in bit/s for each viewer.
func Bound(viewers []Viewer, bitrate int64, copies float64) float64 {
	if len(viewers) == 0 {
		return 0
	}
	var up int64
	for i := range viewers {
		if viewers[i].MayUpload {
			up += viewers[i].Uplink
		}
	}
	n := float64(len(viewers))
	return max(0, min(1-copies/n, float64(up)/(n*float64(bitrate))))
}
