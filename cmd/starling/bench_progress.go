package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"starling/bench/audience"
)

// progress shows how a run stands, every second of real time: the run's own
// clock may be virtual.
type progress struct {
	w    io.Writer
	quit chan struct{}
	wg   sync.WaitGroup

	mu   sync.Mutex
	run  string
	at   audience.Progress
	news bool
	idle int // seconds without news
}

// idleWarning seconds without a second of a run's time are worth a word.
const idleWarning = 60

func startProgress(w io.Writer) *progress {
	p := &progress{w: w, quit: make(chan struct{})}
	p.wg.Go(p.show)
	return p
}

// note is called by the run.
func (p *progress) note(run string, at audience.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run, p.at, p.news = run, at, true
}

func (p *progress) show() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-tick.C:
			p.print(time.Since(began))
		case <-p.quit:
			p.print(time.Since(began))
			return
		}
	}
}

func (p *progress) print(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.news {
		if p.idle++; p.idle%idleWarning == 0 {
			fmt.Fprintf(p.w, "%5.0f s  the run's clock has not moved for %d s\n", took.Seconds(), p.idle)
		}
		return
	}
	p.news, p.idle = false, 0
	phase := "warm-up"
	if p.at.Measuring {
		phase = "measuring"
	}
	fmt.Fprintf(p.w, "%5.0f s  %-9s  %3.0f of %.0f s (%s)  %d viewers, offload %.1f %%, %d stalls\n",
		took.Seconds(), p.run, p.at.At.Seconds(), p.at.Of.Seconds(), phase, p.at.Viewers, 100*p.at.Offload, p.at.Stalls)
}

func (p *progress) end() {
	close(p.quit)
	p.wg.Wait()
}
