package tracker

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"starling/internal/media"
	"starling/internal/store"
	"starling/internal/trackerwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipeListener is a listener inside the process.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// addressed is a connection that comes from somewhere.
type addressed struct {
	net.Conn
	from string
}

func (c addressed) RemoteAddr() net.Addr { return &net.UnixAddr{Name: c.from} }

func (l *pipeListener) dial(ctx context.Context, from string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- addressed{theirs, from}:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// bench is a tracker with its catalogs, inside a synctest bubble: time moves
// only when everybody waits.
type bench struct {
	t       *testing.T
	tracker *Tracker
	dir     *store.Directory
	reg     *prometheus.Registry
	client  *http.Client
	from    string             // address and port of the next connections
	stop    context.CancelFunc // of Run
	ended   chan error
}

var testKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)

func demoInfo(slices int) *media.StreamInfo {
	return &media.StreamInfo{ID: "live/demo", Key: testKey, Tracks: []media.TrackInfo{
		{Number: 1, Name: "v480", Kind: media.Video, Bitrate: 500_000 * slices, Slices: slices},
		{Number: 2, Name: "a128", Kind: media.Audio, Bitrate: 128_000, Slices: 1}}}
}

// inBubble runs f with a tracker, and ends everything after it.
func inBubble(t *testing.T, cfg Config, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, dir: &store.Directory{}, reg: prometheus.NewRegistry(), ended: make(chan error, 1)}
		b.dir.Put(demoInfo(3))
		var err error
		if b.tracker, err = New(cfg, Directory(b.dir), slog.New(slog.DiscardHandler), b.reg); err != nil {
			t.Fatal(err)
		}
		l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: b.tracker.Handler()}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("serve: %v", err)
			}
		})
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx, b.from) }}
		b.client = &http.Client{Transport: transport}
		ctx, cancel := context.WithCancel(t.Context())
		b.stop = cancel
		wg.Go(func() { b.ended <- b.tracker.Run(ctx) })
		synctest.Wait()
		f(t, b)
		cancel()
		synctest.Wait()
		if err := server.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		transport.CloseIdleConnections()
		wg.Wait()
		if err := <-b.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// settle lets d pass and waits until nobody has anything left to do.
func settle(d time.Duration) {
	time.Sleep(d) // virtual time
	synctest.Wait()
}

// player is a viewer's side of the protocol.
type player struct {
	t  *testing.T
	ws *websocket.Conn

	mu       sync.Mutex
	welcome  *trackerwire.Welcome
	assign   *trackerwire.Assign
	assigns  int
	signals  []*trackerwire.SignalFrom
	bans     []string
	errors   []trackerwire.Code
	ended    error // why reading ended
	finished chan struct{}
}

func (b *bench) dial() *player {
	b.t.Helper()
	ws, resp, err := websocket.Dial(b.t.Context(), "ws://tracker.example:8080/tracker", &websocket.DialOptions{HTTPClient: b.client, Subprotocols: []string{trackerwire.Subprotocol}})
	if err != nil {
		b.t.Fatalf("dial: %v (%v)", err, resp)
	}
	ws.SetReadLimit(trackerwire.MaxMessage)
	p := &player{t: b.t, ws: ws, finished: make(chan struct{})}
	go p.read(b.t.Context())
	return p
}

func (p *player) read(ctx context.Context) {
	defer close(p.finished)
	for {
		_, raw, err := p.ws.Read(ctx)
		if err != nil {
			p.mu.Lock()
			p.ended = err
			p.mu.Unlock()
			return
		}
		m, err := trackerwire.ParseTracker(raw)
		if err != nil {
			p.t.Errorf("the tracker sent %s: %v", raw, err)
			continue
		}
		p.mu.Lock()
		switch m := m.(type) {
		case *trackerwire.Welcome:
			p.welcome = m
		case *trackerwire.Assign:
			if p.assign != nil && m.Revision <= p.assign.Revision {
				p.t.Errorf("revision %d after %d", m.Revision, p.assign.Revision)
			}
			p.assign = m
			p.assigns++
		case *trackerwire.SignalFrom:
			p.signals = append(p.signals, m)
		case *trackerwire.Ban:
			p.bans = append(p.bans, m.Peer)
		case *trackerwire.Error:
			p.errors = append(p.errors, m.Code)
		}
		p.mu.Unlock()
	}
}

