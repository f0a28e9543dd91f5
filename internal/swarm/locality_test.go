package swarm

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// scattered draws the reference network's uplinks in four regions with three
// networks each; a tenth of the viewers share a household with the one before.
func scattered(i int) Viewer {
	v := reference(i)
	r := rand.New(rand.NewPCG(11, uint64(i)))
	if i > 0 && r.IntN(20) == 0 {
		v.Locality = scattered(i - 1).Locality
		return v
	}
	region := r.IntN(4)
	v.Locality = Locality{LAN: fmt.Sprint("home", i), ASN: uint32(100*region + r.IntN(3) + 1), Region: fmt.Sprint("region", region)}
	return v
}

// localShares gives which part of the bytes between viewers stays in a LAN, in
// an AS and in a region, and which part could stay in a LAN at best: what those
// with a housemate receive, but for one copy a household.
func localShares(s *Swarm) (lan, asn, region, lanBound float64) {
	var all, inLAN, inASN, inRegion, bound float64
	for _, c := range s.cells {
		for _, t := range c.trees {
			homes := map[uint64]int{}
			for v, p := range t.parent {
				if p < 0 {
					continue
				}
				a, b := c.nodes[v].at, c.nodes[p].at
				homes[a.lan]++
				rate := float64(t.rate)
				all += rate
				if a.lan == b.lan && a.lan != 0 {
					inLAN += rate
				}
				if a.asn == b.asn && a.asn != 0 {
					inASN += rate
				}
				if a.region == b.region && a.region != 0 {
					inRegion += rate
				}
			}
			for _, n := range homes {
				bound += float64(n-1) * float64(t.rate)
			}
		}
	}
	return inLAN / all, inASN / all, inRegion / all, bound / all
}

func TestLocalityShape(t *testing.T) {
	for _, n := range []int{30, 100, 300, 1000} {
		s := New(Config{})
		s.SetCatalog(demo)
		fill(t, s, n, scattered)
		for i := range n { // everybody is replaced once
			s.Leave(scattered(i).ID)
			if _, err := s.Join(scattered(n + i)); err != nil {
				t.Fatal(err)
			}
		}
		mustHold(t, s)
		blind := New(Config{})
		blind.SetCatalog(demo)
		fill(t, blind, n, reference)
		for i := range n {
			blind.Leave(reference(i).ID)
			if _, err := blind.Join(reference(n + i)); err != nil {
				t.Fatal(err)
			}
		}
		lan, asn, region, bound := localShares(s)
		m, b := measure(s), measure(blind)
		t.Logf("%d: LAN %.3f (at best %.3f), AS %.3f, region %.3f; depth %d and %d without, mean %.2f and %.2f, peers %.1f and %.1f",
			n, lan, bound, asn, region, m.depth, b.depth, meanDepth(s), meanDepth(blind), m.peers, b.peers)
		if m.maxRoots > 2 || m.depth > b.depth+3 {
			t.Errorf("%d: %+v, without locality %+v", n, m, b)
		}
		if n >= 300 && (region < 0.45 || asn < 0.25 || lan < bound/2) {
			t.Errorf("%d: of the bytes stay %.3f in a LAN, %.3f in an AS, %.3f in a region", n, lan, asn, region)
		}
	}
}

// meanDepth is the mean over all places.
func meanDepth(s *Swarm) float64 {
	sum, places := 0.0, 0.0
	for _, c := range s.cells {
		for _, t := range c.trees {
			for v := range t.parent {
				if t.has(int32(v)) {
					sum, places = sum+float64(t.depth[v]), places+1
				}
			}
		}
	}
	return sum / max(places, 1)
}
