package tracker

import (
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
	"net/http"
	"net/netip"
	"strings"

	"starling/internal/swarm"
)

// origin is what a viewer's address says about it. The address itself is not
// kept: what is, is a hash with a seed of this process.
type origin struct {
	locality swarm.Locality
	// line names the line for bans; empty: unknown.
	line string
}

// originOf finds out where a request comes from.
func (t *Tracker) originOf(r *http.Request) origin {
	a, ok := clientAddr(r.RemoteAddr, r.Header.Values("X-Forwarded-For"), t.cfg.TrustedProxies)
	if !ok {
		return origin{}
	}
	o := origin{locality: swarm.Locality{LAN: t.hash("lan", lanPrefix(a))}, line: t.hash("line", linePrefix(a))}
	o.locality.ASN, o.locality.Region = t.cfg.Networks.Find(a)
	return o
}

// clientAddr gives the address of whoever opened a connection. Behind trusted
// proxies it is the last address of X-Forwarded-For that is none of them: what
// stands before it can be made up. Loopback says nothing: it is this machine,
// or a proxy on it that was not named.
func clientAddr(remote string, forwarded []string, trusted []netip.Prefix) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}, false
	}
	a := ap.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && isTrusted(a, trusted); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return netip.Addr{}, false
		}
		a = hop.Unmap().WithZone("")
	}
	if isTrusted(a, trusted) || a == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || a == netip.IPv6Loopback() {
		return netip.Addr{}, false
	}
	return a, true
}

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// lanPrefix is what viewers of one LAN share: the public IPv4 address of their
// line, or their IPv6 network. Private addresses show the subnet itself.
func lanPrefix(a netip.Addr) netip.Prefix {
	bits := 64
	switch {
	case a.Is4() && a.IsPrivate():
		bits = 24
	case a.Is4():
		bits = 32
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// linePrefix is what one customer has: an IPv4 address, or the IPv6 networks
// that a provider gives out together.
func linePrefix(a netip.Addr) netip.Prefix {
	bits := 56
	if a.Is4() {
		bits = 32
	}
	return netip.PrefixFrom(a, bits).Masked()
}

func (t *Tracker) hash(use string, p netip.Prefix) string {
	var h maphash.Hash
	h.SetSeed(t.seed)
	h.WriteString(use)        // never fails
	h.WriteString(p.String()) // never fails
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, h.Sum64()))
}