func sessionName(i int) string { return fmt.Sprintf("%032x", i) }

func joinMessage(i int, uplink int) *trackerwire.Join {
	return &trackerwire.Join{Version: 1, Stream: "live/demo", Tracks: []string{"v480", "a128"}, Uplink: trackerwire.Number(uplink), Browser: "test", Session: sessionName(i)}
}

func (p *player) send(m trackerwire.Message) {
	p.t.Helper()
	b, err := trackerwire.Marshal(m)
	if err != nil {
		p.t.Fatal(err)
	}
	p.raw(websocket.MessageText, string(b))
}

func (p *player) raw(kind websocket.MessageType, s string) {
	p.t.Helper()
	if err := p.ws.Write(p.t.Context(), kind, []byte(s)); err != nil {
		p.t.Logf("write: %v", err)
	}
}

// join connects viewer i with 8 Mbit/s of uplink.
func (b *bench) join(i int) *player {
	b.t.Helper()
	p := b.dial()
	p.send(joinMessage(i, 8_000_000))
	return p
}

func (p *player) id() string {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.welcome == nil {
		p.t.Fatalf("no welcome (errors %v, ended %v)", p.errors, p.ended)
	}
	return p.welcome.ID
}

func (p *player) place() *trackerwire.Assign {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.assign == nil {
		p.t.Fatalf("no assign (errors %v, ended %v)", p.errors, p.ended)
	}
	return p.assign
}

// status is the close code that the tracker gave, or -1.
func (p *player) status() websocket.StatusCode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return websocket.CloseStatus(p.ended)
}

func (p *player) count(code trackerwire.Code) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.errors {
		if c == code {
			n++
		}
	}
	return n
}

// vanish cuts the connection without a farewell.
func (p *player) vanish() {
	_ = p.ws.CloseNow()
	<-p.finished
}

// checkOverlay verifies that what the viewers were told fits together: the
// edge feeds one viewer a slice, and parents know their children.
func checkOverlay(t *testing.T, players []*player) {
	t.Helper()
	byID := map[string]*trackerwire.Assign{}
	for _, p := range players {
		byID[p.id()] = p.place()
	}
	roots := map[string]int{}
	for id, a := range byID {
		if len(a.Peers) > 20 {
			t.Errorf("%s has %d peers", id, len(a.Peers))
		}
		if len(a.Tracks) != 2 || len(a.Tracks[0].Slices) != 3 || len(a.Tracks[1].Slices) != 1 {
			t.Fatalf("%s has tracks %+v", id, a.Tracks)
		}
		for _, tr := range a.Tracks {
			for _, sl := range tr.Slices {
				key := fmt.Sprintf("%s/%d", tr.Name, sl.Slice)
				at, hops := id, 0
				for at != trackerwire.EdgeID {
					parent := parentOf(t, byID, at, tr.Name, sl.Slice)
					if parent != trackerwire.EdgeID && (!contains(byID[parent].Children, at) || !contains(byID[at].Peers, parent)) {
						t.Errorf("%s does not know its child %s", parent, at)
					}
					if hops++; hops > len(players) {
						t.Fatalf("%s: cycle at %s", key, id)
					}
					at = parent
				}
				if sl.Parent == trackerwire.EdgeID {
					roots[key]++
				}
			}
		}
	}
	for key, n := range roots {
		if n != 1 {
			t.Errorf("%s: %d roots", key, n)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func parentOf(t *testing.T, byID map[string]*trackerwire.Assign, id, track string, slice int) string {
	t.Helper()
	a := byID[id]
	if a == nil {
		t.Fatalf("%s is named as a parent and is not there", id)
	}
	for _, tr := range a.Tracks {
		if tr.Name == track {
			return tr.Slices[slice].Parent
		}
	}
	t.Fatalf("%s does not have %s", id, track)
	return ""
}
