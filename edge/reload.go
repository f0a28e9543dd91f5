package edge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"starling/internal/hls"
	"starling/internal/media"
	"starling/internal/store"
)

const playlistType = "application/vnd.apple.mpegurl"

// blockedAge is how long an answer to a blocking request may be cached, in
// target durations: its address says what it holds.
const blockedAge = 6

// servePlaylist answers a media playlist request, parked until the playlist
// has what was asked for (draft section 6.2.5.2).
func (s *Server) servePlaylist(q *request, v *view) {
	query, err := hls.ParseQuery(q.r.URL.RawQuery)
	if err != nil {
		q.fail(http.StatusBadRequest, err.Error())
		return
	}
	var timeout *time.Timer
	for {
		now := v.now()
		decision := now.timeline.Decide(query)
		hold := v.hold(now, decision)
		switch {
		case hold > 0:
		case decision == hls.Ready:
			age := int(now.info.PartTarget() / 2 / time.Second)
			if query.Blocking() && !now.timeline.Ended {
				age = blockedAge * int(now.timeline.Target()/time.Second)
			}
			zip := acceptsGzip(q.r)
			s.sendText(q, playlistType, now.bytes(query.Skip, zip), zip, age)
			return
		case decision == hls.Reject:
			last, _ := now.timeline.Last()
			q.fail(http.StatusBadRequest, fmt.Sprintf("the last part is %s: ask for at most two segments and %d parts beyond it", last, hls.AdvancePartLimit(now.info.PartTarget())))
			return
		}
		if now.snap.Ended {
			q.fail(http.StatusNotFound, "the stream has ended and nothing of this track is left")
			return
		}
		settled, failure := v.failure()
		if failure != nil && !now.timeline.Listable() {
			q.fail(http.StatusServiceUnavailable, s.notComing(v, failure).Error())
			return
		}
		if timeout == nil {
			wait := hls.ReloadTimeout(now.info)
			timeout = time.NewTimer(wait)
			defer timeout.Stop()
			q.allow(wait)
			s.acct.parked.Add(1)
			defer s.acct.parked.Add(-1)
		}
		var held <-chan time.Time
		if hold > 0 {
			held = time.After(hold)
		}
		select {
		case <-now.snap.Changed:
		case <-settled:
		case <-held:
		case <-timeout.C:
			q.fail(http.StatusServiceUnavailable, "no new part for three target durations")
			return
		case <-s.ctx.Done():
			q.fail(http.StatusServiceUnavailable, stopping)
			return
		case <-q.r.Context().Done():
			return
		}
	}
}

const stopping = "this edge is stopping, use another"

func (s *Server) serveMultivariant(q *request, st *store.Stream) {
	s.sendCompressed(q, playlistType, hls.RenderMultivariant(st.Info()), 1)
}

// catalog is media.StreamInfo as players need it.
type catalog struct {
	*media.StreamInfo
	Tracks  []catalogTrack `json:"tracks"`
	Tracker string         `json:"tracker"` // empty: /tracker of this edge
}

type catalogTrack struct {
	*media.TrackInfo
	Inits []catalogInit `json:"inits"`
}

type catalogInit struct {
	ID uint64 `json:"id"`
}

func (s *Server) serveCatalog(q *request, st *store.Stream) {
	info := st.Info()
	c := catalog{StreamInfo: info, Tracks: make([]catalogTrack, len(info.Tracks)), Tracker: s.cfg.TrackerURL}
	for i := range info.Tracks {
		t := &info.Tracks[i]
		c.Tracks[i] = catalogTrack{TrackInfo: t, Inits: make([]catalogInit, len(t.Inits))}
		for j, in := range t.Inits {
			c.Tracks[i].Inits[j].ID = in.ID
		}
	}
	s.sendJSON(q, c)
}

// listed is a live stream in /streams.json.
type listed struct {
	ID          media.StreamID `json:"id"`
	Tracks      []string       `json:"tracks"`
	StartedAtMS int64          `json:"startedAtMs"`
}

func (s *Server) serveStreams(q *request) {
	out := []listed{}
	for _, st := range s.dir.List() {
		info := st.Info()
		if info.Ended {
			continue
		}
		l := listed{ID: st.ID, Tracks: make([]string, len(info.Tracks)), StartedAtMS: info.StartedAtMS}
		for i := range info.Tracks {
			l.Tracks[i] = info.Tracks[i].Name
		}
		out = append(out, l)
	}
	s.sendJSON(q, out)
}

func (s *Server) sendJSON(q *request, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.log.Error("encoding an answer", "path", q.r.URL.Path, "err", err)
		q.fail(http.StatusInternalServerError, "the answer cannot be encoded")
		return
	}
	s.sendCompressed(q, "application/json", b, 1)
}

func (s *Server) sendCompressed(q *request, contentType string, b []byte, age int) {
	zip := acceptsGzip(q.r)
	if zip {
		b = gzipped(b)
	}
	s.sendText(q, contentType, b, zip, age)
}

// sendText answers with a playlist or catalog that is already compressed if
// zip is set.
func (s *Server) sendText(q *request, contentType string, b []byte, zip bool, age int) {
	h := q.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(age))
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Add("Vary", "Accept-Encoding")
	if zip {
		h.Set("Content-Encoding", "gzip")
	}
	q.allow(0)
	q.WriteHeader(http.StatusOK)
	if q.r.Method == http.MethodHead {
		return
	}
	// An error means that the client is gone; what it took is counted.
	n, _ := q.Write(b)
	q.acct.playlistBytes.Add(uint64(n))
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3) as far as the
// choice between gzip and nothing needs it.
func acceptsGzip(r *http.Request) bool {
	for _, field := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		coding, params, _ := strings.Cut(field, ";")
		if c := strings.TrimSpace(coding); c != "gzip" && c != "*" {
			continue
		}
		q, weighted := strings.CutPrefix(strings.TrimSpace(params), "q=")
		v, err := strconv.ParseFloat(q, 64)
		return !weighted || err == nil && v > 0
	}
	return false
}
