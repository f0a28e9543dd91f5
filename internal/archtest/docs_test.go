package archtest

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestDependenciesAreJustified wants a line in docs/dependencies.md for every
// direct dependency, and no line for one that is gone.
func TestDependenciesAreJustified(t *testing.T) {
	doc, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	section := ""
	for line := range strings.SplitSeq(string(doc), "\n") {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			section = name
		}
		cells := strings.Split(line, "|")
		if len(cells) < 5 || section == "Programs" {
			continue
		}
		name := strings.TrimSpace(cells[1])
		if name == "module" || name == "package" || strings.HasPrefix(name, "---") {
			continue
		}
		if strings.TrimSpace(cells[2]) == "" || strings.TrimSpace(cells[3]) == "" {
			t.Errorf("%s has no licence or no reason", name)
		}
		listed[name] = true
	}
	for name := range direct(t) {
		if !listed[name] {
			t.Errorf("%s has no line", name)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("%s has a line and is not used", name)
	}
}

// direct names the modules that our packages import or that go.mod lists as
// tools, and the packages of every package.json.
func direct(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatalf("go mod edit: %v", err)
	}
	var mod struct {
		Require []struct{ Path string }
		Tool    []struct{ Path string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, tool := range mod.Tool {
		used = append(used, tool.Path)
	}
	for _, p := range packages(t) {
		used = slices.Concat(used, p.Imports, p.TestImports, p.XTestImports)
	}
	slices.Sort(used)
	names := map[string]bool{}
	for _, u := range slices.Compact(used) {
		best := "" // the module with the longest matching path has the package
		for _, r := range mod.Require {
			if (u == r.Path || strings.HasPrefix(u, r.Path+"/")) && len(r.Path) > len(best) {
				best = r.Path
			}
		}
		if best != "" {
			names[best] = true
		}
	}
	for _, file := range []string{"../../peerjs-client/package.json", "../../bench/browsers/package.json"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var npm struct{ Dependencies, DevDependencies map[string]string }
		if err := json.Unmarshal(b, &npm); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for name := range npm.Dependencies {
			names[name] = true
		}
		for name := range npm.DevDependencies {
			names[name] = true
		}
	}
	return names
}
