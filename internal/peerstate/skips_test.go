package peerstate

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"starling/internal/media"
)

// Whatever is added, skips answers like a plain list of parts and spans of the
// same bounds.
func TestSkipsAreLikeAPlainList(t *testing.T) {
	type entry struct {
		key   Key
		spans []span
	}
	rapid.Check(t, func(t *rapid.T) {
		var s skips
		var plain []entry
		has := func(k Key, first, end int) bool {
			return slices.ContainsFunc(plain, func(e entry) bool {
				return e.key == k && slices.ContainsFunc(e.spans, func(x span) bool { return x.first <= first && end <= x.end })
			})
		}
		key := rapid.Custom(func(t *rapid.T) Key {
			return Key{Track: rapid.Uint8Range(1, 3).Draw(t, "track"),
				ID: media.PartID{MSN: rapid.Uint64Range(1, 12).Draw(t, "msn"), Index: rapid.Uint64Range(0, 5).Draw(t, "index")}}
		})
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			k, first, count := key.Draw(t, "key"), rapid.IntRange(0, 80).Draw(t, "first"), rapid.IntRange(0, 4).Draw(t, "count")
			if got, want := s.has(k, first, first+max(count, 1)), has(k, first, first+max(count, 1)); got != want {
				t.Fatalf("%v [%d,+%d): %v, want %v", k, first, count, got, want)
			}
			s.add(k, first, count)
			if count == 0 || has(k, first, first+count) {
				continue
			}
			i := slices.IndexFunc(plain, func(e entry) bool { return e.key == k })
			if i < 0 {
				plain = append(plain, entry{key: k})
				if len(plain) > maxSkipParts {
					plain = plain[1:]
				}
				i = len(plain) - 1
			}
			e := &plain[i]
			if n := len(e.spans); n > 0 && e.spans[n-1].end == first {
				e.spans[n-1].end = first + count
			} else if n < maxSkipSpans {
				e.spans = append(e.spans, span{first, first + count})
			}
		}
	})
}

// A part that becomes known after later ones are whole is asked for like any
// other.
func TestPartBeforeWholeOnesIsRepaired(t *testing.T) {
	v := New(Rules{}, 0)
	v.SetTracks([]Track{{Number: 1, Slices: 1, Bitrate: 1_000_000, PartMS: 333, From: media.PartID{MSN: 1}}}, 0)
	late, whole := Key{1, media.PartID{MSN: 2}}, Key{1, media.PartID{MSN: 2, Index: 1}}
	v.Header(whole, 1, Edge, 3000, 100)
	v.Chunk(whole, 0, Edge, true, 100)
	v.Tick(125)
	v.Exists(late, 700, 200)
	fetched := false
	for now := int64(225); now <= 700; now += 25 {
		for _, a := range v.Tick(now) {
			fetched = fetched || a.Kind == FetchAll && a.Key == late
		}
	}
	if !fetched {
		t.Error("nobody asked for the part that became known late")
	}
	v.Chunk(whole, 0, Edge, true, 800)
	if v.Held(whole) == nil || v.Held(late) != nil {
		t.Error("the whole part is not held any more")
	}
}
