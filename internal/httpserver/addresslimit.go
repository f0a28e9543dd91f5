package httpserver

import (
	"net/http"
	"net/netip"
	"sync"
)

// AddressLimit bounds what the clients of one address have open at once, so
// that one of them cannot take every place. An IPv6 client is its /64, which is
// the least that one customer has. Loopback is exempt: behind it are proxies,
// and programs of this machine.
type AddressLimit struct {
	// Max is how many one address may have; 0 and less: any number.
	Max int

	mu   sync.Mutex
	open map[netip.Addr]int // without zeros
}

// Enter takes a place for a client's address, HOST:PORT as in
// http.Request.RemoteAddr. leave gives it back and is to be called once.
func (l *AddressLimit) Enter(remote string) (leave func(), ok bool) {
	from, err := netip.ParseAddrPort(remote)
	addr := from.Addr().Unmap().WithZone("")
	if l.Max <= 0 || err != nil || addr.IsLoopback() {
		return func() {}, true
	}
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			addr = p.Addr()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[netip.Addr]int{}
	}
	if l.open[addr] >= l.Max {
		return nil, false
	}
	l.open[addr]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.open[addr]--; l.open[addr] == 0 {
			delete(l.open, addr)
		}
	}, true
}

// Handler answers 429 instead of next when a client has too many requests in
// progress there. A WebSocket is in progress until it ends.
func (l *AddressLimit) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave, ok := l.Enter(r.RemoteAddr)
		if !ok {
			w.Header().Set("Retry-After", "5")
			http.Error(w, TooMany, http.StatusTooManyRequests)
			return
		}
		defer leave()
		next.ServeHTTP(w, r)
	})
}

// TooMany tells a client that its address is at the limit.
const TooMany = "too many connections from your address"
