package hls

import (
	"errors"
	"fmt"
	"net/url"
)

// Query holds the Delivery Directives of a media playlist request (draft
// section 6.2.5).
type Query struct {
	HasMSN  bool
	MSN     uint64
	HasPart bool
	Part    uint64
	// Skip asks for a Playlist Delta Update. YES and v2 mean the same here,
	// since there are no date ranges.
	Skip bool
}

// Blocking reports whether the answer may have to wait.
func (q Query) Blocking() bool { return q.HasMSN }

// ErrQuery reports Delivery Directives that deserve a 400.
var ErrQuery = errors.New("bad delivery directive")

// ParseQuery reads the directives of a raw URL query. Other parameters are
// ignored: players and caches add their own.
func ParseQuery(raw string) (Query, error) {
	var q Query
	if raw == "" {
		return q, nil
	}
	v, err := url.ParseQuery(raw)
	if err != nil {
		return q, fmt.Errorf("%w: the query does not parse", ErrQuery)
	}
	if q.MSN, q.HasMSN, err = number(v, "_HLS_msn"); err != nil {
		return Query{}, err
	}
	if q.Part, q.HasPart, err = number(v, "_HLS_part"); err != nil {
		return Query{}, err
	}
	// Draft section 6.2.5.2: a part without its segment is a bad request.
	if q.HasPart && !q.HasMSN {
		return Query{}, fmt.Errorf("%w: _HLS_part needs _HLS_msn", ErrQuery)
	}
	switch skip := v["_HLS_skip"]; {
	case len(skip) == 0:
	case len(skip) == 1 && (skip[0] == "YES" || skip[0] == "v2"):
		q.Skip = true
	default:
		return Query{}, fmt.Errorf("%w: _HLS_skip is YES or v2", ErrQuery)
	}
	return q, nil
}

func number(v url.Values, key string) (n uint64, present bool, err error) {
	s, present := v[key]
	if !present {
		return 0, false, nil
	}
	if len(s) == 1 {
		if n, ok := parseNumber(s[0]); ok {
			return n, true, nil
		}
	}
	return 0, false, fmt.Errorf("%w: %s is one decimal number", ErrQuery, key)
}
