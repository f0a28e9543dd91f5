package peerstate

import "testing"

// While this program lacks time the feed pushes everything; the slices return
// to their parents one by one when that is over.
func TestAStarvedViewerLeavesItsParentsForTheFeed(t *testing.T) {
	v := pair(t)
	onPeers := func() (n int) {
		for _, s := range v.Sources(1) {
			if s != Edge {
				n++
			}
		}
		return n
	}
	v.Starved(true)
	for now := int64(1_000); now < 4_000; now += 25 {
		v.Tick(now)
	}
	if n := onPeers(); n != 0 {
		t.Fatalf("%d slices from peers while starved", n)
	}
	v.Starved(false)
	var seen [3]int64
	for now := int64(4_000); now < 30_000; now += 25 {
		v.Tick(now)
		if n := onPeers(); seen[n] == 0 {
			seen[n] = now
		}
	}
	if seen[1] < 6_000 || seen[2] <= seen[1] || seen[2] > 20_000 {
		t.Errorf("one slice is back at %d ms, both at %d", seen[1], seen[2])
	}
}
