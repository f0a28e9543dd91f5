package stack

import (
	"net"
	"net/netip"
)

// Addresses are where a node listens, HOST:PORT; empty: not at all.
type Addresses struct {
	RTMP    string
	Relay   string // UDP
	HTTP    string
	HTTPS   string
	Tracker string // only without an edge in the same process
	STUN    string // UDP
	Admin   string
}

// Map gives those in use by their names in the admin API.
func (a Addresses) Map() map[string]string {
	out := map[string]string{}
	for _, e := range []struct{ name, addr string }{
		{"rtmp", a.RTMP}, {"relay", a.Relay}, {"http", a.HTTP}, {"https", a.HTTPS},
		{"tracker", a.Tracker}, {"stun", a.STUN}, {"admin", a.Admin},
	} {
		if e.addr != "" {
			out[e.name] = e.addr
		}
	}
	return out
}

// Browsable is Dialable with the name by which people know loopback.
func Browsable(addr string) string {
	addr = Dialable(addr)
	if host, port, err := net.SplitHostPort(addr); err == nil && host == "127.0.0.1" {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

// Dialable makes an address that can be connected to from this machine: the
// unspecified address of a listener becomes loopback.
func Dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip, err := netip.ParseAddr(host); host == "" || (err == nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}
