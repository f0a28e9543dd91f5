package tracker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v4"
	"github.com/prometheus/client_golang/prometheus"

	"starling/internal/telemetry"
)

// STUNConfig configures a STUN server. The zero value of a field is its
// default.
type STUNConfig struct {
	// Addr is the UDP address to listen on: default ":3478".
	Addr string
	// SourceRate is how many requests a second one address may make: default
	// 50. Behind one address may be an office full of viewers, each of which asks
	// a few times for every connection.
	SourceRate int
	// TotalRate is how many requests a second are answered in all: default 20,000.
	TotalRate int
}

func (c STUNConfig) withDefaults() STUNConfig {
	if c.Addr == "" {
		c.Addr = ":3478"
	}
	if c.SourceRate <= 0 {
		c.SourceRate = 50
	}
	if c.TotalRate <= 0 {
		c.TotalRate = 20_000
	}
	return c
}

// maxSTUN is larger than any binding request of a browser: about 100 bytes.
const maxSTUN = 548

// STUN answers STUN binding requests (RFC 8489) with the address that they
// came from, and nothing else.
type STUN struct {
	cfg       STUNConfig
	log       *slog.Logger
	packets   *prometheus.CounterVec
	listening chan struct{}

	mu   sync.Mutex
	addr net.Addr
}

// NewSTUN makes a STUN server. Metrics go to reg, which may be nil.
func NewSTUN(cfg STUNConfig, log *slog.Logger, reg prometheus.Registerer) *STUN {
	s := &STUN{cfg: cfg.withDefaults(), log: log, listening: make(chan struct{}), packets: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: telemetry.Namespace, Subsystem: "stun", Name: "packets_total", Help: "Packets received, by what became of them.",
	}, []string{"result"})}
	if reg != nil {
		if err := reg.Register(s.packets); err != nil {
			log.Error("STUN metrics are not available", "error", err)
		}
	}
	return s
}

// RunSTUN serves STUN at cfg.Addr until ctx ends.
func RunSTUN(ctx context.Context, cfg STUNConfig) error {
	return NewSTUN(cfg, slog.Default(), nil).Run(ctx)
}

// Listening is closed when requests are answered.
func (s *STUN) Listening() <-chan struct{} { return s.listening }

// Addr is the UDP address, once Listening is closed; nil before.
func (s *STUN) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Run serves until ctx ends.
func (s *STUN) Run(ctx context.Context) error {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, "udp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("STUN: listen on UDP %s (choose another port, or turn STUN off): %w", s.cfg.Addr, err)
	}
	s.mu.Lock()
	s.addr = pc.LocalAddr()
	s.mu.Unlock()
	close(s.listening)
	stop := context.AfterFunc(ctx, func() { _ = pc.Close() })
	defer func() {
		if stop() {
			_ = pc.Close()
		}
	}()
	return s.serve(ctx, pc.(*net.UDPConn))
}

// maxReadFailures in a row end the server.
const maxReadFailures = 1000

func (s *STUN) serve(ctx context.Context, conn *net.UDPConn) error {
	buf := make([]byte, maxSTUN)
	limit := newSourceLimit(s.cfg.SourceRate, s.cfg.TotalRate)
	failures := 0
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("STUN: the socket was closed: %w", err)
		case err != nil:
			// An ICMP error of an earlier answer comes once. What does not
			// pass is no reason to spin.
			if failures++; failures >= maxReadFailures {
				return fmt.Errorf("STUN: reading fails again and again: %w", err)
			}
			continue
		}
		failures = 0
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if !limit.allow(from.Addr(), time.Now()) {
			s.packets.WithLabelValues("rate").Inc()
			continue
		}
		answer, ok := answerSTUN(buf[:n], from)
		if !ok {
			s.packets.WithLabelValues("ignored").Inc()
			continue
		}
		s.packets.WithLabelValues("answered").Inc()
		// An answer that cannot be sent is one more lost packet to the client.
		_, _ = conn.WriteToUDPAddrPort(answer, from)
	}
}

// comprehensionOptional is the first attribute type that a receiver may ignore
// (RFC 8489 section 14).
const comprehensionOptional = 0x8000

// answerSTUN makes the answer to a packet; false for anything that is no
// binding request. Silence is right for garbage: the source may be forged.
func answerSTUN(packet []byte, from netip.AddrPort) ([]byte, bool) {
	if !stun.IsMessage(packet) {
		return nil, false
	}
	request := &stun.Message{Raw: packet}
	if err := request.Decode(); err != nil || request.Type != stun.BindingRequest {
		return nil, false
	}
	var unknown stun.UnknownAttributes
	for _, a := range request.Attributes {
		switch {
		case a.Type >= comprehensionOptional, a.Type == stun.AttrUsername, a.Type == stun.AttrMessageIntegrity, a.Type == stun.AttrPriority:
		default:
			unknown = append(unknown, a.Type)
		}
	}
	setters := []stun.Setter{stun.NewTransactionIDSetter(request.TransactionID)}
	if len(unknown) > 0 { // RFC 8489 section 6.3.1
		setters = append(setters, stun.BindingError, stun.CodeUnknownAttribute, unknown)
	} else {
		ip := from.Addr().AsSlice()
		setters = append(setters, stun.BindingSuccess, &stun.XORMappedAddress{IP: ip, Port: int(from.Port())})
	}
	// RFC 8489 section 7.3.3: an answer has a fingerprint when the request had.
	if request.Contains(stun.AttrFingerprint) {
		setters = append(setters, stun.Fingerprint)
	}
	answer, err := stun.Build(setters...)
	if err != nil {
		return nil, false
	}
	return answer.Raw, true
}
