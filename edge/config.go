// Package edge serves viewers: Low-Latency HLS over HTTP/1.1 and HTTP/2, the
// feed over WebSocket, and the player's pages. It reads the node's store and
// brings tracks from upstream while somebody wants them. docs/hls.md gives the
// addresses and rules, docs/peer.md the feed.
package edge

import (
	"context"
	"crypto/tls"
	"io/fs"
	"net/http"
	"time"

	"starling/internal/media"
	"starling/internal/store"
)

// Upstream brings media to the store. A nil Upstream means that the store is
// filled by someone else, such as an origin in the same process.
type Upstream interface {
	// Acquire makes sure that the track's new parts arrive until release is
	// called.
	Acquire(ctx context.Context, stream media.StreamID, track string) (release func(), err error)
	// Fetch gives complete parts first to last of a segment that the store does
	// not hold; last may be beyond the segment's end. relay.ErrGone, ErrNotYet,
	// ErrNoTrack and ErrNoStream mean that there is no such media; any other
	// error that it could not be had now.
	Fetch(ctx context.Context, stream media.StreamID, track string, msn, first, last uint64) ([]*store.Part, error)
}

// Off as an address starts no listener.
const Off = "off"

// Config configures a Server. The zero value of each field means its default.
type Config struct {
	// Addr is the plain HTTP/1.1 listener; default ":8080", Off for none.
	Addr string
	// TLSAddr is the listener for HTTP/1.1 and HTTP/2 over TLS; default
	// ":8443" when TLS is set, Off for none.
	TLSAddr string
	// TLS holds the certificate; without it there is no TLS listener.
	TLS *tls.Config

	// Assets holds index.html, watch.html, embed.html and what they load.
	// Without it the edge serves streams and no pages.
	Assets fs.FS
	// Tracker is mounted at /tracker; nil when the tracker runs elsewhere.
	Tracker http.Handler
	// TrackerURL is announced to players when the tracker runs elsewhere.
	TrackerURL string
	// AllowOrigins lists the origins of other sites whose pages may play;
	// default "*", all.
	AllowOrigins []string

	// MaxRequests bounds HTTP requests in progress, parked reloads included
	// (each costs about 10 KB with its connection); default 60,000.
	MaxRequests int
	// MaxFeeds bounds feed connections; default 2,000.
	MaxFeeds int
	// SocketsPerAddress bounds the WebSockets (feeds, and the tracker's mounted
	// here) of one address, or IPv6 /64; default 256, below 0 any number. A
	// viewer has at most two. One address may also have a quarter of MaxRequests
	// and of MaxFetches, likewise. Loopback is exempt.
	SocketsPerAddress int
	// MaxFetches bounds concurrent fetches of old media from upstream;
	// default 16.
	MaxFetches int
	// FetchCache bounds the bytes of old media kept after a fetch; default
	// 64 MiB.
	FetchCache int

	// MaxHeaderBytes bounds a request's headers; default 16 KiB.
	MaxHeaderBytes int
	// ReadHeaderTimeout ends a connection that sends its headers slowly;
	// default 5 s.
	ReadHeaderTimeout time.Duration
	// IdleTimeout ends a kept-alive connection without requests; default 60 s.
	IdleTimeout time.Duration
	// WriteTimeout ends a connection that takes longer than this for 128 KiB
	// of media or one feed frame; default 10 s (about 100 kbit/s).
	WriteTimeout time.Duration
	// FetchTimeout bounds a fetch of old media; default 5 s.
	FetchTimeout time.Duration
	// IdleRelease is how long a track is kept coming after its last reader;
	// default 15 s, longer than any pause between two reloads.
	IdleRelease time.Duration
	// FeedSilence ends a feed whose viewer has sent nothing for so long;
	// default 5 s (docs/peer.md, rule 5).
	FeedSilence time.Duration
	// FeedLag is how far behind the newest part a feed may fall before it
	// jumps to the newest; default 4 s (docs/peer.md, rule 4).
	FeedLag time.Duration
}

func (c Config) withDefaults() Config {
	def(&c.Addr, ":8080")
	if c.TLS == nil {
		c.TLSAddr = Off
	}
	def(&c.TLSAddr, ":8443")
	if len(c.AllowOrigins) == 0 {
		c.AllowOrigins = []string{"*"}
	}
	def(&c.MaxRequests, 60_000)
	def(&c.MaxFeeds, 2_000)
	def(&c.SocketsPerAddress, 256)
	def(&c.MaxFetches, 16)
	def(&c.FetchCache, 64<<20)
	def(&c.MaxHeaderBytes, 16<<10)
	def(&c.ReadHeaderTimeout, 5*time.Second)
	def(&c.IdleTimeout, time.Minute)
	def(&c.WriteTimeout, 10*time.Second)
	def(&c.FetchTimeout, 5*time.Second)
	def(&c.IdleRelease, 15*time.Second)
	def(&c.FeedSilence, 5*time.Second)
	def(&c.FeedLag, 4*time.Second)
	return c
}

// perAddress is how many of all places of a kind one address may take.
func perAddress(c Config, all int) int {
	if c.SocketsPerAddress < 0 {
		return 0 // any number
	}
	return max(all/4, 1)
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
