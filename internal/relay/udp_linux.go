package relay

import (
	"errors"
	"net"
	"syscall"
)

// raiseBuffers asks for buffers of want bytes and gives what the kernel
// granted. Linux answers getsockopt with twice the usable size (socket(7)).
func raiseBuffers(conn *net.UDPConn, want int) (read, write int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		set := func(force, plain int) {
			// FORCE passes over net.core.*mem_max, with CAP_NET_ADMIN only.
			if syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, force, want) != nil {
				inner = errors.Join(inner, syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, plain, want))
			}
		}
		get := func(opt int) int {
			n, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, opt)
			inner = errors.Join(inner, err)
			return n / 2
		}
		set(syscall.SO_RCVBUFFORCE, syscall.SO_RCVBUF)
		set(syscall.SO_SNDBUFFORCE, syscall.SO_SNDBUF)
		read, write = get(syscall.SO_RCVBUF), get(syscall.SO_SNDBUF)
	})
	return read, write, errors.Join(err, inner)
}
