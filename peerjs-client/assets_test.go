package peerjsclient

import (
	"errors"
	"io/fs"
	"regexp"
	"testing"
	"testing/fstest"
)

func TestAssetsWithoutABuildSayWhatToDo(t *testing.T) {
	if _, err := checked(fstest.MapFS{".gitkeep": &fstest.MapFile{}}); !errors.Is(err, ErrNotBuilt) {
		t.Fatalf("err = %v", err)
	}
}

// Whatever is embedded is whole: either nothing was built, or every page is
// there and everything that a page names exists.
func TestPagesNameOnlyFilesThatExist(t *testing.T) {
	files, err := Assets()
	if errors.Is(err, ErrNotBuilt) {
		entries, _ := fs.ReadDir(dist, "dist")
		if len(entries) > 1 {
			t.Fatalf("dist has %d files and no index.html: run `make client`", len(entries))
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	reference := regexp.MustCompile(`(?:src|href)="/assets/([^"?#]+)`)
	for _, page := range []string{"index.html", "watch.html", "embed.html", "dashboard.html"} {
		body, err := fs.ReadFile(files, page)
		if err != nil {
			t.Fatal(err)
		}
		found := reference.FindAllSubmatch(body, -1)
		if len(found) < 2 {
			t.Errorf("%s names %d files of its own, want a script and a style sheet", page, len(found))
		}
		for _, m := range found {
			if _, err := fs.Stat(files, string(m[1])); err != nil {
				t.Errorf("%s names %s: %v", page, m[1], err)
			}
		}
	}
}
