package relay

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
	"starling/internal/wait"
)

// ClientConfig configures the downstream side.
type ClientConfig struct {
	// Upstreams are HOST:PORT of the nodes to get media from. One at a time
	// is used; the next in the list after it fails, round and round.
	Upstreams []string
	// TLS must hold the node's certificate and trust the cluster's authority
	// (pki.Identity.ClientTLS). The host of the upstream must be in its
	// certificate.
	TLS *tls.Config
	// Node is this node's name, as in ServerConfig.
	Node string
	// Backlog is how many past segments a new subscription asks for, so that
	// a player can start at once; default 6. Zero is the default; a window
	// begins with at least one segment.
	Backlog int
	// Linger is how long a track without a reader goes on; default 30 s.
	Linger time.Duration
	// Grace is how long Acquire waits for an upstream, and how long a part
	// that stopped half way waits for its rest; default 10 s.
	Grace time.Duration
	// HoldBack is how long a newer segment waits while nothing arrives of
	// the one before it, until that is repaired by FETCH; default 500 ms, a
	// few round trips of loss recovery.
	HoldBack time.Duration
	// MaxRepair is how many segments back a gap is repaired; beyond it the
	// window jumps to the live end. Default 3.
	MaxRepair int
	// MaxStreams bounds the catalogs taken from an upstream; default 1024.
	MaxStreams int
	// IdleTimeout is how long a silent upstream is thought alive; default
	// DefaultIdleTimeout.
	IdleTimeout time.Duration
}

// steadyAfter is how long a session must last for the next dial to be prompt:
// one that always fails after its HELLO must not be dialled without pause.
const steadyAfter = 5 * time.Second

// Client keeps a Directory equal to an upstream's and fills the tracks that
// are acquired. It implements Upstream.
type Client struct {
	cfg     ClientConfig
	dir     *store.Directory
	log     *slog.Logger
	m       *clientMetrics
	running chan struct{} // closed when Run begins
	wg      sync.WaitGroup

	mu       sync.Mutex
	base     context.Context // of subscriptions, from Run
	closed   bool
	sess     *clientSession // nil while there is none
	up       chan struct{}  // closed while there is a session that is synced
	subs     map[subKey]*subscription
	tails    map[subKey]<-chan struct{} // done of a removed subscription that may still be writing
	nextID   uint64
	owned    map[media.StreamID]bool // streams that this client put in the directory
	endings  map[media.StreamID]context.CancelFunc
	hops     []string
	hopsMove chan struct{}
}

var _ Upstream = (*Client)(nil)

// NewClient checks cfg and makes a client; Run makes it dial. reg may be nil.
func NewClient(cfg ClientConfig, dir *store.Directory, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	var err error
	if cfg.TLS, err = relayTLS(cfg.TLS, false); err != nil {
		return nil, err
	}
	if cfg.Node, err = nodeName(cfg.Node); err != nil {
		return nil, err
	}
	if len(cfg.Upstreams) == 0 {
		return nil, errors.New("relay: no upstream: set relay.upstreams to HOST:PORT of an origin or edge")
	}
	for _, u := range cfg.Upstreams {
		if _, _, err := net.SplitHostPort(u); err != nil {
			return nil, fmt.Errorf("relay: upstream %q is not HOST:PORT: %w", u, err)
		}
	}
	cfg.Backlog = max(cmp.Or(cfg.Backlog, 6), 1)
	cfg.Linger = cmp.Or(cfg.Linger, 30*time.Second)
	cfg.Grace = cmp.Or(cfg.Grace, 10*time.Second)
	cfg.HoldBack = cmp.Or(cfg.HoldBack, 500*time.Millisecond)
	cfg.MaxRepair = cmp.Or(cfg.MaxRepair, 3)
	cfg.MaxStreams = cmp.Or(cfg.MaxStreams, 1024)
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, DefaultIdleTimeout)
	return &Client{
		cfg: cfg, dir: dir, log: log.With("component", "relay-client", "node", cfg.Node), m: newClientMetrics(reg),
		running: make(chan struct{}), up: make(chan struct{}), subs: map[subKey]*subscription{}, tails: map[subKey]<-chan struct{}{},
		owned: map[media.StreamID]bool{}, endings: map[media.StreamID]context.CancelFunc{}, hopsMove: make(chan struct{}),
	}, nil
}

// Run dials upstreams until ctx ends and returns nil; it returns early only
// when it cannot open a socket. It is called once.
func (c *Client) Run(ctx context.Context) error {
	udp, err := listenUDP(":0", c.log)
	if err != nil {
		return err
	}
	transport := &quic.Transport{Conn: udp}
	defer closeTransport(transport, c.log)
	base, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	c.base = base
	c.mu.Unlock()
	close(c.running)
	defer c.wg.Wait()
	defer c.shutdown()
	defer cancel()
	for try, next := 0, 0; ; next++ {
		addr := c.cfg.Upstreams[next%len(c.cfg.Upstreams)]
		began := time.Now()
		err := c.connect(ctx, transport, addr)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > steadyAfter {
			try = 0
		}
		retry := backoff(try, rand.Float64())
		c.log.Warn("no relay session", "upstream", addr, "err", err, "reason", endReason(err), "retryIn", retry)
		try++
		if wait.For(ctx, retry) != nil {
			return nil
		}
	}
}

// shutdown ends all subscriptions.
func (c *Client) shutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, s := range c.subs {
		c.removeLocked(s, ErrClosed)
	}
}

// connect dials addr and serves the session until it ends.
func (c *Client) connect(ctx context.Context, transport *quic.Transport, addr string) error {
	conn, err := c.dial(ctx, transport, addr)
	if err != nil {
		c.m.dials.WithLabelValues("failed").Inc()
		return fmt.Errorf("reaching upstream %s: %w", addr, err)
	}
	c.m.dials.WithLabelValues("ok").Inc()
	sess := &clientSession{c: c, conn: conn, addr: addr, log: c.log.With("upstream", addr), byID: map[uint64]*subscription{}, announced: map[media.StreamID]bool{}}
	err = sess.run(ctx)
	reason := endReason(err)
	if ctx.Err() != nil {
		reason = relaywire.CloseNormal.String()
	}
	c.m.closed.WithLabelValues(reason).Inc()
	return err
}

// dial tries each address of the host in turn.
func (c *Client) dial(ctx context.Context, transport *quic.Transport, addr string) (*quic.Conn, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	tlsConf := c.cfg.TLS
	if tlsConf.ServerName == "" {
		tlsConf = tlsConf.Clone()
		tlsConf.ServerName = host
	}
	var errs []error
	for _, ip := range ips {
		ua, err := net.ResolveUDPAddr("udp", net.JoinHostPort(ip.Unmap().String(), strconv.Itoa(port)))
		if err != nil {
			return nil, err
		}
		conn, err := transport.Dial(ctx, ua, tlsConf, clientQUIC(c.cfg.IdleTimeout))
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// Hops gives the nodes through which media comes, nearest first, and a channel
// that is closed when they change.
func (c *Client) Hops() ([]string, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hops, c.hopsMove
}

func (c *Client) setHops(hops []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if equal(c.hops, hops) {
		return
	}
	c.hops = hops
	close(c.hopsMove)
	c.hopsMove = make(chan struct{})
}

// Connected reports whether an upstream session is open and its catalogs are
// known.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.up:
		return true
	default:
		return false
	}
}
