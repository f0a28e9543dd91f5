package peer

import (
	"errors"
	"os"
	"testing"
	"time"

	"starling/internal/media"
)

const samplePlaylist = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-PART-INF:PART-TARGET=0.334
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:00.000Z
#EXTINF:1.999998,
7.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:02.000Z
#EXT-X-PART:DURATION=0.333333,URI="8.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.333333,URI="8.1.m4s",GAP=YES
#EXTINF:0.666666,
8.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:02.666Z
#EXT-X-PART:DURATION=0.333333,URI="9.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.333333,URI="9.1.m4s"
#EXT-X-PART:DURATION=0.333333,URI="9.2.m4s"
#EXT-X-PART:DURATION=0.333333,URI="9.3.m4s"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="9.4.m4s"
`

func TestPlaylistGivesPartsWithTheirTimes(t *testing.T) {
	pl, err := parsePlaylist([]byte(samplePlaylist))
	if err != nil {
		t.Fatal(err)
	}
	if len(pl.parts) != 6 || pl.ended {
		t.Fatalf("%d parts, ended %v", len(pl.parts), pl.ended)
	}
	at := time.Date(2026, 3, 1, 12, 0, 2, 0, time.UTC)
	if p := pl.parts[1]; p.id != (media.PartID{MSN: 8, Index: 1}) || !p.gap || !p.last || !p.pdt.Equal(at.Add(333333*time.Microsecond)) {
		t.Errorf("second part %+v", p)
	}
	if p := pl.parts[5]; p.id != (media.PartID{MSN: 9, Index: 3}) || p.last || p.duration != 333333*time.Microsecond || !p.pdt.Equal(at.Add(666*time.Millisecond+3*333333*time.Microsecond)) {
		t.Errorf("last part %+v", p)
	}
	for holdBack, want := range map[time.Duration]media.PartID{time.Second: {MSN: 9, Index: 1}, time.Millisecond: {MSN: 9, Index: 3}, time.Hour: {MSN: 8}} {
		if p, ok := pl.startPart(holdBack); !ok || p.id != want {
			t.Errorf("start %s behind: %s, want %s", holdBack, p.id, want)
		}
	}
	if _, ok := (&mediaPlaylist{}).startPart(time.Second); ok {
		t.Error("a playlist without parts has a start")
	}
}

func TestBrokenPlaylistsAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                "",
		"not a playlist":       "<html>",
		"bad time":             "#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:yesterday\n",
		"part without a URI":   "#EXTM3U\n#EXT-X-PART:DURATION=1\n",
		"part of another kind": "#EXTM3U\n#EXT-X-PART:DURATION=1,URI=\"a.ts\"\n",
		"negative duration":    "#EXTM3U\n#EXT-X-PART:DURATION=-1,URI=\"1.0.m4s\"\n",
		"NaN":                  "#EXTM3U\n#EXT-X-PART:DURATION=NaN,URI=\"1.0.m4s\"\n",
		"parts out of order":   "#EXTM3U\n#EXT-X-PART:DURATION=1,URI=\"1.1.m4s\"\n#EXT-X-PART:DURATION=1,URI=\"1.1.m4s\"\n",
	} {
		if pl, err := parsePlaylist([]byte(text)); !errors.Is(err, errPlaylist) {
			t.Errorf("%s: %+v, %v", name, pl, err)
		}
	}
}

func FuzzParsePlaylist(f *testing.F) {
	f.Add([]byte(samplePlaylist))
	for _, name := range []string{"live", "breaks", "delta", "ended"} {
		if b, err := os.ReadFile("../hls/testdata/" + name + ".m3u8"); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		pl, err := parsePlaylist(b)
		if err != nil {
			return
		}
		for i, p := range pl.parts {
			if p.duration < 0 || i > 0 && p.id.Compare(pl.parts[i-1].id) <= 0 {
				t.Fatalf("part %+v after %+v", p, pl.parts[max(i-1, 0)])
			}
			if id, ok := parsePartName(partName(p.id)); !ok || id != p.id {
				t.Fatalf("%s does not come back from its name", p.id)
			}
		}
	})
}

func TestStreamAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"https://cdn.example/watch/live/demo":      "https://cdn.example/live/demo/",
		"http://127.0.0.1:8080/embed/live/demo/":   "http://127.0.0.1:8080/live/demo/",
		"https://cdn.example/live/demo":            "https://cdn.example/live/demo/",
		"https://cdn.example/live/demo/index.m3u8": "https://cdn.example/live/demo/",
	} {
		u, id, err := parseURL(in)
		if err != nil || u.String() != want || id != "live/demo" {
			t.Errorf("%s: %v, %s, %v", in, u, id, err)
		}
	}
	for _, in := range []string{"", "live/demo", "ftp://h/live/demo", "https://h/live", "https://h/a/b/c/d", "https://h/watch/live/.x", "https://h/tracker/demo"} {
		if u, _, err := parseURL(in); err == nil {
			t.Errorf("%q was taken as %s", in, u)
		}
	}
	base, _, _ := parseURL("https://cdn.example/live/demo")
	for ref, want := range map[string]string{"/tracker": "wss://cdn.example/tracker", "ws://t.example:9/x": "ws://t.example:9/x", "http://t/": "ws://t/"} {
		if got, err := websocketURL(base, ref); err != nil || got != want {
			t.Errorf("%s: %s, %v", ref, got, err)
		}
	}
	if got, err := websocketURL(base, "ftp://x/"); err == nil {
		t.Errorf("ftp was taken as %s", got)
	}
}
