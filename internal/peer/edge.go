package peer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"starling/internal/media"
	"starling/internal/peerstate"
	"starling/internal/wait"
)

// Times and sizes of requests to the edge.
const (
	catalogRetry  = time.Second
	fetchTimeout  = 5 * time.Second
	maxCatalog    = 1 << 20
	maxPlaylist   = 1 << 20
	playlistGrace = 100 // ms beyond two parts without news before a playlist is asked for
	playlistRetry = 500 // ms after a failed playlist request
)

// catalog is the stream's catalog as the edge gives it to viewers.
type catalog struct {
	media.StreamInfo
	Tracker string `json:"tracker"` // empty: on the edge itself
}

func (c *catalog) names() string {
	var names []string
	for i := range c.Tracks {
		names = append(names, c.Tracks[i].Name)
	}
	return strings.Join(names, ", ")
}

// statusError is an HTTP answer that is not the wanted one.
type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("GET %s: %d %s", e.url, e.code, http.StatusText(e.code))
}

// answer is what an HTTP request gave.
type answer struct {
	body   []byte
	status int
	raw    []byte // the signed header of a part, when the edge sent it
	// How long the first byte took, and all of them.
	first, took time.Duration
}

// partHeaderField has a part's signed header (docs/hls.md).
const partHeaderField = "Starling-Part-Header"

// get reads a resource of the stream. A range is given as first and last byte.
// The body may be there in part when there is an error.
func (p *Peer) get(ctx context.Context, path string, limit int64, rng string) (answer, error) {
	u := p.base.ResolveReference(&url.URL{Path: path})
	if name, query, ok := strings.Cut(path, "?"); ok {
		u = p.base.ResolveReference(&url.URL{Path: name, RawQuery: query})
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return answer{}, err
	}
	if rng != "" {
		req.Header.Set("Range", rng)
	}
	asked := time.Now()
	resp, err := p.host.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, first: time.Since(asked)}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		return a, &statusError{u.String(), resp.StatusCode}
	}
	if f := resp.Header.Get(partHeaderField); f != "" {
		if a.raw, err = base64.RawURLEncoding.DecodeString(f); err != nil {
			a.raw = nil // as if it had not been sent
		}
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	a.took = time.Since(asked)
	if err != nil {
		return a, fmt.Errorf("read %s: %w", u, err)
	}
	if int64(len(a.body)) > limit {
		return a, fmt.Errorf("read %s: over %d bytes", u, limit)
	}
	return a, nil
}

// awaitCatalog reads the catalog, again and again until the stream is there.
func (p *Peer) awaitCatalog(ctx context.Context) (*catalog, error) {
	for tries := 0; ; tries++ {
		c, err := p.readCatalog(ctx)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if tries == 0 {
			p.log.Info("the stream is not there yet; waiting for it", "url", p.base.String(), "error", err)
		}
		if err := wait.For(ctx, catalogRetry); err != nil {
			return nil, err
		}
	}
}

func (p *Peer) readCatalog(ctx context.Context) (*catalog, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	got, err := p.get(ctx, "catalog.json", maxCatalog, "")
	if err != nil {
		return nil, err
	}
	c := &catalog{}
	if err := json.Unmarshal(got.body, c); err != nil {
		return nil, fmt.Errorf("catalog of %s: %w", p.stream, err)
	}
	if len(c.Tracks) == 0 || c.PartMS <= 0 {
		return nil, fmt.Errorf("catalog of %s has no track yet", p.stream)
	}
	for i := range c.Tracks {
		if t := &c.Tracks[i]; t.Slices < 1 || t.Slices > 16 || !media.ValidName(t.Name) {
			return nil, fmt.Errorf("catalog of %s: track %q with %d slices", p.stream, t.Name, t.Slices)
		}
	}
	return c, nil
}

// findStart reads the playlists until every track has parts, and begins there.
func (p *Peer) findStart(ctx context.Context) error {
	var want []peerstate.Track
	for _, t := range p.tracks {
		start, err := p.awaitStart(ctx, t)
		if err != nil {
			return err
		}
		t.from, t.newestPDT, t.newestDuration, t.progressAt = start.id, start.pdt, start.duration, p.now()
		if start.pdt.After(p.play.pdt) {
			p.play.pdt = start.pdt
		}
		want = append(want, peerstate.Track{Number: t.info.Number, Slices: t.info.Slices, Bitrate: t.info.Bitrate, PartMS: int64(p.info.PartMS), From: t.from, Until: p.firstEnd(start)})
	}
	p.do(p.state.SetTracks(want, p.now()))
	p.meet()
	return nil
}

