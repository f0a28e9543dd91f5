//go:build !linux

package relay

import (
	"errors"
	"net"
)

// raiseBuffers asks for buffers of want bytes; what was granted is not known
// on this system.
func raiseBuffers(conn *net.UDPConn, want int) (read, write int, err error) {
	return 0, 0, errors.Join(conn.SetReadBuffer(want), conn.SetWriteBuffer(want), errors.ErrUnsupported)
}
