package tracker

import (
	"net/netip"
	"time"
)

// maxSources bounds the addresses remembered in one second. Beyond it new
// ones are refused until the next: forged sources cannot fill memory.
const maxSources = 50_000

// sourceLimit counts requests by address in windows of a second. It is used by
// one goroutine.
type sourceLimit struct {
	each, all int
	window    time.Time
	total     int
	sources   map[netip.Addr]int
}

func newSourceLimit(each, all int) *sourceLimit {
	return &sourceLimit{each: each, all: all, sources: map[netip.Addr]int{}}
}

func (l *sourceLimit) allow(a netip.Addr, now time.Time) bool {
	if a.Is6() { // one customer has at least a /64
		if p, err := a.WithZone("").Prefix(64); err == nil {
			a = p.Addr()
		}
	}
	if now.Sub(l.window) >= time.Second {
		l.window, l.total = now, 0
		clear(l.sources)
	}
	n, known := l.sources[a]
	if l.total >= l.all || n >= l.each || !known && len(l.sources) >= maxSources {
		return false
	}
	l.total++
	l.sources[a] = n + 1
	return true
}