// firstParts are taken from the edge when playback begins, whatever parents
// do: what lies within peerstate's lead, and a part to spare.
const firstParts = 3

// firstEnd is where the feed ends until parents are awaited no more.
func (p *Peer) firstEnd(start listedPart) media.PartID {
	if p.cfg.EdgeOnly {
		return media.PartID{}
	}
	return start.later
}

// awaitStart waits for the part to begin at. Meanwhile connections to the
// assigned neighbours are made.
func (p *Peer) awaitStart(ctx context.Context, t *trackState) (listedPart, error) {
	type found struct {
		start listedPart
		tries uint64
		err   error
	}
	done, holdBack := make(chan found, 1), p.holdBack()
	p.spawn(func() {
		var f found
		f.start, f.err = p.awaitParts(ctx, t, holdBack, &f.tries)
		done <- f
	})
	for {
		select {
		case f := <-done:
			p.stats.Playlists += f.tries
			return f.start, f.err
		case f := <-p.inbox:
			f()
		}
	}
}

func (p *Peer) awaitParts(ctx context.Context, t *trackState, holdBack time.Duration, tries *uint64) (listedPart, error) {
	for {
		*tries++
		pl, err := p.readPlaylist(ctx, t, media.PartID{})
		if err == nil {
			if start, ok := pl.startPart(holdBack); ok {
				return start, nil
			}
			err = errors.New("no part yet")
		}
		if ctx.Err() != nil {
			return listedPart{}, context.Cause(ctx)
		}
		p.log.Debug("no playlist", "track", t.info.Name, "error", err)
		if err := wait.For(ctx, catalogRetry/4); err != nil {
			return listedPart{}, err
		}
	}
}

// readPlaylist reads a track's playlist; a part id blocks until it is listed
// (draft-pantos-hls-rfc8216bis section 6.2.5.2).
func (p *Peer) readPlaylist(ctx context.Context, t *trackState, until media.PartID) (*mediaPlaylist, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Duration(max(p.info.TargetMS, 1000))*time.Millisecond)
	defer cancel()
	path := t.info.Name + "/index.m3u8"
	if until.MSN != 0 {
		path += fmt.Sprintf("?_HLS_msn=%d&_HLS_part=%d", until.MSN, until.Index)
	}
	got, err := p.get(ctx, path, maxPlaylist, "")
	if err != nil {
		return nil, err
	}
	return parsePlaylist(got.body)
}

// watch asks for a playlist when pushes bring no news of a track.
func (p *Peer) watch(now int64) {
	p.dropEarly(now)
	for _, t := range p.tracks {
		if !t.ended && now-t.progressAt > 2*int64(p.info.PartMS)+playlistGrace {
			until := t.newest()
			if len(t.ids) > 0 {
				until.Index++
			}
			if pd := p.parts[peerstate.Key{Track: t.info.Number, ID: t.newest()}]; pd != nil && pd.last {
				until = media.PartID{MSN: until.MSN + 1}
			}
			p.refresh(t, until, now)
		}
	}
}

// refresh reads a track's playlist in the background, one at a time.
func (p *Peer) refresh(t *trackState, until media.PartID, now int64) {
	if t.refreshing || now < t.retryAt {
		return
	}
	t.refreshing = true
	p.stats.Playlists++
	p.spawn(func() {
		pl, err := p.readPlaylist(p.ctx, t, until)
		p.post(func() {
			t.refreshing = false
			if err != nil {
				t.retryAt = p.now() + playlistRetry
				p.log.Debug("no playlist", "track", t.info.Name, "error", err)
				return
			}
			t.refreshedAt = now
			p.takePlaylist(t, pl)
		})
	})
}

