package relay

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/quic-go/quic-go"

	"starling/internal/relaywire"
)

// Stream priorities (RFC 9218 urgency, lower first). Control frames carry the
// catalogs that media waits for; audio is small and its loss is heard first;
// FETCH must not delay live.
const (
	urgencyControl = 0
	urgencyAudio   = 1
	urgencyVideo   = 2
	urgencyFetch   = 4
)

const (
	// DefaultIdleTimeout is how long a silent peer is thought alive. With
	// keep-alives every third of it, a dead upstream is noticed in 3 s and
	// one lost packet does no harm.
	DefaultIdleTimeout = 3 * time.Second
	// helloTimeout bounds handshake and HELLO, so that a peer that says
	// nothing holds no session.
	helloTimeout = 5 * time.Second
	// dialTimeout is how long an upstream may stay silent when dialled, before
	// the next is tried.
	dialTimeout = 3 * time.Second
	// writeTimeout bounds how long a peer may leave control frames unread.
	writeTimeout = 5 * time.Second
	// maxFetchStreams bounds concurrent FETCH requests of a session.
	maxFetchStreams = 64
	// maxSegmentStreams bounds concurrent segment streams of a session: two
	// a track for 512 tracks.
	maxSegmentStreams = 1024
)

// serverQUIC configures the upstream side: it receives control frames and
// FETCH requests only, so its receive windows are small.
func serverQUIC(idle time.Duration) *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           helloTimeout,
		MaxIdleTimeout:                 idle,
		InitialStreamReceiveWindow:     64 << 10,
		MaxStreamReceiveWindow:         256 << 10,
		InitialConnectionReceiveWindow: 256 << 10,
		MaxConnectionReceiveWindow:     1 << 20,
		MaxIncomingStreams:             1 + maxFetchStreams,
		MaxIncomingUniStreams:          -1,
	}
}

// clientQUIC configures the downstream side: a stream window holds a segment
// of 2 s at 16 Mbit/s and the connection a ladder's burst after a reconnect,
// so that flow control never waits for a round trip.
func clientQUIC(idle time.Duration) *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           dialTimeout,
		MaxIdleTimeout:                 idle,
		KeepAlivePeriod:                idle / 3,
		InitialStreamReceiveWindow:     4 << 20,
		MaxStreamReceiveWindow:         16 << 20,
		InitialConnectionReceiveWindow: 16 << 20,
		MaxConnectionReceiveWindow:     64 << 20,
		MaxIncomingStreams:             -1,
		MaxIncomingUniStreams:          maxSegmentStreams,
	}
}

// relayTLS copies c for the relay's ALPN and refuses what is not mutual TLS.
func relayTLS(c *tls.Config, server bool) (*tls.Config, error) {
	if c == nil {
		return nil, errors.New("relay: no TLS configuration: give the node's certificate and the cluster authority (see internal/pki)")
	}
	if server && c.ClientAuth != tls.RequireAndVerifyClientCert && c.GetConfigForClient == nil {
		return nil, errors.New("relay: the server's TLS configuration must require client certificates")
	}
	c = c.Clone()
	c.NextProtos = []string{relaywire.ALPN}
	c.MinVersion = tls.VersionTLS13
	return c, nil
}

// resetKey derives a stateless reset key from the node's private key, so that
// peers learn of a restart at once instead of after the idle timeout
// (RFC 9000 section 10.3.2).
func resetKey(c *tls.Config) *quic.StatelessResetKey {
	if len(c.Certificates) == 0 {
		return nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.Certificates[0].PrivateKey)
	if err != nil {
		return nil // a key in hardware: peers wait for the idle timeout
	}
	key := quic.StatelessResetKey(sha256.Sum256(append([]byte("starling relay stateless reset\x00"), der...)))
	return &key
}

// closeError ends a session for a reason that the peer is told.
type closeError struct {
	code relaywire.CloseCode
	err  error
}

func closeWith(code relaywire.CloseCode, format string, args ...any) error {
	return &closeError{code, fmt.Errorf(format, args...)}
}

func (e *closeError) Error() string { return e.err.Error() }
func (e *closeError) Unwrap() error { return e.err }

// closeCode chooses the code for an error that ends a session here.
func closeCode(err error) relaywire.CloseCode {
	if ce, ok := errors.AsType[*closeError](err); ok {
		return ce.code
	}
	switch {
	case errors.Is(err, relaywire.ErrMalformed), errors.Is(err, relaywire.ErrTooLarge):
		return relaywire.CloseMalformed
	case err == nil:
		return relaywire.CloseNormal
	}
	return relaywire.CloseInternal
}

// endReason is the metric label of why a session ended: our code, the peer's,
// or the transport's.
func endReason(err error) string {
	if ae, ok := errors.AsType[*quic.ApplicationError](err); ok {
		return relaywire.CloseCode(ae.ErrorCode).String()
	}
	if _, ok := errors.AsType[*quic.IdleTimeoutError](err); ok {
		return "timeout"
	}
	if _, ok := errors.AsType[*quic.StatelessResetError](err); ok {
		return "restarted"
	}
	if _, ok := errors.AsType[*quic.TransportError](err); ok {
		return "transport"
	}
	return closeCode(err).String()
}
