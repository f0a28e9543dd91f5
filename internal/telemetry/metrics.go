package telemetry

import (
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Namespace is the first word of every metric: starling_edge_requests_total.
// A role uses its own name as the subsystem.
const Namespace = "starling"

// Build describes the binary that runs.
type Build struct {
	Version string `json:"version"` // module version, or "devel"
	Commit  string `json:"commit"`  // short revision, "+dirty" when the tree had changes; may be empty
	Go      string `json:"go"`      // toolchain, "go1.26.8"
}

// String gives one line for `starling version` and logs.
func (b Build) String() string {
	if b.Commit == "" {
		return b.Version + " (" + b.Go + ")"
	}
	return b.Version + " " + b.Commit + " (" + b.Go + ")"
}

// BuildInfo reads what the Go toolchain recorded in the binary.
func BuildInfo() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{Version: "devel"}
	}
	return buildFrom(info)
}

func buildFrom(info *debug.BuildInfo) Build {
	b := Build{Version: info.Main.Version, Go: info.GoVersion}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	dirty := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	// A version made of a revision already says what the revision would.
	if dirty && b.Commit != "" && !strings.Contains(b.Version, "+dirty") {
		b.Commit += "+dirty"
	}
	return b
}

// NewRegistry makes a node's registry with the Go runtime's and the process's
// own metrics, and starling_build_info.
func NewRegistry(b Build, role string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: Namespace, Name: "build_info",
		Help: "Always 1; the labels name the binary and its role.",
	}, []string{"version", "commit", "go", "role"})
	info.WithLabelValues(b.Version, b.Commit, b.Go, role).Set(1)
	reg.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}
