package edge

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"starling/internal/media"
	"starling/internal/store"
	"starling/internal/telemetry"
)

// kind is what a request was for; it bounds the label of the same name.
type kind uint8

const (
	kindOther kind = iota
	kindMultivariant
	kindCatalog
	kindPlaylist
	kindInit
	kindSegment
	kindPart
	kindFeed
	kindPage
	kindCount
)

var kindNames = [kindCount]string{"other", "multivariant", "catalog", "playlist", "init", "segment", "part", "feed", "page"}

// classNames are the status classes; 0 is a request whose client went away.
var classNames = [6]string{"gone", "1xx", "2xx", "3xx", "4xx", "5xx"}

// account counts one stream. Media bytes are payload that was written to
// viewers, without protocol overhead.
type account struct {
	httpBytes, feedBytes, playlistBytes atomic.Uint64
	feedViewers                         atomic.Int64
	requests                            [kindCount][len(classNames)]atomic.Uint64
}

func (a *account) request(k kind, status int) {
	a.requests[k][min(max(status/100, 0), len(classNames)-1)].Add(1)
}

func (a *account) total() (n uint64) {
	for k := range a.requests {
		for c := range a.requests[k] {
			n += a.requests[k][c].Load()
		}
	}
	return n
}

// accounting keeps the accounts and the server-wide counters, and exports them
// to Prometheus when asked, so that serving costs only atomic additions.
type accounting struct {
	dir *store.Directory

	mu      sync.RWMutex
	streams map[media.StreamID]*account
	nowhere account // requests for no known stream

	parked, renders, fetches, fetchHits, refused, feedSkips, feedSlow atomic.Int64
}

func newAccounting(dir *store.Directory) *accounting {
	return &accounting{dir: dir, streams: map[media.StreamID]*account{}}
}

// of gives the account of a stream that this edge knows. An account stays when
// its stream ends, since its bytes are still to be reconciled, and goes with
// its labels when the stream is removed.
func (a *accounting) of(id media.StreamID) *account {
	a.mu.RLock()
	acc := a.streams[id]
	a.mu.RUnlock()
	if acc != nil {
		return acc
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if acc = a.streams[id]; acc == nil {
		a.forget()
		acc = &account{}
		a.streams[id] = acc
	}
	return acc
}

// forget drops accounts of streams that are gone. mu is held.
func (a *accounting) forget() {
	for id, acc := range a.streams {
		if _, live := a.dir.Get(id); !live && acc.feedViewers.Load() == 0 {
			delete(a.streams, id)
		}
	}
}

func (a *accounting) stats() []telemetry.EdgeStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget()
	out := make([]telemetry.EdgeStats, 0, len(a.streams))
	for id, acc := range a.streams {
		out = append(out, telemetry.EdgeStats{
			Stream: id, MediaBytes: acc.httpBytes.Load(), FeedBytes: acc.feedBytes.Load(), PlaylistBytes: acc.playlistBytes.Load(),
			FeedViewers: int(acc.feedViewers.Load()), Requests: acc.total(),
		})
	}
	slices.SortFunc(out, func(x, y telemetry.EdgeStats) int { return strings.Compare(string(x.Stream), string(y.Stream)) })
	return out
}

var (
	mediaBytesDesc    = desc("media_bytes_total", "Media payload that left this edge, by way (http, feed).", "stream", "kind")
	playlistBytesDesc = desc("playlist_bytes_total", "Playlist and catalog bytes that left this edge, compressed where they were.", "stream")
	feedViewersDesc   = desc("feed_viewers", "Open feed connections.", "stream")
	requestsDesc      = desc("requests_total", "HTTP requests answered, by what they were for and status class.", "stream", "kind", "class")
	parkedDesc        = desc("parked_requests", "Requests that wait for a part now.")
	rendersDesc       = desc("playlist_renders_total", "Media playlists rendered (once a part, track and form).")
	fetchesDesc       = desc("upstream_fetches_total", "Fetches of old media from upstream.")
	fetchHitsDesc     = desc("upstream_fetches_saved_total", "Requests for old media that shared a fetch or its result.")
	refusedDesc       = desc("refused_total", "Requests and feeds refused because a limit was reached.")
	feedSkipsDesc     = desc("feed_skips_total", "Times a feed jumped to the newest part because its reader was slow.")
	feedSlowDesc      = desc("feed_slow_closed_total", "Feeds closed because their reader was too slow.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(telemetry.Namespace, "edge", name), help, labels, nil)
}

// Describe implements prometheus.Collector.
func (a *accounting) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{mediaBytesDesc, playlistBytesDesc, feedViewersDesc, requestsDesc, parkedDesc, rendersDesc, fetchesDesc, fetchHitsDesc, refusedDesc, feedSkipsDesc, feedSlowDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (a *accounting) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	requests := func(stream string, acc *account) {
		for k := range acc.requests {
			for c := range acc.requests[k] {
				if n := acc.requests[k][c].Load(); n > 0 {
					counter(requestsDesc, float64(n), stream, kindNames[k], classNames[c])
				}
			}
		}
	}
	a.mu.Lock()
	a.forget()
	for id, acc := range a.streams {
		stream := string(id)
		counter(mediaBytesDesc, float64(acc.httpBytes.Load()), stream, "http")
		counter(mediaBytesDesc, float64(acc.feedBytes.Load()), stream, "feed")
		counter(playlistBytesDesc, float64(acc.playlistBytes.Load()), stream)
		gauge(feedViewersDesc, float64(acc.feedViewers.Load()), stream)
		requests(stream, acc)
	}
	a.mu.Unlock()
	requests("", &a.nowhere)
	gauge(parkedDesc, float64(a.parked.Load()))
	for d, v := range map[*prometheus.Desc]*atomic.Int64{
		rendersDesc: &a.renders, fetchesDesc: &a.fetches, fetchHitsDesc: &a.fetchHits, refusedDesc: &a.refused, feedSkipsDesc: &a.feedSkips, feedSlowDesc: &a.feedSlow,
	} {
		counter(d, float64(v.Load()))
	}
}
