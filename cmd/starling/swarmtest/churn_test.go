package swarmtest

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"starling/internal/peer"
)

// waveSize is less than the neighbours that a viewer has at most.
const waveSize = 8

// waves of neighbours; STARLING_JOINS asks for more than the suite has time for.
func waves() int {
	if n, err := strconv.Atoi(os.Getenv("STARLING_JOINS")); err == nil {
		return max(n/waveSize, 3)
	}
	return 6
}

// TestNeighboursThatComeAndGoLeaveNothing lets waves of viewers connect to one
// that stays, and counts its goroutines and what it and the WebRTC stack hold
// in memory.
func TestNeighboursThatComeAndGoLeaveNothing(t *testing.T) {
	// Enough samples for kilobytes; taken from here on.
	defer func(rate int) { runtime.MemProfileRate = rate }(runtime.MemProfileRate)
	runtime.MemProfileRate = 2048
	s := start(t)
	keeper := s.join("keeper", func(c *peer.Config) { c.Uplink = 50_000_000 })
	keeper.until(t, "playing", limit, func(st peer.Stats) bool { return st.Parts > 8 })
	alone := goroutines()
	s.wave(t, keeper) // what is made once, such as a pool, is no leak
	before, held := s.settled(t, keeper, alone), inUse()
	met := 0
	for range waves() - 1 {
		met += s.wave(t, keeper)
	}
	after, heldAfter := s.settled(t, keeper, alone), inUse()
	t.Logf("%d neighbours came and went: goroutines %d before, %d after; memory of peers and WebRTC %d KB before, %d KB after", met, before, after, held>>10, heldAfter>>10)
	if met < waves()-1 {
		t.Errorf("%d neighbours met the one that stays in %d waves", met, waves()-1)
	}
	// One connection that stays is half a megabyte and more.
	if heldAfter > held+held/2+256<<10 {
		t.Errorf("memory of peers and WebRTC rose from %d to %d KB with %d neighbours that came and went", held>>10, heldAfter>>10, met)
	}
	sound(t, keeper)
}

// wave lets viewers come, waits until each is connected and the one that stays
// is, too, and lets them go. It gives how many of them met that one.
func (s *stack) wave(t *testing.T, keeper *viewer) int {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the one that stays: %+v", keeper.Stats())
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var vs []*viewer
	for i := range waveSize {
		v := &viewer{name: name(i), changed: make(chan struct{}, 1)}
		p, err := peer.New(peer.Config{URL: s.base + "/watch/" + string(streamID), Host: s.host, Uplink: 20_000_000, Log: logger().With("viewer", v.name),
			OnPart: func(r peer.PartReport) { v.part(s, r) }})
		if err != nil {
			t.Fatal(err)
		}
		v.Peer = p
		vs = append(vs, v)
		wg.Go(func() {
			if err := p.Run(ctx); err != nil {
				t.Errorf("%s: %v", v.name, err)
			}
		})
	}
	for _, v := range vs {
		v.until(t, "connected", limit, func(st peer.Stats) bool { return st.Neighbours > 0 })
	}
	met := keeper.until(t, "connected to one that came", limit, func(st peer.Stats) bool { return st.Neighbours > 0 }).Neighbours
	cancel()
	wg.Wait()
	keeper.until(t, "alone again", limit, func(st peer.Stats) bool { return st.Neighbours == 0 })
	return met
}

// settled waits until connections that are being closed have ended, as far as
// the number of goroutines tells, and gives that number.
func (s *stack) settled(t *testing.T, keeper *viewer, want int) int {
	t.Helper()
	n := 0
	keeper.until(t, "rid of the goroutines of its neighbours", limit, func(peer.Stats) bool {
		n = goroutines()
		return n <= want
	})
	return n
}

// goroutines are those of peers and of their WebRTC stack.
func goroutines() int {
	n, _ := runtime.GoroutineProfile(nil)
	for {
		records := make([]runtime.StackRecord, n+100)
		var ok bool
		if n, ok = runtime.GoroutineProfile(records); !ok {
			continue
		}
		count := 0
		for i := range records[:n] {
			if ofPeers(records[i].Stack()) {
				count++
			}
		}
		return count
	}
}

// inUse is the sampled memory that peers and their WebRTC stack allocated and
// still hold.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // what the first made free counts as free after the second
	n, _ := runtime.MemProfile(nil, false)
	for {
		records := make([]runtime.MemProfileRecord, n+500)
		var ok bool
		if n, ok = runtime.MemProfile(records, false); !ok {
			continue
		}
		var sum int64
		for i := range records[:n] {
			if ofPeers(records[i].Stack()) {
				sum += records[i].InUseBytes()
			}
		}
		return sum
	}
}

// ofPeers says whether a stack runs through a peer or its WebRTC stack.
func ofPeers(stack []uintptr) bool {
	for frames := runtime.CallersFrames(stack); ; {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "github.com/pion/") || strings.HasPrefix(f.Function, "starling/internal/peer") {
			return true
		}
		if !more {
			return false
		}
	}
}
