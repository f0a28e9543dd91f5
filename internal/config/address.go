package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// The words that Bind knows besides an IP address.
const (
	Localhost = "localhost" // both loopback addresses
	All       = "all"       // every address of the machine
)

// Addrs gives the addresses to listen on for a listen key: its own host, or
// else the one that bind names. For localhost that is 127.0.0.1 and, unless
// the port is 0, [::1]: browsers may try either for the name localhost. The
// second is a courtesy and need not succeed. Off gives none.
func Addrs(bind, listen string) ([]string, error) {
	if listen == Off {
		return nil, nil
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("%q is not an address: want HOST:PORT, or :PORT for the host that bind names", listen)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q: the port is a number from 0 to 65535", listen)
	}
	if host == "" {
		host = bind
	}
	switch host {
	case Localhost:
		addrs := []string{net.JoinHostPort("127.0.0.1", port)}
		if n != 0 {
			addrs = append(addrs, net.JoinHostPort("::1", port))
		}
		return addrs, nil
	case All:
		return []string{":" + port}, nil
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return nil, fmt.Errorf("%q: the host is an IP address of this machine, %s or %s", listen, Localhost, All)
	}
	return []string{net.JoinHostPort(host, port)}, nil
}

// Addr is the first of Addrs, or "" for Off. The key must have passed Validate.
func (c *Config) Addr(listen string) string {
	addrs, err := Addrs(c.Bind, listen)
	if err != nil || len(addrs) == 0 {
		return ""
	}
	return addrs[0]
}

// AdminAddrs gives the addresses of the admin listener, which does not follow
// Bind: without a host it is on loopback only.
func (c *Config) AdminAddrs() ([]string, error) {
	addrs, err := Addrs(Localhost, c.Admin.Listen)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if !loopback(a) && !c.Admin.Public {
			return nil, fmt.Errorf("%q is reachable from other machines and has no login: set admin.public: true if a firewall or a proxy protects it", c.Admin.Listen)
		}
	}
	return addrs, nil
}

func loopback(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().IsLoopback()
}
