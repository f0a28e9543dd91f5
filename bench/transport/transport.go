// Package transport measures how slices should travel from parents to a child:
// real SCTP of pion over the model of bench/network, in virtual time, over
// round-trip times, loss, uplinks, ways of sending, numbers of slices and sizes
// of chunks. docs/transport.md has the method and the findings.
package transport

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"starling/bench/virtual"
)

// Path is the network of a cell: between any two hosts, and of the parents.
type Path struct {
	RTT    time.Duration `json:"rtt"`    // ns
	Loss   float64       `json:"loss"`   // share of packets, each way
	Uplink int64         `json:"uplink"` // bit/s of each parent
}

func (p Path) String() string {
	return fmt.Sprintf("%d ms, %.1f %%, %d Mbit/s", p.RTT.Milliseconds(), 100*p.Loss, p.Uplink/1_000_000)
}

// Options of a run. The zero value of a field is its default.
type Options struct {
	// Paths default to RTT 20, 40, 100 ms × loss 0, 0.5, 1, 2 % × uplink 2, 5,
	// 20 Mbit/s.
	Paths []Path
	// Schemes default to Schemes().
	Schemes []Scheme
	// Duration of media in each cell, virtual; default 20 s.
	Duration time.Duration
	// Bitrate of the stream, bit/s; default 2 Mbit/s.
	Bitrate int64
	// Seed of losses and part sizes; default 1.
	Seed uint64
	// Parallel cells; default 2.
	Parallel int
}

// Children of a parent are at most this many, so that a fast uplink's cell
// stays cheap to compute.
const maxChildren = 5

// warmUp is left out of the figures: handshakes and the first slow start.
const warmUp = 3 * time.Second

// AllPaths are those of the whole table.
func AllPaths() []Path {
	var out []Path
	for _, rtt := range []int{20, 40, 100} {
		for _, loss := range []float64{0, 0.005, 0.01, 0.02} {
			for _, mbit := range []int64{2, 5, 20} {
				out = append(out, Path{time.Duration(rtt) * time.Millisecond, loss, mbit * 1_000_000})
			}
		}
	}
	return out
}

// SizePaths are those over which Sizes are compared: where it is hard.
func SizePaths() []Path {
	return slices.DeleteFunc(AllPaths(), func(p Path) bool {
		return p.RTT < 40*time.Millisecond || p.Loss < 0.01 || p.Uplink > 5_000_000
	})
}

func (o Options) withDefaults() Options {
	if len(o.Paths) == 0 {
		o.Paths = AllPaths()
	}
	if len(o.Schemes) == 0 {
		o.Schemes = Schemes()
	}
	o.Duration = cmp.Or(o.Duration, 20*time.Second)
	o.Bitrate = cmp.Or(o.Bitrate, 2_000_000)
	o.Seed = cmp.Or(o.Seed, 1)
	o.Parallel = cmp.Or(o.Parallel, 2)
	return o
}

// Progress tells of each cell that is done: how many of how many.
type Progress func(done, of int, row Row)

// Run measures every scheme on every path. progress, which may be nil, is
// called from one goroutine at a time. It enters virtual time by itself and
// must be called from outside of it.
func Run(ctx context.Context, o Options, progress Progress) (Table, error) {
	o = o.withDefaults()
	var mu sync.Mutex
	t := Table{Duration: o.Duration, Bitrate: o.Bitrate, Seed: o.Seed, PartDuration: partDuration}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(o.Parallel)
	total := len(o.Schemes) * len(o.Paths)
	for _, s := range o.Schemes {
		for _, p := range o.Paths {
			if ctx.Err() != nil {
				break
			}
			g.Go(func() error {
				row, err := measure(ctx, o, s, p)
				if err != nil {
					return fmt.Errorf("%s over %v: %w", s.Name, p, err)
				}
				mu.Lock()
				defer mu.Unlock()
				t.Rows = append(t.Rows, row)
				if progress != nil {
					progress(len(t.Rows), total, row)
				}
				return nil
			})
		}
	}
	err := g.Wait()
	// In the order asked for, whichever cell was done first.
	order := map[string]int{}
	for i, s := range o.Schemes {
		order[s.Name] = i
	}
	slices.SortStableFunc(t.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(order[a.Scheme.Name], order[b.Scheme.Name]), cmp.Compare(a.Path.RTT, b.Path.RTT),
			cmp.Compare(a.Path.Loss, b.Path.Loss), cmp.Compare(a.Path.Uplink, b.Path.Uplink))
	})
	return t, err
}

// measure runs one cell.
func measure(ctx context.Context, o Options, s Scheme, p Path) (Row, error) {
	var row Row
	err := virtual.Run(ctx, func(ctx context.Context) error {
		c, err := newCell(o, s, p)
		if err != nil {
			return err
		}
		row, err = c.run(ctx)
		return err
	})
	return row, err
}
