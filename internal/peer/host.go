package peer

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	pionnet "github.com/pion/transport/v4"
	"github.com/pion/webrtc/v4"
)

// HostConfig configures a Host. The zero value of a field is its default.
type HostConfig struct {
	// InsecureTLS accepts any certificate: for a demo with a self-signed one.
	InsecureTLS bool
	// Loopback lets peers connect over 127.0.0.1: for many on one machine.
	Loopback bool
	// UDPAddr, when set, gives each peer one UDP socket for all its
	// connections, such as "127.0.0.1:0" for many peers on one machine. By
	// default each connection has its own on every interface.
	UDPAddr string
	// Net is the network of the peer connections; nil is the machine's. A
	// network in memory has no loopback interface and no shared socket, so
	// Loopback and UDPAddr are then without effect.
	Net pionnet.Net
	// DialContext opens the connections to edge and tracker; nil is the
	// machine's network.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Host is what the peers of one process share: HTTP connections to the edge
// and how they open connections to each other.
type Host struct {
	http     *http.Client
	loopback bool
	udp      *net.UDPAddr
	net      pionnet.Net
}

// Times of a peer connection. A peer that is away is noticed by PING long
// before ICE fails (docs/peer.md rule 5).
const (
	iceDisconnected = 3 * time.Second
	iceFailed       = 6 * time.Second
	iceKeepAlive    = time.Second
	// dtlsRetry after a flight without an answer it is sent again, then after
	// twice as long. pion's second is many round trips.
	dtlsRetry = 150 * time.Millisecond
	// sctpReceiveBuffer bounds what a sender may have under way to us: the
	// default of 1 MB would be 40 MB of memory for 40 connections.
	sctpReceiveBuffer = 512 << 10
	// sctpMinWindow is the least congestion window. pion's falls to one packet
	// and does not grow while sending is paced, so that a slice stands still
	// after a loss; what we send is limited by the token bucket
	// (docs/transport.md).
	sctpMinWindow = 32 << 10
)

// NewHost makes the shared stack. Close it after all its peers have ended.
func NewHost(cfg HostConfig) (*Host, error) {
	h := &Host{loopback: cfg.Loopback, net: cfg.Net, http: &http.Client{Transport: &http.Transport{
		DialContext:           cfg.DialContext,
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: cfg.InsecureTLS}, //nolint:gosec // asked for by the user, for demos
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       30 * time.Second,
		ResponseHeaderTimeout: 15 * time.Second,
		DisableCompression:    false,
	}}}
	if cfg.UDPAddr != "" && cfg.Net == nil {
		addr, err := net.ResolveUDPAddr("udp", cfg.UDPAddr)
		if err != nil {
			return nil, fmt.Errorf("UDP address for peers %q: %w", cfg.UDPAddr, err)
		}
		h.udp = addr
	}
	return h, nil
}

// Close ends what the peers shared.
func (h *Host) Close() error {
	h.http.CloseIdleConnections()
	return nil
}

// transport is the WebRTC stack of one peer.
type transport struct {
	api *webrtc.API
	mux *ice.UDPMuxDefault
}

// newTransport makes a peer's WebRTC stack. A socket cannot serve two peers of
// one process that connect to each other: packets are told apart by the address
// they come from, and both would have the same.
func (h *Host) newTransport() (*transport, error) {
	t := &transport{}
	var se webrtc.SettingEngine
	// pion reports every lost packet of a dying peer as an error; what
	// matters reaches the peer as a state change.
	se.LoggerFactory = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}
	se.SetICEMulticastDNSMode(ice.MulticastDNSModeQueryOnly)
	se.SetIncludeLoopbackCandidate(h.loopback)
	se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	se.SetICETimeouts(iceDisconnected, iceFailed, iceKeepAlive)
	// The first pair that works is taken: the checks of all run at once, so that
	// a short way answers first.
	se.SetHostAcceptanceMinWait(0)
	se.SetSrflxAcceptanceMinWait(0)
	se.SetPrflxAcceptanceMinWait(0)
	// The peer closes a connection when its channels close. A second closing by
	// pion itself, at the same moment, holds a lock for 200 ms.
	se.DisableCloseByDTLS(true)
	// HelloVerifyRequest would cost a round trip to show an address that ICE has
	// shown already (RFC 8827 section 6.5); browsers leave it out, too.
	se.SetDTLSInsecureSkipHelloVerify(true)
	se.SetDTLSRetransmissionInterval(dtlsRetry)
	// The INIT chunks go with the descriptions where both sides can: two round
	// trips less (docs/tracker.md, "Signals").
	se.EnableSctpSnap(true)
	se.SetSCTPMaxReceiveBufferSize(sctpReceiveBuffer)
	se.SetSCTPMinCwnd(sctpMinWindow)
	if h.net != nil {
		se.SetNet(h.net)
		se.SetIncludeLoopbackCandidate(false)
		// It has no multicast.
		se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	}
	if h.udp != nil {
		conn, err := net.ListenUDP("udp", h.udp)
		if err != nil {
			return nil, fmt.Errorf("listen for peers on %s: %w", h.udp, err)
		}
		t.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn, Logger: se.LoggerFactory.NewLogger("ice")})
		se.SetICEUDPMux(t.mux)
		// Browsers on this machine hide their address behind a .local name,
		// which only their multicast answers; they reach us, so we need not ask.
		se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	}
	t.api = webrtc.NewAPI(webrtc.WithSettingEngine(se), webrtc.WithMediaEngine(&webrtc.MediaEngine{}))
	return t, nil
}

func (t *transport) close() error {
	if t.mux == nil {
		return nil
	}
	return t.mux.Close()
}
