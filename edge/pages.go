package edge

import (
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"starling/internal/media"
)

// asset is a file of Config.Assets, read once.
type asset struct {
	body, gz    []byte // gz is nil when it would not be smaller
	contentType string
}

// assets keeps the player's files. They are part of the program, so they do
// not change while it runs.
type assets struct {
	files fs.FS

	mu     sync.Mutex
	loaded map[string]*asset
}

func newAssets(files fs.FS) *assets { return &assets{files: files, loaded: map[string]*asset{}} }

// get reads a file; nil when there is none.
func (a *assets) get(name string) *asset {
	if a.files == nil || !fs.ValidPath(name) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.loaded[name]; f != nil {
		return f
	}
	body, err := fs.ReadFile(a.files, name)
	if err != nil {
		return nil // a directory or nothing at all
	}
	f := &asset{body: body, contentType: contentType(name)}
	if compressible(f.contentType) {
		if gz := gzipped(body); len(gz) < len(body) {
			f.gz = gz
		}
	}
	a.loaded[name] = f
	return f
}

// contentType goes by the extension alone. The common ones are fixed, since
// the system's table may say something else or nothing.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".wasm":
		return "application/wasm"
	default:
		if t := mime.TypeByExtension(ext); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}

func compressible(contentType string) bool {
	return strings.HasPrefix(contentType, "text/") || strings.HasPrefix(contentType, "application/json") || strings.HasPrefix(contentType, "image/svg")
}

// policy is the pages' Content-Security-Policy: own scripts only; media and
// workers from blobs, as hls.js makes them; streams and trackers anywhere,
// since an edge and its tracker may be on other hosts.
const policy = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
	"media-src 'self' blob: http: https:; worker-src 'self' blob:; connect-src 'self' http: https: ws: wss:; object-src 'none'; base-uri 'none'; frame-ancestors "

// servePage answers what is not media: pages, their files and the list of
// streams. It reports whether the path was one of these.
func (s *Server) servePage(q *request, first, rest string) bool {
	q.kind = kindPage
	switch first {
	case "":
		if rest == "" {
			s.sendPage(q, "index.html", "'self'")
			return true
		}
	case "watch", "embed":
		if _, err := media.ParseStreamID(rest); err != nil {
			q.fail(http.StatusNotFound, err.Error())
			return true
		}
		ancestors := "'self'"
		if first == "embed" {
			ancestors = "*"
		}
		s.sendPage(q, first+".html", ancestors)
		return true
	case "streams.json":
		if rest == "" {
			s.serveStreams(q)
			return true
		}
	case "assets":
		s.sendAsset(q, rest)
		return true
	}
	q.kind = kindOther
	return false
}

func (s *Server) sendPage(q *request, name, ancestors string) {
	f := s.assets.get(name)
	if f == nil {
		q.fail(http.StatusNotFound, "this edge has no pages (it was built without the client); play /APP/NAME/index.m3u8; "+s.liveStreams())
		return
	}
	q.Header().Set("Content-Security-Policy", policy+ancestors)
	sendFile(q, f, "no-cache")
}

// sendAsset answers /assets/…. A file may lie in Assets itself or in its
// assets folder. Names with a content hash never change.
func (s *Server) sendAsset(q *request, name string) {
	f := s.assets.get(name)
	if f == nil {
		f = s.assets.get("assets/" + name)
	}
	if f == nil {
		q.fail(http.StatusNotFound, "no such file")
		return
	}
	cache := "public, max-age=60"
	if hashed(name) {
		cache = immutable
	}
	sendFile(q, f, cache)
}

// hashed reports whether a name has a content hash as esbuild writes it:
// NAME-XXXXXXXX.EXT with eight capital letters or digits of base 32.
func hashed(name string) bool {
	base := strings.TrimSuffix(path.Base(name), ".map")
	base = strings.TrimSuffix(base, path.Ext(base))
	i := strings.LastIndexByte(base, '-')
	return i > 0 && len(base)-i-1 == 8 && strings.Trim(base[i+1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

func sendFile(q *request, f *asset, cache string) {
	h := q.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", cache)
	body := f.body
	if f.gz != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(q.r) {
			h.Set("Content-Encoding", "gzip")
			body = f.gz
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	q.allow(0)
	q.WriteHeader(http.StatusOK)
	if q.r.Method != http.MethodHead {
		for len(body) > 0 {
			q.allow(0)
			n, err := q.Write(body[:min(writeChunk, len(body))])
			if err != nil {
				return // the client is gone, or too slow
			}
			body = body[n:]
		}
	}
}
