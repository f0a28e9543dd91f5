package telemetry

import (
	"encoding/json"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func TestOffload(t *testing.T) {
	for _, c := range []struct {
		peer, edge uint64
		want       float64
	}{{0, 0, 0}, {0, 5, 0}, {5, 0, 1}, {75, 25, 0.75}} {
		if got := Offload(c.peer, c.edge); got != c.want {
			t.Errorf("Offload(%d, %d) = %v, want %v", c.peer, c.edge, got, c.want)
		}
	}
}

func TestBuildNamesTheRevision(t *testing.T) {
	for _, c := range []struct {
		name, version, revision, modified, want string
	}{
		{"released", "v1.2.3", "", "", "v1.2.3 (go1.26)"},
		{"clean tree", "(devel)", "0123456789abcdef", "false", "devel 0123456789ab (go1.26)"},
		{"changed tree", "", "0123456789abcdef", "true", "devel 0123456789ab+dirty (go1.26)"},
		{"changed tree, told by the version", "v0.0.0-1-0123+dirty", "0123456789abcdef", "true", "v0.0.0-1-0123+dirty 0123456789ab (go1.26)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			info := &debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: c.version}}
			if c.revision != "" {
				info.Settings = []debug.BuildSetting{{Key: "vcs.revision", Value: c.revision}, {Key: "vcs.modified", Value: c.modified}}
			}
			if got := buildFrom(info).String(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRegistryCarriesBuildInfo(t *testing.T) {
	reg := NewRegistry(Build{Version: "v1", Commit: "abc", Go: "go1.26"}, "edge")
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`starling_build_info{commit="abc",go="go1.26",role="edge",version="v1"} 1`,
		"\ngo_goroutines ",
		"\nprocess_start_time_seconds ",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q is not exposed", want)
		}
	}
}

func TestStatsUseCamelCase(t *testing.T) {
	b, err := json.Marshal(StreamStats{Stream: "live/demo", StallMS: 3, HTTPBytes: 9, LatencyP50MS: 1.5})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"stream":"live/demo"`, `"stallMs":3`, `"httpBytes":9`, `"latencyP50Ms":1.5`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
}
