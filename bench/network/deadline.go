package network

import (
	"sync"
	"time"
)

// deadline wakes those who wait on a condition when it passes. The condition's
// lock must be held for all its methods.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

// set changes the deadline and wakes everybody, since it may have passed.
func (d *deadline) set(t time.Time, cond *sync.Cond) {
	d.stop()
	d.at = t
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, func() {
			// With the lock, no one can be between looking and waiting.
			cond.L.Lock()
			defer cond.L.Unlock()
			cond.Broadcast()
		})
	}
	cond.Broadcast()
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
