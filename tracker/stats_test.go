package tracker

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"starling/internal/store"
	"starling/internal/trackerwire"
)

// gathered reads one metric with one label value.
func gathered(t *testing.T, reg *prometheus.Registry, name, label, value string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == label && l.GetValue() == value {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	t.Fatalf("no metric %s{%s=%q}", name, label, value)
	return 0
}

func TestStatsSumUpBeacons(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		var players []*player
		for i := range 20 {
			players = append(players, b.join(i))
		}
		settle(time.Second)
		for i, p := range players {
			n := trackerwire.Number(i + 1)
			p.send(&trackerwire.Beacon{PeerBytes: 100 * n, FeedBytes: 10, HTTPBytes: 1, SentBytes: 7, DuplicateBytes: 6, RejectedBytes: 5, ControlBytes: 4,
				Stalls: 3, StallMS: 2, DroppedFrames: 8, ConnectFailures: 9, LatencyMS: 1000 + 10*n, StartupMS: 400 + n, Peers: n - 1, Rung: "v480"})
		}
		settle(time.Second)
		players[0].send(&trackerwire.Leave{})
		settle(time.Second)
		s := b.tracker.Stats()[0]
		if s.PeerBytes != 100*210 || s.FeedBytes != 200 || s.HTTPBytes != 20 || s.SentBytes != 140 || s.DuplicateBytes != 120 || s.RejectedBytes != 100 ||
			s.ControlBytes != 80 || s.Stalls != 60 || s.StallMS != 40 || s.DroppedFrames != 160 || s.ConnectFailures != 180 {
			t.Errorf("sums %+v", s)
		}
		// Nineteen viewers are left, with 1,020 to 1,200 ms.
		if s.Viewers != 19 || s.Peers != 19 || s.LatencyP50MS != 1110 || s.LatencyP95MS != 1200 || s.StartupP50MS != 411 {
			t.Errorf("measures %+v", s)
		}
		for kind, want := range map[string]float64{"peer": 21000, "feed": 200, "http": 20, "sent": 140, "duplicate": 120, "rejected": 100, "control": 80} {
			if got := gathered(t, b.reg, "starling_tracker_viewer_bytes_total", "kind", kind); got != want {
				t.Errorf("%s bytes %v, want %v", kind, got, want)
			}
		}
		if got := gathered(t, b.reg, "starling_tracker_viewers", "stream", "live/demo"); got != 19 {
			t.Errorf("%v viewers", got)
		}
		if got := gathered(t, b.reg, "starling_tracker_messages_total", "kind", "beacon"); got != 20 {
			t.Errorf("%v beacons", got)
		}
	})
}

// Whatever a session reports, the sum never falls, never exceeds what its
// counter rose by, and a rise within the limits counts in full.
func TestAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1, 0)
		a := account{at: now}
		var last, sum, rises uint64
		for _, v := range rapid.SliceOfN(rapid.Uint64Range(0, 1<<34), 1, 20).Draw(t, "values") {
			step := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "step"))
			now = now.Add(step)
			limit := (step + beaconSlack).Seconds() * maxBytesPerSecond
			added := a.take(&trackerwire.Beacon{PeerBytes: trackerwire.Number(v)}, now)[peerBytes]
			want := uint64(0)
			if v > last && float64(v-last) <= limit {
				want = v - last
			}
			if v > last {
				rises += v - last
			}
			if added != want {
				t.Fatalf("%d after %d added %d, want %d", v, last, added, want)
			}
			if sum += added; sum > rises {
				t.Fatalf("sum %d of rises %d", sum, rises)
			}
			last = v
		}
	})
}

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{{nil, 0.5, 0}, {[]float64{7}, 0.5, 7}, {[]float64{7}, 0.95, 7}, {[]float64{3, 1, 2}, 0.5, 2}, {[]float64{4, 3, 1, 2}, 0.5, 2}, {[]float64{4, 3, 1, 2}, 0.95, 4}} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("%v at %v: %v, want %v", c.values, c.q, got, c.want)
		}
	}
}

func TestUplinkFollowsBeacons(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b *bench) {
		x, y := b.join(1), b.join(2)
		settle(time.Second)
		say := func(uplink trackerwire.Number) {
			x.send(&trackerwire.Beacon{Uplink: &uplink})
			y.send(&trackerwire.Beacon{})
			settle(time.Second)
		}
		if len(x.place().Children) != 1 {
			t.Fatalf("%+v", x.place())
		}
		say(0) // stopping counts at once
		if a := x.place(); len(a.Children) != 0 {
			t.Fatalf("after it stopped: %+v", a)
		}
		say(8_000_000) // growing counts after a while only
		if len(x.place().Children) != 0 {
			t.Fatal("the overlay follows every estimate")
		}
		for range 10 {
			say(8_000_000)
		}
		if s := b.tracker.Stats()[0]; s.Viewers != 2 {
			t.Fatalf("%+v", s)
		}
		r, _ := b.tracker.room("live/demo")
		if v := r.viewers[x.id()]; v.uplink != 8_000_000 {
			t.Fatalf("uplink %d", v.uplink)
		}
	})
}

func TestConfigFaults(t *testing.T) {
	for _, cfg := range []Config{{Beacon: time.Millisecond}, {STUNPort: 70000}, {STUNPort: -1}, {STUN: []string{"example.org"}}} {
		if _, err := New(cfg, Directory(&store.Directory{}), slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

// The same over real sockets: before Run, in service, without the subprotocol,
// and at the end.
func TestOverTCP(t *testing.T) {
	dir := &store.Directory{}
	dir.Put(demoInfo(3))
	tr, err := New(Config{STUNPort: 3478}, Directory(dir), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(tr.Handler())
	defer server.Close()
	url := strings.Replace(server.URL, "http", "ws", 1) + "/tracker"
	client := server.Client()
	dial := func(protocols ...string) (*websocket.Conn, int, error) {
		ws, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPClient: client, Subprotocols: protocols})
		status := 0
		if resp != nil {
			status = resp.StatusCode
		}
		return ws, status, err
	}
	if _, status, err := dial(trackerwire.Subprotocol); err == nil || status != 503 {
		t.Fatalf("before Run: %d, %v", status, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tr.Run(ctx) }()
	var ws *websocket.Conn
	for ws == nil {
		var status int
		if ws, status, err = dial(trackerwire.Subprotocol); err != nil && status != 503 {
			t.Fatal(err)
		}
	}
	b, err := trackerwire.Marshal(joinMessage(1, 8_000_000))
	if err != nil {
		t.Fatal(err)
	}
	if err := ws.Write(t.Context(), websocket.MessageText, b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"welcome", "assign"} {
		_, raw, err := ws.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m, err := trackerwire.ParseTracker(raw)
		if err != nil || m.Type() != want {
			t.Fatalf("%s, %v, want %s", raw, err, want)
		}
		if w, ok := m.(*trackerwire.Welcome); ok && w.ICEServers[0].URLs[0] != "stun:127.0.0.1:3478" {
			t.Errorf("STUN at %v", w.ICEServers)
		}
	}
	plain, _, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := plain.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusProtocolError {
		t.Errorf("without the subprotocol: %v", err)
	}
	cancel()
	if _, _, err := ws.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("at the end: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := tr.Run(t.Context()); err == nil {
		t.Error("Run twice")
	}
	client.CloseIdleConnections()
}
