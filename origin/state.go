package origin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"starling/internal/media"
)

// numbering is what a stream must remember so that no number is used twice.
type numbering struct {
	NextMSN       uint64           `json:"nextMsn"`
	Discontinuity uint64           `json:"discontinuity"` // of the newest segments
	LastInit      uint64           `json:"lastInit"`
	Tracks        map[string]uint8 `json:"tracks"` // by name
	Used          time.Time        `json:"used"`
}

const (
	stateFile = "origin-streams.json"
	// forgetAfter is far longer than any cache keeps a stream's segments.
	forgetAfter = 30 * 24 * time.Hour
	// maxRemembered bounds the file: names are the publishers' choice.
	maxRemembered = 10_000
)

var errTracks = errors.New("the stream has had 255 different tracks, publish under another name")

// number gives a track's wire alias, the same for the same name for ever.
func (n *numbering) number(name string) (uint8, error) {
	if v, ok := n.Tracks[name]; ok {
		return v, nil
	}
	if len(n.Tracks) >= math.MaxUint8 {
		return 0, errTracks
	}
	if n.Tracks == nil {
		n.Tracks = map[string]uint8{}
	}
	v := uint8(len(n.Tracks) + 1)
	n.Tracks[name] = v
	return v, nil
}

// registry keeps the numbering of all streams in one file.
type registry struct {
	path string // empty: in memory only

	mu      sync.Mutex
	streams map[media.StreamID]numbering
}

func loadRegistry(dir string, now time.Time) (*registry, error) {
	r := &registry{streams: map[media.StreamID]numbering{}}
	if dir == "" {
		return r, nil
	}
	r.path = filepath.Join(dir, stateFile)
	b, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading the streams' numbering: %w", err)
	}
	if err := json.Unmarshal(b, &r.streams); err != nil {
		return nil, fmt.Errorf("reading %s: %w; without it viewers of running streams must reload: remove it to go on", r.path, err)
	}
	maps.DeleteFunc(r.streams, func(_ media.StreamID, n numbering) bool { return now.Sub(n.Used) > forgetAfter })
	return r, nil
}

// get returns a copy of a stream's numbering; known is false for a new stream.
func (r *registry) get(id media.StreamID) (n numbering, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, known = r.streams[id]
	n.Tracks = maps.Clone(n.Tracks)
	return n, known
}

// dropOldest forgets the stream that was not published for longest. mu is held.
func (r *registry) dropOldest() {
	var oldest media.StreamID
	for id, n := range r.streams {
		if oldest == "" || n.Used.Before(r.streams[oldest].Used) {
			oldest = id
		}
	}
	delete(r.streams, oldest)
}

// put remembers a stream's numbering and saves all.
func (r *registry) put(id media.StreamID, n numbering) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	n.Tracks = maps.Clone(n.Tracks)
	if _, known := r.streams[id]; !known && len(r.streams) >= maxRemembered {
		r.dropOldest()
	}
	r.streams[id] = n
	if r.path == "" {
		return nil
	}
	b, err := json.MarshalIndent(r.streams, "", " ")
	if err != nil {
		return err
	}
	if err := writeFile(r.path, append(b, '\n')); err != nil {
		return fmt.Errorf("saving the streams' numbering: %w", err)
	}
	return nil
}
