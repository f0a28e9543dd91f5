package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"starling/bench/audience"
	"starling/bench/network"
	"starling/bench/profile"
	"starling/edge"
	"starling/internal/media"
	"starling/internal/peer"
	"starling/internal/store"
	"starling/tracker"
)

// The edge's address in the network.
const (
	edgeName = "edge.lab"
	edgePort = 80
)

// shutdownTime bounds the farewell of the edge's HTTP server.
const shutdownTime = 10 * time.Second

// world is a network with an edge, a tracker and a broadcast, an
// audience.World. The edge's line is without limit.
type world struct {
	net       *network.Network
	dir       *store.Directory
	broadcast *broadcast
	edge      *edge.Server
	tracker   *tracker.Tracker
	http      *http.Server

	stop context.CancelFunc
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

var _ audience.World = (*world)(nil)

func newWorld(ctx context.Context, p profile.Profile, rungs []Rung, seed uint64, log *slog.Logger) (*world, error) {
	w := &world{dir: &store.Directory{}}
	var err error
	if w.broadcast, err = newBroadcast(w.dir, rungs, seed); err != nil {
		return nil, err
	}
	w.tracker, err = tracker.New(tracker.Config{}, tracker.Directory(w.dir), log.With("role", "tracker"), prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	if w.edge, err = edge.New(edge.Config{Addr: edge.Off, Tracker: w.tracker.Handler()}, w.dir, nil, log.With("role", "edge"), prometheus.NewRegistry()); err != nil {
		return nil, err
	}
	w.net = network.New(network.Config{Seed: seed, Path: network.Profiled(p, seed)})
	l, err := w.net.Host(network.Line{Name: edgeName}).Listen(edgePort)
	if err != nil {
		return nil, errors.Join(err, w.net.Close())
	}
	w.http = &http.Server{Handler: w.edge.Handler(), ConnContext: edge.ConnContext, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	// What the world runs goes on while the viewers say goodbye after ctx.
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop = stop
	w.run("broadcast", func() error { return w.broadcast.run(inner) })
	w.run("tracker", func() error { return w.tracker.Run(inner) })
	w.run("edge", func() error {
		if err := w.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return w, nil
}

func (w *world) run(what string, f func() error) {
	w.wg.Go(func() {
		if err := f(); err != nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.errs = append(w.errs, fmt.Errorf("%s: %w", what, err))
		}
	})
}

// close ends everything and tells what went wrong meanwhile.
func (w *world) close() error {
	w.stop()
	w.edge.Close()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	if w.http.Shutdown(ctx) != nil {
		w.http.Close()
	}
	w.wg.Wait()
	return errors.Join(append(w.errs, w.net.Close())...)
}

func (w *world) url() string {
	return fmt.Sprintf("http://%s/watch/%s", edgeName, StreamID)
}

// EdgeBytes implements audience.World.
func (w *world) EdgeBytes() (n uint64) {
	for _, s := range w.edge.Stats() {
		n += s.MediaBytes + s.FeedBytes
	}
	return n
}

// Banned implements audience.World.
func (w *world) Banned() (n int) {
	for _, s := range w.tracker.Stats() {
		n += s.Banned
	}
	return n
}

// Genuine implements audience.World.
func (w *world) Genuine(track string, id media.PartID, data []byte) bool {
	return w.broadcast.genuine(track, id, data)
}

// Enter implements audience.World.
func (w *world) Enter(v *profile.Viewer) (audience.Line, error) {
	host := w.net.Host(network.ViewerLine(v))
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		return host.DialContext(ctx, network, addr)
	}
	p, err := peer.NewHost(peer.HostConfig{Net: host.Net(), DialContext: dial})
	if err != nil {
		return nil, err
	}
	return &line{host: host, peer: p}, nil
}

// line is a viewer's machine.
type line struct {
	host *network.Host
	peer *peer.Host
}

func (l *line) Host() *peer.Host { return l.peer }

func (l *line) Cut() { l.host.SetUp(false) }

func (l *line) Close() {
	l.peer.Close()
	l.host.SetUp(false)
}
