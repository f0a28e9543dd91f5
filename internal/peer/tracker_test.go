package peer

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"starling/internal/media"
	"starling/internal/peerstate"
	"starling/internal/trackerwire"
)

// pipes is a listener whose connections are net.Pipes: it works in a bubble.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// The connection that is opened ahead goes to the edge. When the catalog names a
// tracker elsewhere, joining there does not wait for it, and it is closed.
func TestJoinDoesNotWaitForTheWrongTracker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener, joined := make(pipes), make(chan time.Time, 1)
		asked, abandoned := make(chan struct{}), make(chan struct{})
		mux := http.NewServeMux()
		mux.HandleFunc("edge.test/tracker", func(_ http.ResponseWriter, r *http.Request) {
			close(asked)
			<-r.Context().Done() // it never answers
			close(abandoned)
		})
		mux.HandleFunc("tracker.test/elsewhere", func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{trackerwire.Subprotocol}})
			if err != nil {
				t.Error(err)
				return
			}
			defer ws.CloseNow()
			if _, _, err := ws.Read(r.Context()); err != nil {
				t.Error(err)
			}
			joined <- time.Now()
			ws.Read(r.Context()) // until the viewer ends
		})
		server := &http.Server{Handler: mux}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		host, err := NewHost(HostConfig{DialContext: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			listener <- far
			return near, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(Config{URL: "http://edge.test/watch/live/demo", Host: host, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		p.start, p.state = time.Now(), peerstate.New(peerstate.Rules{}, 0)
		p.uplink = peerstate.NewUplink(1_000_000, 1_000_000, 0)
		p.info = &catalog{StreamInfo: media.StreamInfo{ID: "live/demo", PartMS: 333}, Tracker: "http://tracker.test/elsewhere"}
		p.ctx, p.end = context.WithCancel(t.Context())
		began := time.Now()
		ahead := p.dialAhead()
		<-asked
		p.joinTracker(ahead)
		if took := (<-joined).Sub(began); took >= fetchTimeout {
			t.Errorf("joined after %s", took)
		}
		p.end()
		p.wg.Wait()
		<-abandoned
		server.Close()
		<-served
		host.Close()
	})
}
