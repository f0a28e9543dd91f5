package transport

import (
	"fmt"
	"net"

	"github.com/pion/logging"
	"github.com/pion/sctp"
	"golang.org/x/sync/errgroup"

	"starling/bench/network"
)

// dtlsOverhead is what a record of DTLS 1.2 with AES-GCM adds to a packet: 13
// bytes of header, 8 of nonce, 16 of tag. Peers of ours have DTLS; here only
// its size is on the line, since it changes no timing and costs most of the CPU.
const dtlsOverhead = 37

// padded makes each packet as large as DTLS would.
type padded struct {
	net.Conn
	buf [2048]byte // of the association's only writer
}

func (p *padded) Write(b []byte) (int, error) {
	n := copy(p.buf[:], b)
	_, err := p.Conn.Write(p.buf[:n+dtlsOverhead])
	return n, err
}

func (p *padded) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	return max(n-dtlsOverhead, 0), err
}

// receiveBuffer is that of internal/peer.
const receiveBuffer = 512 << 10

// channelID is the stream of the chunks.
const channelID = 1

// link is an association from a parent to a child with one channel.
type link struct {
	from, to      *sctp.Association
	out, in       *sctp.Stream
	outUDP, inUDP net.Conn
}

// newLink connects two hosts on that port of both.
func newLink(from, to *network.Host, port int, s Scheme) (*link, error) {
	a, err := from.Net().DialUDP("udp4", &net.UDPAddr{Port: port}, &net.UDPAddr{IP: to.Inner().AsSlice(), Port: port})
	if err != nil {
		return nil, err
	}
	b, err := to.Net().DialUDP("udp4", &net.UDPAddr{Port: port}, &net.UDPAddr{IP: from.Inner().AsSlice(), Port: port})
	if err != nil {
		return nil, err
	}
	quiet := &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}
	l := &link{outUDP: a, inUDP: b}
	var g errgroup.Group
	g.Go(func() (err error) {
		l.from, err = sctp.ClientWithOptions(sctp.WithNetConn(&padded{Conn: a}), sctp.WithLoggerFactory(quiet),
			sctp.WithMaxReceiveBufferSize(receiveBuffer), sctp.WithMinCwnd(s.MinWindow))
		return err
	})
	g.Go(func() (err error) {
		l.to, err = sctp.ServerWithOptions(sctp.WithNetConn(&padded{Conn: b}), sctp.WithLoggerFactory(quiet),
			sctp.WithMaxReceiveBufferSize(receiveBuffer))
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("association: %w", err)
	}
	if l.out, err = l.from.OpenStream(channelID, sctp.PayloadTypeWebRTCBinary); err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	if l.in, err = l.to.OpenStream(channelID, sctp.PayloadTypeWebRTCBinary); err != nil {
		return nil, fmt.Errorf("channel: %w", err)
	}
	kind, value := sctp.ReliabilityTypeReliable, uint32(0)
	switch {
	case s.LifetimeMS > 0:
		kind, value = sctp.ReliabilityTypeTimed, uint32(s.LifetimeMS)
	case s.Retransmits >= 0:
		kind, value = sctp.ReliabilityTypeRexmit, uint32(s.Retransmits)
	}
	l.out.SetReliabilityParams(!s.Ordered, kind, value)
	return l, nil
}

func (l *link) close() {
	l.from.Abort("")
	l.to.Abort("")
	_, _ = l.outUDP.Close(), l.inUDP.Close()
	_ = l.from.Close()
	_ = l.to.Close()
}
