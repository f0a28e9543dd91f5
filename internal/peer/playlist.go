package peer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"starling/internal/media"
)

// listedPart is a part that a playlist names.
type listedPart struct {
	id       media.PartID
	pdt      time.Time
	duration time.Duration
	last     bool // its segment is complete and this is its last part
	gap      bool
	// later is the part firstParts after this one, or the next to begin.
	later media.PartID
}

// mediaPlaylist is what a viewer needs of a media playlist.
type mediaPlaylist struct {
	parts []listedPart
	ended bool
}

var errPlaylist = errors.New("malformed media playlist")

// parsePlaylist reads the parts of a Low-Latency HLS media playlist
// (draft-pantos-hls-rfc8216bis section 4.4.4). Only what the server of this
// project writes is needed: part addresses are MSN.INDEX.m4s.
func parsePlaylist(b []byte) (*mediaPlaylist, error) {
	p := &mediaPlaylist{}
	var pdt time.Time
	sc := bufio.NewScanner(bytes.NewReader(b))
	first := true
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if first {
			if line != "#EXTM3U" {
				return nil, fmt.Errorf("%w: no #EXTM3U", errPlaylist)
			}
			first = false
			continue
		}
		switch {
		case strings.HasPrefix(line, "#EXT-X-PROGRAM-DATE-TIME:"):
			t, err := time.Parse(time.RFC3339Nano, line[len("#EXT-X-PROGRAM-DATE-TIME:"):])
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errPlaylist, err)
			}
			pdt = t
		case strings.HasPrefix(line, "#EXT-X-PART:"):
			part, err := parsePart(line[len("#EXT-X-PART:"):])
			if err != nil {
				return nil, err
			}
			if n := len(p.parts); n > 0 && part.id.Compare(p.parts[n-1].id) <= 0 {
				return nil, fmt.Errorf("%w: part %s after %s", errPlaylist, part.id, p.parts[n-1].id)
			}
			part.pdt = pdt
			if !pdt.IsZero() {
				pdt = pdt.Add(part.duration)
			}
			p.parts = append(p.parts, part)
		case line == "#EXT-X-ENDLIST":
			p.ended = true
		case line != "" && line[0] != '#': // a segment's address: its parts were before it
			if n := len(p.parts); n > 0 && strings.HasPrefix(line, strconv.FormatUint(p.parts[n-1].id.MSN, 10)+".") {
				p.parts[n-1].last = true
			}
		}
	}
	if err := sc.Err(); err != nil || first {
		return nil, fmt.Errorf("%w: %d bytes", errPlaylist, len(b))
	}
	return p, nil
}

func parsePart(attributes string) (listedPart, error) {
	var p listedPart
	found := false
	for _, a := range strings.Split(attributes, ",") {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "DURATION":
			s, err := strconv.ParseFloat(value, 64)
			if err != nil || !(s >= 0 && s < 3600) {
				return p, fmt.Errorf("%w: part duration %q", errPlaylist, value)
			}
			p.duration = time.Duration(s * float64(time.Second)).Round(time.Microsecond)
		case "URI":
			id, ok := parsePartName(strings.Trim(value, `"`))
			if !ok {
				return p, fmt.Errorf("%w: part address %s", errPlaylist, value)
			}
			p.id, found = id, true
		case "GAP":
			p.gap = value == "YES"
		}
	}
	if !found {
		return p, fmt.Errorf("%w: a part without an address", errPlaylist)
	}
	return p, nil
}

func parsePartName(name string) (media.PartID, bool) {
	c := strings.Split(name, ".")
	if len(c) != 3 || c[2] != "m4s" {
		return media.PartID{}, false
	}
	msn, err1 := strconv.ParseUint(c[0], 10, 62)
	index, err2 := strconv.ParseUint(c[1], 10, 32)
	return media.PartID{MSN: msn, Index: index}, err1 == nil && err2 == nil
}

// partName is the address of a part under its track (docs/hls.md).
func partName(id media.PartID) string { return fmt.Sprintf("%d.%d.m4s", id.MSN, id.Index) }

// startPart chooses where playback begins: the last part that begins at least
// holdBack before the end of the playlist, or the first listed one.
func (p *mediaPlaylist) startPart(holdBack time.Duration) (listedPart, bool) {
	if len(p.parts) == 0 {
		return listedPart{}, false
	}
	var behind time.Duration
	at := func(i int) (listedPart, bool) {
		l := p.parts[i]
		if i+firstParts < len(p.parts) {
			l.later = p.parts[i+firstParts].id
		} else {
			l.later = p.parts[len(p.parts)-1].id
			l.later.Index++
		}
		return l, true
	}
	for i := len(p.parts) - 1; i > 0; i-- {
		// A tenth of a part of tolerance, since durations vary a little.
		if behind += p.parts[i].duration; behind+p.parts[i].duration/10 >= holdBack {
			return at(i)
		}
	}
	return at(0)
}
