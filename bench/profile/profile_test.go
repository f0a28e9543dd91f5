package profile

import (
	"math"
	"reflect"
	"testing"
	"time"
)

func TestSameSeedSameAudience(t *testing.T) {
	for _, p := range All() {
		a, b := p.Audience(200, 3*time.Minute, 7), p.Audience(200, 3*time.Minute, 7)
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two draws with one seed differ", p.Name)
		}
		if other := p.Audience(200, 3*time.Minute, 8); reflect.DeepEqual(a, other) {
			t.Errorf("%s: another seed draws the same", p.Name)
		}
		if p.Path(&a[3], &a[9], 7) != p.Path(&a[9], &a[3], 7) {
			t.Errorf("%s: a path differs by its direction", p.Name)
		}
	}
}

func TestSharesAreMet(t *testing.T) {
	const n = 4000
	for _, p := range All() {
		viewers := p.Audience(n, 0, 1)
		for _, s := range p.Uplinks {
			got := 0
			for _, v := range viewers {
				if v.Uplink == s.BitsPerSec {
					got++
				}
			}
			if share := float64(got) / n; math.Abs(share-s.Of) > 0.03 {
				t.Errorf("%s: uplink %d has a share of %.3f, want %.3f", p.Name, s.BitsPerSec, share, s.Of)
			}
		}
		apart, homes := 0, map[int]int{}
		for i := range viewers[:n-1] {
			path := p.Path(&viewers[i], &viewers[i+1], 1)
			if !path.Reachable {
				apart++
			}
			if viewers[i].Home != viewers[i+1].Home && (path.RTT < p.MinRTT || path.RTT > p.MaxRTT) {
				t.Fatalf("%s: RTT %v", p.Name, path.RTT)
			}
			homes[viewers[i].Home]++
		}
		if share := float64(apart) / n; math.Abs(share-p.Unreachable) > 0.03 {
			t.Errorf("%s: %.3f of the pairs cannot connect, want %.3f", p.Name, share, p.Unreachable)
		}
		shared := 0
		for _, k := range homes {
			if k > 1 {
				shared += k
			}
		}
		if share := float64(shared) / n; math.Abs(share-p.LAN) > 0.03 {
			t.Errorf("%s: %.3f of the viewers share a home, want %.3f", p.Name, share, p.LAN)
		}
		if path := p.Path(nil, &viewers[5], 1); !path.Reachable {
			t.Errorf("%s: the edge cannot be reached", p.Name)
		}
	}
}

func TestChurnKeepsTheCount(t *testing.T) {
	p, _ := Named("reference")
	const n = 300
	viewers := p.Audience(n, 10*time.Minute, 3)
	gone := 0
	for _, v := range viewers {
		if v.Leave > 0 {
			gone++
			if v.Leave <= v.Join {
				t.Fatalf("viewer %d leaves at %v before it comes at %v", v.Index, v.Leave, v.Join)
			}
		}
	}
	if len(viewers)-gone != n {
		t.Errorf("%d viewers stay, want %d", len(viewers)-gone, n)
	}
	if want := 0.05 * n * 9.5; math.Abs(float64(gone)-want) > 0.3*want {
		t.Errorf("%d viewers left in ten minutes, want about %.0f", gone, want)
	}
}

func TestFlashCrowd(t *testing.T) {
	p, _ := Named("flash-crowd")
	early := 0
	for _, v := range p.Audience(100, 0, 1) {
		if v.Join <= 5*time.Second {
			early++
		}
	}
	if early < 80 {
		t.Errorf("%d of 100 come within 5 s, want 80", early)
	}
}

func TestBound(t *testing.T) {
	viewers := []Viewer{{Uplink: 4e6, MayUpload: true}, {Uplink: 9e6}, {}, {}}
	if got := Bound(viewers, 2e6, 1); got != 0.5 {
		t.Errorf("bound %v, want 0.5: uplinks of 4 against a demand of 8 Mbit/s", got)
	}
	viewers[0].Uplink = 40e6
	if got := Bound(viewers, 2e6, 1); got != 0.75 {
		t.Errorf("bound %v, want 0.75: one copy of four", got)
	}
}

func TestUnknownProfile(t *testing.T) {
	if _, err := Named("moon"); err == nil {
		t.Error("no error")
	}
}
