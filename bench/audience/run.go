package audience

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"starling/bench/profile"
	"starling/bench/report"
	"starling/internal/peer"
	"starling/internal/wait"
)

// Run plays the audience and reports how it did. When ctx ends during the
// measurement the result covers what there was until then, and the error says
// so; before it there is no result.
func Run(ctx context.Context, o Options) (report.Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return report.Result{}, err
	}
	r := &run{o: &o, plan: o.plan(), began: time.Now(), losses: losses{watched: map[*viewer][]*loss{}}}
	return r.play(ctx)
}

// Streams of random numbers that are this package's, apart from profile's.
const (
	streamBad uint64 = iota + 101
	streamRude
	streamRung
	streamLosses
)

// run is one audience at play.
type run struct {
	o      *Options
	plan   plan
	began  time.Time
	losses losses
	rng    *rand.Rand // of the choice of parents to lose

	ctx context.Context
	wg  sync.WaitGroup

	mu      sync.Mutex
	viewers []*viewer // all that have come
	next    int       // index of the next one that replaces a lost parent
	err     error     // first of a viewer
	cancel  context.CancelFunc

	meter meter
}

func (r *run) play(ctx context.Context) (report.Result, error) {
	r.ctx, r.cancel = context.WithCancel(ctx)
	defer r.cancel()
	r.rng = rand.New(rand.NewPCG(r.o.Seed, streamLosses))
	bad := r.chooseBad()
	for i := range r.plan.viewers {
		who := r.plan.viewers[i]
		r.wg.Go(func() { r.life(who, bad[who.Index]) })
	}
	r.next = len(r.plan.viewers)
	measured := r.keepTime()
	r.cancel()
	r.wg.Wait()
	r.mu.Lock()
	err := r.err
	r.mu.Unlock()
	if err == nil {
		err = context.Cause(ctx)
	}
	if !measured {
		return report.Result{}, errors.Join(errors.New("the run ended before there was anything measured"), err)
	}
	return r.result(), err
}

// chooseBad picks who misbehaves: of the first viewers, and among those who can
// do harm since they may upload.
func (r *run) chooseBad() map[int]bool {
	var can []int
	for i := range r.o.N {
		if r.plan.viewers[i].MayUpload {
			can = append(can, i)
		}
	}
	rng := rand.New(rand.NewPCG(r.o.Seed, streamBad))
	rng.Shuffle(len(can), func(i, j int) { can[i], can[j] = can[j], can[i] })
	out := map[int]bool{}
	for _, i := range can[:min(int(r.o.Bad*float64(r.o.N)+0.5), len(can))] {
		out[i] = true
	}
	return out
}

// life is one viewer from its arrival to its departure.
func (r *run) life(who profile.Viewer, bad bool) {
	draw := func(stream uint64) *rand.Rand {
		return rand.New(rand.NewPCG(r.o.Seed, stream<<32|uint64(who.Index)))
	}
	v := &viewer{run: r, who: who, bad: bad, rude: draw(streamRude).IntN(2) == 0, sources: map[sliceKey]*source{},
		rung: r.o.Rungs[draw(streamRung).IntN(len(r.o.Rungs))]}
	if wait.For(r.ctx, who.Join-r.since()) != nil {
		return
	}
	if who.Leave > 0 {
		timer := time.AfterFunc(who.Leave-r.since(), func() {
			r.mu.Lock()
			here := v.peer != nil && v.left == 0
			r.mu.Unlock()
			if here {
				v.depart(v.rude)
			}
		})
		defer timer.Stop()
	}
	if err := v.watch(r.ctx); err != nil {
		r.mu.Lock()
		if r.err == nil {
			r.err = err
		}
		r.mu.Unlock()
		r.cancel()
	}
}

func (r *run) since() time.Duration { return time.Since(r.began) }

// entered adds a viewer to those who are there.
func (r *run) entered(v *viewer, p *peer.Peer, line Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.peer, v.line, v.joined = p, line, r.since()
	r.viewers = append(r.viewers, v)
}

// departs takes a viewer's counters before it goes and starts the watch over
// those who depended on it.
func (r *run) departs(v *viewer, rude bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaves(v)
	stats := v.peer.Stats()
	for _, c := range r.viewers {
		if c.left != 0 || c.bad || c == v {
			continue
		}
		if s := c.dependsOn(stats.ID, time.Now().Add(-time.Second)); len(s) > 0 {
			r.losses.lost(c, stats.ID, s, c.peer.Stats().Stalls, rude)
		}
	}
}

// gone is after a viewer's peer has ended.
func (r *run) gone(v *viewer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaves(v)
}

// leaves needs r.mu.
func (r *run) leaves(v *viewer) {
	if v.left != 0 {
		return
	}
	v.left = r.since()
	if !v.done {
		v.final, v.done = v.peer.Stats(), true
	}
	r.losses.forget(v)
}

// here lists who is there. It needs r.mu.
func (r *run) here() []*viewer {
	return slices.DeleteFunc(slices.Clone(r.viewers), func(v *viewer) bool { return v.left != 0 })
}

// keepTime samples every second until the measurement is over, and loses
// parents at their time. It reports false when there is no measurement.
func (r *run) keepTime() bool {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	lost := 0
	loss := time.NewTimer(r.nextLoss(lost))
	defer loss.Stop()
	for {
		select {
		case <-loss.C:
			lost++
			r.loseParent()
			loss.Reset(r.nextLoss(lost))
			continue
		case <-tick.C:
		case <-r.ctx.Done():
			if r.since() < r.plan.from+2*time.Second {
				return false
			}
			r.mark(false)
			return true
		}
		at := r.since()
		r.sample(at)
		r.losses.tend(time.Now(), r.stalls)
		switch {
		case at >= r.plan.to:
			r.mark(false)
			return true
		case at >= r.plan.from && !r.meter.on:
			r.mark(true)
		}
	}
}

// noLoss is longer than any run.
const noLoss = 1000 * time.Hour

// nextLoss is the time until the i-th parent is lost: at even distances, but at
// any moment between two parts, since a second holds a whole number of them.
func (r *run) nextLoss(i int) time.Duration {
	n := r.o.LoseParents
	if i >= n {
		return noLoss
	}
	at := r.plan.from + time.Second + time.Duration(i)*r.o.Duration/time.Duration(n) + time.Duration(r.rng.Int64N(int64(time.Second)))
	return at - r.since()
}

func (r *run) stalls(v *viewer) uint64 { return v.peer.Stats().Stalls }

// loseParent cuts off a viewer that others get slices from, and lets another
// with an equal line come.
func (r *run) loseParent() {
	r.mu.Lock()
	var parents []*viewer
	here := r.here()
	for _, v := range here {
		id := v.peer.Stats().ID
		if slices.ContainsFunc(here, func(c *viewer) bool { return !c.bad && len(c.dependsOn(id, time.Now().Add(-time.Second))) > 0 }) {
			parents = append(parents, v)
		}
	}
	if len(parents) == 0 {
		r.mu.Unlock()
		return
	}
	v := parents[r.rng.IntN(len(parents))]
	who := v.who
	who.Index, who.Home, who.Join = r.next, r.next, r.since()
	r.next++
	r.mu.Unlock()
	v.depart(true)
	r.wg.Go(func() { r.life(who, false) })
}
