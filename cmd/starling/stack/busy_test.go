package stack

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
)

func TestATakenPortNamesItsKey(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	listeners := []listener{
		{"relay.listen", tcp.Addr().String()}, // the same port in UDP is another matter
		{"edge.listen", tcp.Addr().String()},
		{"admin.listen", udp.LocalAddr().String()},
		{"stun.listen", udp.LocalAddr().String()},
	}
	_, tcpErr := net.Listen("tcp", tcp.Addr().String())
	_, udpErr := net.ListenPacket("udp", udp.LocalAddr().String())
	for _, c := range []struct {
		err  error
		want string
	}{{tcpErr, "--set edge.listen=:PORT"}, {udpErr, "--set stun.listen=:PORT"}} {
		wrapped := fmt.Errorf("starting: %w", c.err)
		got := explain(wrapped, listeners)
		if !strings.Contains(got.Error(), c.want) || !strings.Contains(got.Error(), "is taken by another program") || !errors.Is(got, wrapped) {
			t.Errorf("got %v, want %s", got, c.want)
		}
		if none := explain(wrapped, nil); none != wrapped {
			t.Errorf("an unknown address was explained: %v", none)
		}
	}
	other := errors.New("other")
	if explain(other, listeners) != other || explain(nil, listeners) != nil {
		t.Error("an unrelated error was changed")
	}
}
