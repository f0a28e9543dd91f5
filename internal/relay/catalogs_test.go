package relay

import (
	"encoding/json"
	"testing"

	"starling/internal/media"
)

// FuzzCatalog feeds arbitrary bytes to the catalog decoder: what it accepts
// has names that are safe in a URL and tracks that can be told apart.
func FuzzCatalog(f *testing.F) {
	whole, err := json.Marshal(newPublisher().info)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"id":"live/demo","tracks":[{"name":"v","number":1},{"name":"v","number":2}]}`))
	f.Add([]byte(`{"id":"../etc","tracks":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := parseCatalog(b)
		if err != nil {
			return
		}
		if _, err := media.ParseStreamID(string(info.ID)); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, tr := range info.Tracks {
			if !media.ValidName(tr.Name) || seen[tr.Name] {
				t.Fatalf("track %q", tr.Name)
			}
			seen[tr.Name] = true
		}
	})
}
