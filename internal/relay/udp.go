package relay

import (
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/quic-go/quic-go"
)

// socketBuffer is what quic-go asks for: a burst of one segment of a whole
// ladder arrives faster than a busy machine schedules the reader.
const socketBuffer = 7 << 20

// quietEnv stops quic-go from printing its own warning to the standard
// logger; ours says the same with the command that mends it.
const quietEnv = "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING"

// listenUDP opens a socket with large buffers, or warns how to allow them.
func listenUDP(addr string, log *slog.Logger) (*net.UDPConn, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("relay address %q: %w", addr, err)
	}
	conn, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, fmt.Errorf("opening the relay's UDP socket on %s: %w", addr, err)
	}
	read, write, err := raiseBuffers(conn, socketBuffer)
	reportBuffers(log, read, write, err)
	if _, set := os.LookupEnv(quietEnv); !set {
		if err := os.Setenv(quietEnv, "true"); err != nil {
			log.Debug("quic-go's own buffer warning stays on", "err", err)
		}
	}
	return conn, nil
}

// reportBuffers warns of buffers that are too small, with the command that
// mends it.
func reportBuffers(log *slog.Logger, read, write int, err error) {
	switch {
	case err != nil:
		log.Debug("the size of the UDP buffers is unknown", "err", err)
	case read < socketBuffer || write < socketBuffer:
		log.Warn("UDP buffers are small: bursts will be lost and sent again; allow larger ones",
			"readBytes", read, "writeBytes", write, "wantBytes", socketBuffer,
			"mend", fmt.Sprintf("sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d", socketBuffer, socketBuffer))
	}
}

// closeTransport ends a transport and then its socket, which it does not own.
func closeTransport(t *quic.Transport, log *slog.Logger) {
	if err := t.Close(); err != nil {
		log.Debug("closing the QUIC transport", "err", err)
	}
	if err := t.Conn.Close(); err != nil {
		log.Debug("closing the UDP socket", "err", err)
	}
}
