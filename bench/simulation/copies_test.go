package simulation

import (
	"math"
	"testing"
	"time"

	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

func TestCopiesHaveCauses(t *testing.T) {
	r := small(t, "reference", 24, func(o *Options) {
		o.Profile.Churn, o.Silent, o.Duration = 1, 0.5, 12*time.Second
	})
	sum, bytes := 0.0, 0.0
	for name, x := range r.CopiesBy {
		if x < 0 {
			t.Errorf("%v copies for %s", x, name)
		}
		sum, bytes = sum+x, bytes+r.PartBytesBy[name]
	}
	if math.Abs(sum-r.EdgeCopies) > 1e-9 {
		t.Errorf("the causes sum up to %v copies, the edge sent %v", sum, r.EdgeCopies)
	}
	if all := float64(r.EdgeBytes) / (12 * 3); math.Abs(bytes/all-1) > 0.03 {
		t.Errorf("the causes sum up to %.0f bytes a part, the edge sent %.0f", bytes, all)
	}
	for _, x := range []cause{causeRoot, causeBacklog, causeConnecting, causeLost} {
		if r.CopiesBy[causeNames[x]] == 0 {
			t.Errorf("no copy for %s, although viewers come and go", causeNames[x])
		}
	}
	if r.Came == 0 {
		t.Error("nobody came")
	}
}

func TestNobodyIsAssignedWithoutATracker(t *testing.T) {
	r := small(t, "tv", 6, func(o *Options) { o.EdgeOnly = true })
	if x := r.CopiesBy[causeNames[causeUnassigned]]; x < 5.9 || x > 6.2 {
		t.Errorf("%v copies for 6 viewers without a tracker: %v", x, r.CopiesBy)
	}
}

// A feed keeps what the kernel has, and drops the rest of what is not wanted.
func TestFeedTakesBackWhatIsNotWritten(t *testing.T) {
	o, err := Options{Viewers: 1}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c := newCell(&o, newStream(&o, time.Minute), 1, 1)
	v := c.viewers[0]
	v.line.down = 1e9
	out := c.newAssociation(&tcp, &c.edgeLine, &v.line, 20_000, 0, 0, event{do: evFrame})
	v.feed.out = &out
	const size, n = 10_000, 60
	for i := range n {
		c.edgeSends(causeBacklog, size)
		track := uint8(1 + i%2)
		v.feedFrame(frame{kind: uint8(peerwire.TypeChunk), key: peerstate.Key{Track: track}, size: size + chunkPrefix, flags: uint8(causeBacklog)})
	}
	v.unsend(func(f *frame) bool { return f.key.Track == 1 })
	kept := 0
	for i := range out.chunks {
		f := &c.pool.all[out.chunks[i].m].frame
		if f.key.Track == 1 {
			kept++
		}
	}
	if kept == 0 || kept > feedBuffer/size/2+1 {
		t.Errorf("%d chunks of the track are still to be sent", kept)
	}
	dropped := n - int(c.edgeBytes)/size
	if dropped < 15 || dropped > 18 || c.edgeBy[causeBacklog] != c.edgeBytes || int(out.buffered) != (n-dropped)*(size+chunkPrefix) {
		t.Errorf("%d chunks taken back, %d bytes counted, %d by cause, %d buffered", dropped, c.edgeBytes, c.edgeBy[causeBacklog], out.buffered)
	}
}

// Time 0 is no limit for media times: the first viewers, too, play from a
// hold-back behind live, and leave their parents the time that others do.
func TestEverybodyPlaysAHoldBackBehindLive(t *testing.T) {
	o, err := Options{Viewers: 12, Ramp: time.Second, Warmup: 2 * time.Second, Duration: 2 * time.Second}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c := newCell(&o, newStream(&o, 10*time.Second), 12, 1)
	if err := c.run(t.Context(), func(float64) {}); err != nil {
		t.Fatal(err)
	}
	for _, v := range c.viewers {
		if behind := time.Duration(v.play.target) * time.Microsecond; !v.play.started || behind < o.HoldBack || behind > o.HoldBack+2*time.Second {
			t.Errorf("viewer %d, started %v, plays %v behind live", v.i, v.play.started, behind)
		}
	}
}
