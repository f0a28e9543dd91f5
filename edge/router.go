package edge

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"starling/internal/hls"
	"starling/internal/httpserver"
	"starling/internal/media"
)

// request is one HTTP request on its way through the edge.
type request struct {
	http.ResponseWriter
	r    *http.Request
	rc   *http.ResponseController
	acct *account
	kind kind

	timeout time.Duration // for 128 KiB, see Config.WriteTimeout
	status  int           // 0 until the answer starts
}

// WriteHeader implements http.ResponseWriter.
func (q *request) WriteHeader(status int) {
	if q.status == 0 {
		q.status = status
	}
	q.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController and the WebSocket find the connection.
func (q *request) Unwrap() http.ResponseWriter { return q.ResponseWriter }

// fail answers with a text that says what is wrong and, where it can, what
// would be right.
func (q *request) fail(status int, text string) {
	h := q.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		h.Set("Retry-After", "1")
	}
	q.allow(0)
	q.WriteHeader(status)
	if q.r.Method != http.MethodHead {
		// The client may be gone; there is nobody to tell.
		_, _ = q.Write([]byte(text + "\n"))
	}
}

// allow gives the client the write timeout, after a wait, to take what is
// written next. A test's recorder has no deadline to set.
func (q *request) allow(wait time.Duration) {
	_ = q.rc.SetWriteDeadline(time.Now().Add(wait + q.timeout))
}

// Handler serves everything of the public listener.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.commonHeaders(w.Header(), r)
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := &request{ResponseWriter: w, r: r, rc: http.NewResponseController(w), acct: &s.acct.nowhere, timeout: s.cfg.WriteTimeout}
	body := r.ContentLength != 0
	if body {
		// The server would read a short body to its end, however slowly it came.
		_ = q.rc.SetReadDeadline(time.Now().Add(time.Second))
		w.Header().Set("Connection", "close")
	}
	if !body && (first == "feed" || first == "tracker" && rest == "" && s.cfg.Tracker != nil) {
		s.serveSocket(q, first, rest)
		return
	}
	defer func() { q.acct.request(q.kind, q.status) }()
	if s.requests.Add(1) > int64(s.cfg.MaxRequests) {
		s.requests.Add(-1)
		s.acct.refused.Add(1)
		q.fail(http.StatusServiceUnavailable, "this edge is at its limit of requests, try again or use another edge")
		return
	}
	defer s.requests.Add(-1)
	leave, ok := s.share.Enter(r.RemoteAddr)
	if !ok {
		s.acct.refused.Add(1)
		q.fail(http.StatusTooManyRequests, httpserver.TooMany)
		return
	}
	defer leave()
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		q.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", allowedMethods)
		q.fail(http.StatusMethodNotAllowed, "use GET, HEAD or OPTIONS")
		return
	}
	if body {
		q.fail(http.StatusRequestEntityTooLarge, "requests have no body here")
		return
	}
	if s.servePage(q, first, rest) {
		return
	}
	s.serveStream(q)
}

// serveSocket serves what is a WebSocket, if its address has a place left.
func (s *Server) serveSocket(q *request, first, rest string) {
	leave, ok := s.places.Enter(q.r.RemoteAddr)
	if !ok {
		s.acct.refused.Add(1)
		q.fail(http.StatusTooManyRequests, httpserver.TooMany)
		s.acct.nowhere.request(q.kind, q.status)
		return
	}
	defer leave()
	if first == "tracker" {
		s.cfg.Tracker.ServeHTTP(q.ResponseWriter, q.r)
		return
	}
	s.serveFeed(q, rest)
}

const allowedMethods = "GET, HEAD, OPTIONS"

// commonHeaders sets what every answer has: CORS for players on other sites and
// the headers that keep browsers from guessing.
func (s *Server) commonHeaders(h http.Header, r *http.Request) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if slices.Contains(s.cfg.AllowOrigins, "*") {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Timing-Allow-Origin", "*")
	} else {
		h.Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); origin != "" && slices.Contains(s.cfg.AllowOrigins, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Timing-Allow-Origin", origin)
		}
	}
	h.Set("Access-Control-Expose-Headers", "Accept-Ranges, Content-Length, Content-Range, Date, Age, Retry-After, "+PartHeaderField)
	if r.Method == http.MethodOptions {
		h.Set("Allow", allowedMethods)
		h.Set("Access-Control-Allow-Methods", allowedMethods)
		h.Set("Access-Control-Allow-Headers", "Range, Content-Type")
		h.Set("Access-Control-Max-Age", "86400")
	}
}

// kinds of the resources of a stream.
var kindOf = map[hls.Resource]kind{
	hls.Multivariant: kindMultivariant, hls.Catalog: kindCatalog, hls.Playlist: kindPlaylist,
	hls.Init: kindInit, hls.Segment: kindSegment, hls.Part: kindPart,
}

func (s *Server) serveStream(q *request) {
	p, err := hls.ParsePath(q.r.URL.EscapedPath())
	if err != nil {
		q.fail(http.StatusNotFound, err.Error())
		return
	}
	q.kind = kindOf[p.Resource]
	st, ok := s.dir.Get(p.Stream)
	if !ok {
		q.fail(http.StatusNotFound, "no stream "+string(p.Stream)+" here; "+s.liveStreams())
		return
	}
	q.acct = s.acct.of(st.ID)
	switch p.Resource {
	case hls.Multivariant:
		s.serveMultivariant(q, st)
		return
	case hls.Catalog:
		s.serveCatalog(q, st)
		return
	}
	info := st.Info()
	track, ok := info.Track(p.Track)
	window, known := st.Track(p.Track)
	if !ok || !known {
		q.fail(http.StatusNotFound, "no track "+p.Track+" in "+string(st.ID)+"; "+trackNames(info))
		return
	}
	if p.Resource == hls.Init {
		s.serveInit(q, track, p.Init)
		return
	}
	v := s.views.use(st, window)
	defer v.done()
	switch p.Resource {
	case hls.Playlist:
		s.servePlaylist(q, v)
	case hls.Segment:
		s.serveSegment(q, v, track, p.Part.MSN)
	case hls.Part:
		s.servePart(q, v, track, p.Part)
	}
}

func (s *Server) liveStreams() string {
	var names []string
	for _, st := range s.dir.List() {
		if !st.Info().Ended {
			names = append(names, string(st.ID))
		}
	}
	return listing("live now", names)
}

func trackNames(info *media.StreamInfo) string {
	var names []string
	for i := range info.Tracks {
		names = append(names, info.Tracks[i].Name)
	}
	return listing("it has", names)
}

// listing names up to ten things.
func listing(what string, names []string) string {
	if len(names) == 0 {
		return what + ": none"
	}
	if len(names) > 10 {
		names = append(names[:10:10], "…")
	}
	return what + ": " + strings.Join(names, ", ")
}
