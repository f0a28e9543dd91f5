package httpserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, s *Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.Log = slog.New(slog.DiscardHandler)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Listening():
	case err := <-done:
		t.Fatalf("did not start: %v", err)
	}
	return func() error { cancel(); return <-done }
}

func TestServesOnEveryAddressAndSkipsTakenExtras(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := &Server{
		Addrs:   []string{"127.0.0.1:0", taken.Addr().String(), "127.0.0.1:0"},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }),
	}
	stop := start(t, s)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if len(s.addrs) != 2 || s.Addr() != s.addrs[0] {
		t.Errorf("listens on %v", s.addrs)
	}
	for _, a := range s.addrs {
		res, err := client.Get("http://" + a.String())
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(body) != "hello" {
			t.Errorf("%s: got %q", a, body)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func TestTakenAddressIsAnError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := &Server{Addrs: []string{taken.Addr().String()}, Log: slog.New(slog.DiscardHandler)}
	err = s.Run(context.Background())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Fatalf("got %v", err)
	}
}

func TestOptionalAddressesMayAllBeTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := &Server{Addrs: []string{taken.Addr().String()}, Optional: true}
	stop := start(t, s)
	if s.Addr() != nil {
		t.Errorf("listens on %s", s.Addr())
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A request that never ends by itself is cut after the grace, and Run waits
// for its handler.
func TestStopCutsRequestsThatHang(t *testing.T) {
	entered := make(chan struct{})
	left := make(chan struct{})
	s := &Server{
		Addrs: []string{"127.0.0.1:0"},
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			close(left)
		}),
	}
	stop := start(t, s)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if res, err := client.Get("http://" + s.Addr().String()); err == nil {
			res.Body.Close()
		}
	}()
	<-entered
	begin := time.Now()
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if took := time.Since(begin); took < stopGrace {
		t.Errorf("cut after %s, before the grace of %s", took, stopGrace)
	}
	select {
	case <-left:
	default:
		t.Error("Run returned before the handler")
	}
	<-asked
}