func (p *Peer) takePlaylist(t *trackState, pl *mediaPlaylist) {
	for _, l := range pl.parts {
		k := peerstate.Key{Track: t.info.Number, ID: l.id}
		pd := p.learn(k, l.pdt, l.duration)
		if pd == nil {
			continue
		}
		if pd.header == nil {
			pd.last = pd.last || l.last
		}
		now := p.now()
		p.do(p.state.Exists(k, p.play.deadline(pd.pdt, now), now))
	}
	t.ended = pl.ended
	p.advance(p.now())
}

// fetchKey is one fetch under way. Count 0 is the whole part.
type fetchKey struct {
	key          peerstate.Key
	first, count int
}

// fetchPart gets chunks, or a whole part, from the edge by HTTP.
func (p *Peer) fetchPart(a peerstate.Action) {
	fk := fetchKey{a.Key, a.First, a.Count}
	t, pd := p.track(a.Key.Track), p.parts[a.Key]
	if t == nil || pd == nil || p.fetches[fk] {
		return
	}
	path, rng, limit := t.info.Name+"/"+partName(a.Key.ID), "", int64(media.MaxPartSize)
	from, size := 0, 0
	if a.Count > 0 {
		var to int
		from, _ = pd.header.ChunkRange(a.First)
		_, to = pd.header.ChunkRange(a.First + a.Count - 1)
		if size = pd.header.Size; to-from < size {
			rng = fmt.Sprintf("bytes=%d-%d", from, to-1)
		}
		limit = int64(size)
		size = to - from
	}
	p.fetches[fk] = true
	p.spawn(func() {
		ctx, cancel := context.WithTimeout(p.ctx, fetchTimeout)
		defer cancel()
		got, err := p.get(ctx, path, limit, rng)
		p.post(func() {
			delete(p.fetches, fk)
			b := got.body
			p.stats.HTTPBytes += uint64(len(b))
			if err == nil {
				p.state.EdgeAnswered(len(b), got.first.Milliseconds(), got.took.Milliseconds())
			}
			if got.status == http.StatusOK && rng != "" && len(b) >= from+size { // ranges are not honoured
				b = b[from : from+size]
			}
			if err == nil && a.Count > 0 && len(b) != size {
				err = fmt.Errorf("%d bytes of %s for %d", len(b), path, size)
			}
			if err != nil {
				p.log.Debug("fetch failed", "part", a.Key.ID, "track", t.info.Name, "error", err)
			}
			p.fetched(fk, b, got.raw, err == nil)
		})
	})
}

// isHeaderOf reports whether raw is the verified header of part k, of size
// bytes. A cache in front of the edge may have lost or mixed up the field.
func (p *Peer) isHeaderOf(raw []byte, k peerstate.Key, size int) bool {
	if len(raw) == 0 {
		return false
	}
	h, err := media.VerifyHeader(raw, p.info.Key)
	if err != nil || h.Stream != p.stream || h.Track != k.Track || h.ID != k.ID || h.Size != size {
		p.log.Debug("not the header of the part that was fetched", "part", k.ID, "error", err)
		return false
	}
	return true
}

// fetched takes the bytes of a fetch. With the header that came with a whole
// part, the part is verified and can be passed on.
func (p *Peer) fetched(fk fetchKey, b, raw []byte, ok bool) {
	pd := p.parts[fk.key]
	if pd == nil {
		p.stats.DuplicateBytes += uint64(len(b))
		return
	}
	first, count := fk.first, fk.count
	if ok && count == 0 {
		if pd.header == nil && p.isHeaderOf(raw, fk.key, len(b)) {
			p.onHeader(raw, peerstate.Edge)
		}
		if pd.header == nil {
			pd.buf, pd.httpBytes = b, len(b)
			p.do(p.state.Plain(fk.key, p.now()))
			p.do(p.state.EdgeDone(fk.key, 0, 0, true, p.now()))
			return
		}
		first, count, ok = 0, pd.header.Chunks(), len(b) == pd.header.Size
	}
	base := 0
	if ok {
		base, _ = pd.header.ChunkRange(first)
	}
	for i := first; ok && i < first+count; i++ {
		from, to := pd.header.ChunkRange(i)
		p.takeChunk(pd, i, b[from-base:to-base], peerstate.Edge, viaHTTP)
		have := p.state.Held(fk.key)
		ok = have != nil && have.Has(i)
	}
	p.do(p.state.EdgeDone(fk.key, fk.first, fk.count, ok, p.now()))
}
