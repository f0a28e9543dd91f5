package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"starling/bench/profile"
)

// small is a run that takes a fraction of a second.
func small(t *testing.T, name string, n int, change func(*Options)) Result {
	t.Helper()
	p, err := profile.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Profile: p, Viewers: n, Duration: 8 * time.Second, Warmup: 6 * time.Second, Ramp: 2 * time.Second, KnownUplink: true}
	if change != nil {
		change(&o)
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func encode(t *testing.T, r Result) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSameSeedSameResult(t *testing.T) {
	cells := func(parallel int) func(*Options) {
		return func(o *Options) {
			o.Swarm.MaxCell, o.Parallel, o.Bad, o.Silent = 12, parallel, 0.1, 0.5
			o.Profile.Churn = 1
		}
	}
	first := encode(t, small(t, "reference", 24, cells(1)))
	if again := encode(t, small(t, "reference", 24, cells(2))); again != first {
		t.Errorf("one seed gave\n%s\nand\n%s", first, again)
	}
	other := small(t, "reference", 24, func(o *Options) { cells(2)(o); o.Seed = 2 })
	if other.Seed = 1; encode(t, other) == first {
		t.Error("another seed gave the same")
	}
}

func TestEdgeOnlyCarriesEverything(t *testing.T) {
	r := small(t, "tv", 10, func(o *Options) { o.EdgeOnly = true })
	if r.PeerBytes != 0 || r.Offload != 0 || r.Stalls != 0 || r.Skipped != 0 {
		t.Errorf("offload %v, %d bytes from peers, %d stalls, %d parts skipped", r.Offload, r.PeerBytes, r.Stalls, r.Skipped)
	}
	// Each viewer gets each part once, and after a loss at times twice.
	if r.EdgeCopies < 9.9 || r.EdgeCopies > 11 {
		t.Errorf("%.2f copies of each part for 10 viewers", r.EdgeCopies)
	}
	if want := uint64(10 * 2 * 8 * 3); r.Parts < want*9/10 || r.Parts > want*11/10 {
		t.Errorf("%d parts, want about %d", r.Parts, want)
	}
}

func TestPeersCarryMostOnAGoodNetwork(t *testing.T) {
	r := small(t, "tv", 12, nil)
	if r.Offload < 0.7 || r.Stalls > 0 || r.Skipped > 0 {
		t.Errorf("offload %.3f of a bound of %.3f, %d stalls, %d parts skipped", r.Offload, r.Bound, r.Stalls, r.Skipped)
	}
	if r.Bound < 0.9 || r.Bound > 0.92 {
		t.Errorf("bound %.3f for 12 viewers, want 11/12", r.Bound)
	}
	if r.FirstPeer.N == 0 || r.FirstPeer.P50 < 200 || r.Startup.P50 < 50 {
		t.Errorf("first peer byte %+v, start-up %+v: no connection is that fast", r.FirstPeer, r.Startup)
	}
	if r.Connections < 1 || r.Depth.Max < 2 || r.Roots == 0 {
		t.Errorf("%.1f connections, depth %+v, %d roots", r.Connections, r.Depth, r.Roots)
	}
	if len(r.Series) != 8 {
		t.Errorf("%d seconds, want 8", len(r.Series))
	}
	// What viewers count as received from peers, peers have sent.
	if r.PeerBytes > r.SentBytes {
		t.Errorf("%d bytes from peers, %d sent by them", r.PeerBytes, r.SentBytes)
	}
}

func TestAlteredBytesAreRejected(t *testing.T) {
	r := small(t, "tv", 20, func(o *Options) { o.Bad, o.Badly = 0.2, Alter })
	if r.Bad+r.Banned == 0 || r.Rejected == 0 || r.Banned == 0 || r.HonestBanned != 0 {
		t.Errorf("%d bad, %d banned, of these honest %d; %d bytes rejected", r.Bad, r.Banned, r.HonestBanned, r.Rejected)
	}
	if r.Skipped > 0 {
		t.Errorf("%d parts were never there", r.Skipped)
	}
}

func TestBadViewersDoNotStopOthers(t *testing.T) {
	for _, kind := range []Behaviour{Withhold, WithholdSome, Lie, Slow} {
		r := small(t, "tv", 16, func(o *Options) { o.Bad, o.Badly = 0.15, kind })
		if r.Bad == 0 || r.Skipped > r.Parts/50 {
			t.Errorf("%s: %d bad viewers, %d of %d parts skipped", behaviours[kind], r.Bad, r.Skipped, r.Parts)
		}
	}
}

func TestSlumpLowersWhatPeersCarry(t *testing.T) {
	r := small(t, "reference", 16, func(o *Options) {
		o.Duration, o.Slump = 10*time.Second, Slump{At: 2 * time.Second, For: 4 * time.Second, Factor: 0.05}
	})
	if len(r.Series) != 10 || r.Series[4].PeerBits >= r.Series[0].PeerBits {
		t.Errorf("peers carry %.0f bit/s before and %.0f during the slump", r.Series[0].PeerBits, r.Series[4].PeerBits)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, Options{Viewers: 20, Progress: func(float64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{Viewers: -1}, {Bad: 1}, {Silent: 2}, {Part: time.Millisecond}, {Duration: time.Millisecond}, {Slump: Slump{Factor: -1}}} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if _, err := ParseBehaviour("charming"); err == nil {
		t.Error("no error for an unknown behaviour")
	}
	if b, err := ParseBehaviour("withhold-some"); err != nil || b != WithholdSome {
		t.Error(b, err)
	}
}
