package main

import (
	"encoding/json"

	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// everywhere are the settings that keep a node of a test to itself.
func everywhere(state string) []string {
	args := []string{"--state-dir", state, "--log-level", "debug"}
	for _, key := range []string{"origin.rtmp_listen", "relay.listen", "edge.listen", "edge.tls_listen", "tracker.listen", "stun.listen", "admin.listen"} {
		args = append(args, "--set", key+"=127.0.0.1:0")
	}
	return args
}

// small keeps the encoders of a test cheap.
var small = []string{"--set", "demo.size=426x240", "--set", "demo.frame_rate=25", "--set", "demo.bitrate=400000"}

// probe lets ffprobe play a stream and gives its codecs.
func probe(t *testing.T, url string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", url).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe %s: %v: %s", url, err, out)
	}
	codecs := strings.Fields(string(out))
	slices.Sort(codecs)
	return slices.Compact(codecs)
}

// partsOf fails until every media playlist of the stream has parts.
func partsOf(master string) error {
	text, err := fetch(master)
	if err != nil {
		return err
	}
	base, n := master[:strings.LastIndex(master, "/")+1], 0
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		n++
		media, err := fetch(base + line)
		if err != nil {
			return err
		}
		if !strings.Contains(media, "#EXT-X-PART:") {
			return fmt.Errorf("%s has no parts:\n%s", line, media)
		}
	}
	if n == 0 {
		return fmt.Errorf("no rendition in\n%s", text)
	}
	return nil
}

func TestUpWithDemoPlaysAndStopsWithoutATrace(t *testing.T) {
	p := launch(t, slices.Concat([]string{"up", "--demo"}, everywhere(t.TempDir()), small)...)
	master := p.said("HLS")
	if want := "/live/demo/index.m3u8"; !strings.HasSuffix(master, want) {
		t.Fatalf("%s does not end with %s", master, want)
	}
	eventually(t, "parts", func() error { return partsOf(master) })
	if got := probe(t, master); !slices.Equal(got, []string{"aac", "h264"}) {
		t.Errorf("codecs %v", got)
	}

	dashboard := p.said("Dashboard")
	admin := strings.TrimSuffix(dashboard, "/dashboard")
	eventually(t, "the operators' API", func() error {
		text, err := fetch(admin + "/api/v1/streams")
		if err != nil {
			return err
		}
		var rows []struct {
			ID        string
			Live      bool
			Tracks    []string
			EdgeBytes uint64
		}
		if err := json.Unmarshal([]byte(text), &rows); err != nil {
			return err
		}
		if len(rows) != 1 || rows[0].ID != "live/demo" || !rows[0].Live || len(rows[0].Tracks) < 2 || rows[0].EdgeBytes == 0 {
			return fmt.Errorf("streams: %s", text)
		}
		return nil
	})
	metrics, err := fetch(admin + "/metrics")
	if err != nil || !strings.Contains(metrics, "starling_build_info{") || !strings.Contains(metrics, "starling_edge_") {
		t.Errorf("metrics: %v\n%.500s", err, metrics)
	}
	if _, err := fetch(admin + "/healthz"); err != nil {
		t.Error(err)
	}

	viewer := launch(t, "peer", strings.Replace(strings.TrimSuffix(master, "/index.m3u8"), "/live/", "/watch/live/", 1), "--json", "--every", "200ms")
	eventually(t, "a headless viewer's parts", func() error {
		lines := strings.Split(strings.TrimSpace(viewer.output()), "\n")
		var s struct{ Parts, FeedBytes, PeerBytes, HTTPBytes uint64 }
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
			return err
		}
		if s.Parts < 4 || s.FeedBytes+s.PeerBytes+s.HTTPBytes == 0 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	viewer.stop(interrupt)

	children := descendants(t, p.cmd.Process.Pid)
	if n := count(children, "ffmpeg"); n < 2 {
		t.Errorf("%d ffmpeg of a broadcaster and a ladder: %v", n, children)
	}
	p.stop(interrupt)
}

func count(children map[int]string, name string) int {
	n := 0
	for _, c := range children {
		if c == name {
			n++
		}
	}
	return n
}

func TestRolesApartServeTheSame(t *testing.T) {
	state := t.TempDir()
	origin := launch(t, append([]string{"origin"}, everywhere(state)...)...)
	upstream := origin.said("Relay")
	publish := origin.said("Publish")

	tracker := launch(t, append([]string{"tracker", "--set", "relay.upstreams=" + upstream}, everywhere(state)...)...)
	trackerURL := tracker.said("Tracker")

	edge := launch(t, append([]string{"edge", "--set", "relay.upstreams=" + upstream, "--set", "edge.tracker_url=" + trackerURL}, everywhere(state)...)...)
	front := strings.TrimSuffix(edge.said("Player"), "/")

	broadcaster := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-re",
		"-f", "lavfi", "-i", "testsrc2=size=426x240:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=48000",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "50", "-b:v", "400k",
		"-c:a", "aac", "-f", "flv", strings.Replace(publish, "NAME", "apart", 1))
	if err := broadcaster.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		broadcaster.Process.Kill()
		broadcaster.Wait() // killed on purpose
	}()

	master := front + "/live/apart/index.m3u8"
	eventually(t, "parts at the edge", func() error { return partsOf(master) })
	if got := probe(t, master); !slices.Equal(got, []string{"aac", "h264"}) {
		t.Errorf("codecs %v", got)
	}
	catalog, err := fetch(front + "/live/apart/catalog.json")
	if err != nil || !strings.Contains(catalog, `"tracker":"`+trackerURL+`"`) {
		t.Errorf("the catalog does not name the tracker %s: %v %s", trackerURL, err, catalog)
	}
	edge.stop(terminate)
	tracker.stop(terminate)
	origin.stop(terminate)
}

func TestABusyPortNamesTheKeyToChange(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, key := range []string{"edge.listen", "edge.tls_listen", "origin.rtmp_listen", "admin.listen"} {
		p := launch(t, slices.Concat([]string{"up"}, everywhere(t.TempDir()), []string{"--set", key + "=" + taken.Addr().String()})...)
		if code := p.end(); code != exitFailed {
			t.Errorf("%s: exit code %d", key, code)
		}
		for _, want := range []string{taken.Addr().String() + " is taken by another program", "--set " + key + "=:PORT"} {
			if !strings.Contains(p.output(), want) {
				t.Errorf("%s: no %q in\n%s", key, want, p.output())
			}
		}
	}
}

func TestASignalDuringTheStartEndsIt(t *testing.T) {
	p := launch(t, slices.Concat([]string{"up", "--demo"}, everywhere(t.TempDir()), small)...)
	p.said("Starling is up")
	p.stop(terminate)
}
