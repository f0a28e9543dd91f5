package stack

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// listener says which key of the configuration an address comes from.
type listener struct{ key, addr string }

// explain turns "address already in use" and "permission denied" into what to
// do about it. Other errors pass unchanged.
func explain(err error, listeners []listener) error {
	busy, forbidden := errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EACCES)
	if !busy && !forbidden {
		return err
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "listen" {
		return err
	}
	l, ok := find(listeners, op)
	switch {
	case !ok:
		return err
	case forbidden:
		return fmt.Errorf("no permission to listen on %s: ports below 1024 need root, choose another with --set %s=:PORT (key %s): %w", l.addr, l.key, l.key, err)
	}
	return fmt.Errorf("%s is taken by another program: stop it, or choose another port with --set %s=:PORT (key %s): %w", l.addr, l.key, l.key, err)
}

// find matches the failed address with a key. TCP and UDP may use the same
// port, so the network has to fit, too.
func find(listeners []listener, op *net.OpError) (listener, bool) {
	if op.Addr == nil {
		return listener{}, false
	}
	_, port, err := net.SplitHostPort(op.Addr.String())
	if err != nil {
		return listener{}, false
	}
	udp := strings.HasPrefix(op.Net, "udp")
	for _, l := range listeners {
		_, p, err := net.SplitHostPort(l.addr)
		if err == nil && p == port && udp == (l.key == "relay.listen" || l.key == "stun.listen") {
			return l, true
		}
	}
	return listener{}, false
}
