package media

import "testing"

func TestParseStreamID(t *testing.T) {
	for in, ok := range map[string]bool{
		"live/demo": true, "a/b.c-d_E9": true,
		"": false, "live": false, "live/": false, "/demo": false, "live/a/b": false, "live/..": false,
		"live/.x": false, "watch/x": false, "live/a b": false, "live/ü": false,
	} {
		if _, err := ParseStreamID(in); (err == nil) != ok {
			t.Errorf("ParseStreamID(%q) = %v", in, err)
		}
	}
}

func TestPartIDOrder(t *testing.T) {
	a, b, c := PartID{1, 5}, PartID{2, 0}, PartID{2, 1}
	if a.Compare(b) >= 0 || b.Compare(c) >= 0 || c.Compare(a) <= 0 || a.Compare(a) != 0 {
		t.Fatal("parts are not ordered by segment, then index")
	}
}
