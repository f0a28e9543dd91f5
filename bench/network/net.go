package network

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/pion/transport/v4"
)

// transportNet is a host's network as pion sees it: one interface with the
// inner address, UDP over IPv4, and nothing else.
type transportNet struct{ h *Host }

var (
	_ transport.Net     = (*transportNet)(nil)
	_ transport.UDPConn = (*udpConn)(nil)
)

// interfaceIndex and interfaceMTU describe the only interface.
const (
	interfaceIndex = 1
	interfaceName  = "net0"
	interfaceMTU   = 1500
)

func (t *transportNet) Interfaces() ([]*transport.Interface, error) {
	i := transport.NewInterface(net.Interface{Index: interfaceIndex, MTU: interfaceMTU, Name: interfaceName,
		Flags: net.FlagUp | net.FlagRunning | net.FlagBroadcast})
	i.AddAddress(&net.IPNet{IP: t.h.inner.AsSlice(), Mask: net.CIDRMask(8, 32)})
	return []*transport.Interface{i}, nil
}

func (t *transportNet) InterfaceByIndex(index int) (*transport.Interface, error) {
	if index != interfaceIndex {
		return nil, transport.ErrInterfaceNotFound
	}
	all, err := t.Interfaces()
	return all[0], err
}

func (t *transportNet) InterfaceByName(name string) (*transport.Interface, error) {
	if name != interfaceName {
		return nil, transport.ErrInterfaceNotFound
	}
	return t.InterfaceByIndex(interfaceIndex)
}

func (t *transportNet) ListenUDP(_ string, local *net.UDPAddr) (transport.UDPConn, error) {
	port, err := t.port(local)
	if err != nil {
		return nil, err
	}
	return t.h.listenUDP(port, nil)
}

// port gives the port of a local address that must be the host's own.
func (t *transportNet) port(local *net.UDPAddr) (int, error) {
	if local == nil {
		return 0, nil
	}
	ip, _ := netip.AddrFromSlice(local.IP)
	if !t.h.owns(ip.Unmap()) {
		return 0, &net.AddrError{Err: "not an address of this host", Addr: local.String()}
	}
	return local.Port, nil
}

func (t *transportNet) ListenPacket(network, address string) (net.PacketConn, error) {
	local, err := t.ResolveUDPAddr(network, address)
	if err != nil {
		return nil, err
	}
	port, err := t.port(local)
	if err != nil {
		return nil, err
	}
	return t.h.listenUDP(port, nil)
}

func (t *transportNet) DialUDP(_ string, local, remote *net.UDPAddr) (transport.UDPConn, error) {
	port, err := t.port(local)
	if err != nil {
		return nil, err
	}
	return t.h.listenUDP(port, remote)
}

func (t *transportNet) Dial(network, address string) (net.Conn, error) {
	switch network {
	case "udp", "udp4":
		remote, err := t.ResolveUDPAddr(network, address)
		if err != nil {
			return nil, err
		}
		return t.h.listenUDP(0, remote)
	}
	return t.h.DialContext(context.Background(), network, address)
}

func (t *transportNet) ResolveIPAddr(_, address string) (*net.IPAddr, error) {
	ip, err := t.h.n.resolve(address)
	if err != nil {
		return nil, err
	}
	return &net.IPAddr{IP: ip.AsSlice()}, nil
}

func (t *transportNet) ResolveUDPAddr(_, address string) (*net.UDPAddr, error) {
	a, err := t.h.n.resolvePort(address)
	if err != nil {
		return nil, err
	}
	return net.UDPAddrFromAddrPort(a), nil
}

func (t *transportNet) ResolveTCPAddr(_, address string) (*net.TCPAddr, error) {
	a, err := t.h.n.resolvePort(address)
	if err != nil {
		return nil, err
	}
	return net.TCPAddrFromAddrPort(a), nil
}

// resolve finds a name or a literal address. UDP knows inner addresses only.
func (n *Network) resolve(host string) (netip.Addr, error) {
	if host == "" {
		return netip.IPv4Unspecified(), nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if h := n.names[host]; h != nil {
		return h.inner, nil
	}
	return netip.Addr{}, &net.DNSError{Err: errNoHost.Error(), Name: host, IsNotFound: true}
}

func (n *Network) resolvePort(address string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ip, err := n.resolve(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port := 0
	if service != "" {
		if port, err = strconv.Atoi(service); err != nil || port < 0 || port > 65_535 {
			return netip.AddrPort{}, &net.AddrError{Err: "invalid port", Addr: address}
		}
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}

// pion uses TCP for candidates and relays of that kind alone, which peers of
// ours do not have (docs/peer.md).
func (t *transportNet) ListenTCP(string, *net.TCPAddr) (transport.TCPListener, error) {
	return nil, transport.ErrNotSupported
}

func (t *transportNet) DialTCP(string, *net.TCPAddr, *net.TCPAddr) (transport.TCPConn, error) {
	return nil, transport.ErrNotSupported
}

func (t *transportNet) CreateDialer(*net.Dialer) transport.Dialer { return t }

func (t *transportNet) CreateListenConfig(*net.ListenConfig) transport.ListenConfig {
	return listenConfig{t}
}

type listenConfig struct{ t *transportNet }

func (l listenConfig) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, transport.ErrNotSupported
}

func (l listenConfig) ListenPacket(_ context.Context, network, address string) (net.PacketConn, error) {
	return l.t.ListenPacket(network, address)
}

// What follows completes transport.UDPConn.

func (c *udpConn) LocalAddr() net.Addr { return c.local }

func (c *udpConn) RemoteAddr() net.Addr {
	if c.remote == nil {
		return nil
	}
	return c.remote
}

func (c *udpConn) ReadFrom(b []byte) (int, net.Addr, error) {
	k, from, err := c.ReadFromUDP(b)
	if err != nil {
		return k, nil, err
	}
	return k, from, nil
}

func (c *udpConn) Read(b []byte) (int, error) {
	k, _, err := c.ReadFromUDP(b)
	return k, err
}

func (c *udpConn) ReadMsgUDP(b, _ []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	n, addr, err = c.ReadFromUDP(b)
	return n, 0, 0, addr, err
}

func (c *udpConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, transport.ErrNotUDPAddress
	}
	return c.WriteToUDP(b, a)
}

func (c *udpConn) Write(b []byte) (int, error) {
	if c.remote == nil {
		return 0, c.fault("write", net.ErrWriteToConnected)
	}
	return c.WriteToUDP(b, c.remote)
}

func (c *udpConn) WriteMsgUDP(b, _ []byte, to *net.UDPAddr) (n, oobn int, err error) {
	if to == nil {
		n, err = c.Write(b)
		return n, 0, err
	}
	n, err = c.WriteToUDP(b, to)
	return n, 0, err
}

func (c *udpConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline changes nothing: writing never waits.
func (c *udpConn) SetWriteDeadline(time.Time) error { return nil }

// SetReadBuffer and SetWriteBuffer change nothing: buffers are of one size.
func (c *udpConn) SetReadBuffer(int) error { return nil }

// SetWriteBuffer changes nothing.
func (c *udpConn) SetWriteBuffer(int) error { return nil }
