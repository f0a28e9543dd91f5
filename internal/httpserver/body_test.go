package httpserver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// The server reads what a handler left of a body, and a body that never comes
// must not hold its connection for that. Handlers can know the connection.
func TestBodyThatDoesNotComeEndsTheConnection(t *testing.T) {
	type key struct{}
	known := make(chan bool, 1)
	s := &Server{Addrs: []string{"127.0.0.1:0"}, Log: slog.New(slog.DiscardHandler),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, key{}, c) },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, ok := r.Context().Value(key{}).(net.Conn)
			known <- ok
			w.WriteHeader(http.StatusMethodNotAllowed)
		})}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.Listening()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(bodyTimeout + 4*time.Second))
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	if answer, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection stays open: %v after %q", err, answer)
	}
	if !<-known {
		t.Error("the handler does not know its connection")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
