package main

import (
	"strings"
	"testing"

	"starling/cmd/starling/stack"
	"starling/internal/config"
)

func TestWelcomeNamesOnlyWhatIsThere(t *testing.T) {
	all := stack.Addresses{RTMP: "127.0.0.1:1935", Relay: "127.0.0.1:4443", HTTP: "127.0.0.1:8080", HTTPS: "127.0.0.1:8443", STUN: "127.0.0.1:3478", Admin: "127.0.0.1:9090"}
	for _, c := range []struct {
		name      string
		addresses stack.Addresses
		bind      string
		role      stack.Role
		stream    string
		has, not  []string
	}{
		{"demo", all, config.Localhost, stack.Up, "live/demo",
			[]string{"Starling is live", "http://localhost:8080/watch/live/demo\n", "http://localhost:9090/dashboard\n", "http://localhost:8080/live/demo/index.m3u8\n", "rtmp://127.0.0.1:1935/live/NAME\n", "--public"},
			[]string{"Relay", "Tracker"}},
		{"up", all, config.Localhost, stack.Up, "", []string{"Starling is ready (up)", "http://localhost:8080/\n", "/APP/NAME/index.m3u8"}, []string{"several tabs"}},
		{"only HTTPS", stack.Addresses{HTTPS: "127.0.0.1:8443"}, config.Localhost, stack.Edge, "", []string{"https://localhost:8443/\n"}, []string{"http://", "Dashboard"}},
		{"public", stack.Addresses{HTTP: "[::]:8080", RTMP: "[::]:1935"}, config.All, stack.Up, "", []string{"http://localhost:8080/\n"}, []string{"[::]", "http://127.0.0.1", "Only this machine"}},
		{"origin", stack.Addresses{RTMP: "127.0.0.1:1935", Relay: "127.0.0.1:4443"}, config.Localhost, stack.Origin, "", []string{"127.0.0.1:4443 (UDP)", "rtmp://"}, []string{"Player", "HLS"}},
		{"tracker", stack.Addresses{Tracker: "127.0.0.1:8081"}, config.Localhost, stack.Tracker, "", []string{"ws://localhost:8081/tracker"}, []string{"Publish"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := welcome(c.addresses, c.bind, c.role, c.stream)
			for _, want := range c.has {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			for _, not := range c.not {
				if strings.Contains(got, not) {
					t.Errorf("%q in\n%s", not, got)
				}
			}
		})
	}
}

func TestWhatIsOnThisMachine(t *testing.T) {
	for url, want := range map[string]bool{
		"http://localhost:8080/watch/live/a": true, "https://127.0.0.2/live/a": true, "http://[::1]:1/live/a": true,
		"https://example.org/live/a": false, "http://192.0.2.1/live/a": false, "http://localhost.example.org/live/a": false,
	} {
		if got, err := onThisMachine(url); err != nil || got != want {
			t.Errorf("%s: %v, %v", url, got, err)
		}
	}
	if _, err := onThisMachine("live/demo"); err == nil {
		t.Error("an address without a host was accepted")
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 kB", 1500: "2 kB", 2_340_000: "2.3 MB", 7_126_000_000: "7.13 GB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
