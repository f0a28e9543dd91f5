package hls

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"starling/internal/media"
)

// Resource is what a path under a stream addresses.
type Resource uint8

// The resources of a stream.
const (
	Multivariant Resource = iota + 1 // APP/NAME/index.m3u8
	Catalog                          // APP/NAME/catalog.json
	Playlist                         // APP/NAME/TRACK/index.m3u8
	Init                             // APP/NAME/TRACK/init-ID.mp4
	Segment                          // APP/NAME/TRACK/MSN.m4s
	Part                             // APP/NAME/TRACK/MSN.INDEX.m4s
)

// String names the resource for messages and metrics.
func (r Resource) String() string {
	names := [...]string{"other", "multivariant", "catalog", "playlist", "init", "segment", "part"}
	if int(r) < len(names) {
		return names[r]
	}
	return names[0]
}

// Path is a parsed address.
type Path struct {
	Stream   media.StreamID
	Resource Resource
	Track    string
	Init     uint64       // of Init
	Part     media.PartID // of Segment (MSN only) and Part
}

// ErrPath reports an address that no stream can have.
var ErrPath = errors.New("no such address")

const (
	playlistFile = "index.m3u8"
	catalogFile  = "catalog.json"
	initPrefix   = "init-"
	initSuffix   = ".mp4"
	mediaSuffix  = ".m4s"
	// maxNumber is the largest varint (RFC 9000 section 16), which bounds
	// every number of a part header.
	maxNumber = 1<<62 - 1
)

// ParsePath reads a URL path, with or without its leading slash. One resource
// has one address: numbers have no leading zeros and names are not escaped, so
// that caches never hold two copies.
func ParsePath(path string) (Path, error) {
	c := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(c) != 3 && len(c) != 4 {
		return Path{}, fmt.Errorf("%w: want /APP/NAME/index.m3u8 or /APP/NAME/TRACK/FILE", ErrPath)
	}
	id, err := media.ParseStreamID(c[0] + "/" + c[1])
	if err != nil {
		return Path{}, fmt.Errorf("%w: %w", ErrPath, err)
	}
	p := Path{Stream: id}
	file := c[len(c)-1]
	if len(c) == 3 {
		switch file {
		case playlistFile:
			p.Resource = Multivariant
		case catalogFile:
			p.Resource = Catalog
		default:
			return Path{}, fmt.Errorf("%w: a stream has index.m3u8 and catalog.json", ErrPath)
		}
		return p, nil
	}
	if p.Track = c[2]; !media.ValidName(p.Track) {
		return Path{}, fmt.Errorf("%w: track: %w", ErrPath, media.ErrName)
	}
	if !p.parseFile(file) {
		return Path{}, fmt.Errorf("%w: a track has index.m3u8, init-ID.mp4, MSN.m4s and MSN.INDEX.m4s", ErrPath)
	}
	return p, nil
}

func (p *Path) parseFile(file string) (ok bool) {
	if file == playlistFile {
		p.Resource = Playlist
		return true
	}
	if id, found := strings.CutPrefix(file, initPrefix); found {
		if id, found = strings.CutSuffix(id, initSuffix); found {
			p.Resource = Init
			p.Init, ok = parseNumber(id)
		}
		return ok
	}
	name, found := strings.CutSuffix(file, mediaSuffix)
	if !found {
		return false
	}
	msn, index, isPart := strings.Cut(name, ".")
	if p.Part.MSN, ok = parseNumber(msn); !ok {
		return false
	}
	p.Resource = Segment
	if isPart {
		p.Resource = Part
		p.Part.Index, ok = parseNumber(index)
	}
	return ok
}

// parseNumber reads a decimal without sign, spaces or leading zeros.
func parseNumber(s string) (uint64, bool) {
	if s == "" || (s[0] == '0' && len(s) > 1) || s[0] == '+' {
		return 0, false
	}
	v, err := strconv.ParseUint(s, 10, 64)
	return v, err == nil && v <= maxNumber
}

// InitName is the file name of an initialization section.
func InitName(id uint64) string { return initPrefix + strconv.FormatUint(id, 10) + initSuffix }

// SegmentName is the file name of a segment.
func SegmentName(msn uint64) string { return strconv.FormatUint(msn, 10) + mediaSuffix }

// PartName is the file name of a part.
func PartName(id media.PartID) string { return id.String() + mediaSuffix }

// String is the path that ParsePath reads, with its leading slash.
func (p Path) String() string {
	base := "/" + string(p.Stream) + "/"
	switch p.Resource {
	case Multivariant:
		return base + playlistFile
	case Catalog:
		return base + catalogFile
	case Playlist:
		return base + p.Track + "/" + playlistFile
	case Init:
		return base + p.Track + "/" + InitName(p.Init)
	case Segment:
		return base + p.Track + "/" + SegmentName(p.Part.MSN)
	case Part:
		return base + p.Track + "/" + PartName(p.Part)
	}
	return base
}
