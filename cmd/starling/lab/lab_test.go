package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"starling/bench/audience"
	"starling/bench/profile"
	"starling/bench/report"
	"starling/internal/peer"
)

func named(t *testing.T, name string) profile.Profile {
	t.Helper()
	p, err := profile.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func figures(t *testing.T, r *report.Receipt, role report.Role) map[report.Figure]float64 {
	t.Helper()
	for i := range r.Results {
		if r.Results[i].Role == role {
			return r.Results[i].Figures
		}
	}
	t.Fatalf("no result of role %s", role)
	return nil
}

// What the whole of it is for: peers carry nearly all that they can, nobody
// stalls, and a viewer that alters what it passes on harms nobody. A bubble
// that leaves a goroutine behind fails by itself.
func TestSmallSwarmWithALiar(t *testing.T) {
	r, err := Run(context.Background(), Config{Profile: named(t, "lan"), N: 7, Duration: 10 * time.Second, Warmup: 5 * time.Second, Bad: 0.15, Behaviour: peer.Alter})
	if err != nil {
		t.Fatal(err)
	}
	s, e := figures(t, &r, report.Swarm), figures(t, &r, report.EdgeOnly)
	t.Logf("swarm %v", s)
	if s[report.Liars] != 1 || s[report.RejectedBytes] == 0 {
		t.Errorf("%v liars, %v bytes rejected: want one that was caught", s[report.Liars], s[report.RejectedBytes])
	}
	if s[report.Banned] != 1 {
		t.Errorf("the tracker has banned %v, want the liar", s[report.Banned])
	}
	for _, f := range []report.Figure{report.BadBytes, report.Stalls, audience.NeverOn, report.SkippedParts} {
		if s[f] != 0 || e[f] != 0 {
			t.Errorf("%s: %v in the swarm, %v from the edge alone: want none", f, s[f], e[f])
		}
	}
	if s[report.BoundShare] < 0.9 {
		t.Errorf("offload %.3f of a bound of %.3f", s[report.Offload], s[report.Bound])
	}
	if e[report.Offload] != 0 || e[report.EdgeCopies] < 6.9 || e[report.EdgeCopies] > 7.1 {
		t.Errorf("the edge alone sent %.2f copies to 7 viewers", e[report.EdgeCopies])
	}
}

func TestLostParentsAreMeasured(t *testing.T) {
	r, err := Run(context.Background(), Config{Profile: named(t, "tv"), N: 5, Duration: 8 * time.Second, Warmup: 6 * time.Second, LoseParents: 1, SwarmOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	q := r.Results[0].Quantiles[report.ParentGap]
	if q.N == 0 || q.P50 < 0 {
		t.Errorf("no gap of a child was measured: %+v", q)
	}
	if n := len(r.Results[0].PerViewer); n != 6 {
		t.Errorf("%d viewers in the receipt, want 5 and one that came for the lost one", n)
	}
}

// The lines, arrivals and frames depend on the seed alone; who connects first
// does not, so that figures of two runs are close and not equal.
func TestMixedRungsAreSpread(t *testing.T) {
	r, err := Run(context.Background(), Config{Profile: named(t, "lan"), N: 4, Duration: 3 * time.Second, Warmup: 1 * time.Second, Mixed: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range r.Results {
		names = append(names, r.Results[i].Name)
	}
	if got := strings.Join(names, ", "); got != "swarm, one rung, edge only" {
		t.Errorf("results %s", got)
	}
	rungs := map[string]int{}
	for _, v := range r.Results[0].PerViewer {
		rungs[v.Labels["rung"]]++
	}
	if len(rungs) < 2 {
		t.Errorf("rungs %v", rungs)
	}
}

func TestAnInterruptedRunGivesWhatThereWas(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := Run(ctx, Config{Profile: named(t, "lan"), N: 2, Duration: time.Hour, Warmup: time.Second, Progress: func(run string, p audience.Progress) {
		if p.At > 6*time.Second {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || len(r.Results) != 1 || r.Results[0].Figures[report.Parts] == 0 {
		t.Errorf("%v, %d results", err, len(r.Results))
	}
}

func TestBroadcastHasTheSizesAskedFor(t *testing.T) {
	r, err := Run(context.Background(), Config{Profile: named(t, "lan"), N: 1, Duration: 6 * time.Second, Warmup: time.Second, Bitrate: 1_000_000, SwarmOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Results[0].Figures[report.StreamBytes], 6*(1_000_000+audioBitrate)/8.0; got < 0.9*want || got > 1.1*want {
		t.Errorf("%s of media in 6 s, want about %s", fmt.Sprint(got), fmt.Sprint(want))
	}
}
