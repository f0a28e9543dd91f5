package edge

import (
	"fmt"
	"strconv"
	"strings"
)

// byteRange is [from, to) of a resource.
type byteRange struct{ from, to int }

// parseRange reads a Range header (RFC 9110 section 14.2) for a resource of
// size bytes. Without a usable single range, partial is false and the whole
// is meant: servers may ignore Range, and do for other units, several ranges
// and malformed ones. satisfiable is false when the range is beyond the end.
func parseRange(header string, size int) (r byteRange, partial, satisfiable bool) {
	whole := byteRange{0, size}
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return whole, false, true
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || strings.ContainsAny(spec, ",+") {
		return whole, false, true
	}
	if first == "" { // the last n bytes
		n, err := strconv.ParseUint(last, 10, 62)
		if err != nil {
			return whole, false, true
		}
		return byteRange{size - int(min(n, uint64(size))), size}, true, n > 0 && size > 0
	}
	from, err := strconv.ParseUint(first, 10, 62)
	if err != nil {
		return whole, false, true
	}
	to := uint64(size)
	if last != "" {
		end, err := strconv.ParseUint(last, 10, 62)
		if err != nil || end < from {
			return whole, false, true
		}
		to = min(end+1, to)
	}
	if from >= uint64(size) {
		return whole, true, false
	}
	return byteRange{int(from), int(to)}, true, true
}

// contentRange is the Content-Range of r.
func (r byteRange) contentRange(size int) string {
	return fmt.Sprintf("bytes %d-%d/%d", r.from, r.to-1, size)
}
