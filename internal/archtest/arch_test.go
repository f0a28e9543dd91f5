// Package archtest holds the test that keeps docs/architecture.md true: who
// may import whom, and which packages stay free of I/O, clocks and goroutines.
package archtest

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "starling"

// roles never import each other, and nothing below them imports them.
var roles = []string{"tracker", "edge", "origin", "bench"}

// pure packages decide and describe; they are told the time and asked for
// nothing else.
var pure = []string{
	"internal/cmaf", "internal/fields", "internal/hls", "internal/media", "internal/peerstate", "internal/peerwire", "internal/relaywire",
	"internal/signal", "internal/swarm", "internal/trackerwire",
}

// impure are standard packages that reach outside the process.
var impure = []string{"net", "net/http", "os", "os/exec", "os/signal", "syscall", "log", "log/slog"}

// clocks are the functions of package time that look at or wait for the clock.
var clocks = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}

type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// path is the package's path in the module, "internal/hls".
func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-json", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// room is the first component of a path in the module.
func room(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

// allowed says whether a package may import another of the module.
func allowed(from, to string) bool {
	switch {
	case room(from) == room(to): // internal among itself, a role its own parts
		return true
	case room(from) == "cmd":
		return true
	case slices.Contains(roles, room(from)):
		return room(to) == "internal"
	}
	return false
}

func TestImportsPointOneWay(t *testing.T) {
	all := packages(t)
	if len(all) < 10 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	for _, p := range all {
		imports := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
		slices.Sort(imports)
		for _, i := range slices.Compact(imports) {
			to, ours := strings.CutPrefix(i, module+"/")
			if ours && !allowed(p.path(), to) {
				t.Errorf("%s imports %s", p.path(), to)
			}
		}
	}
}

func TestTheRuleItself(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"cmd/starling", "edge", true},
		{"cmd/starling/stack", "peerjs-client", true},
		{"edge", "internal/hls", true},
		{"origin", "origin/packager", true},
		{"internal/relay", "internal/store", true},
		{"edge", "origin", false},
		{"edge", "origin/packager", false},
		{"internal/admin", "edge", false},
		{"internal/admin", "cmd/starling/demo", false},
		{"tracker", "peerjs-client", false},
		{"peerjs-client", "internal/media", false},
	} {
		if got := allowed(c.from, c.to); got != c.want {
			t.Errorf("allowed(%s, %s) = %v", c.from, c.to, got)
		}
	}
}

func TestPolicyIsPure(t *testing.T) {
	found := map[string]bool{}
	for _, p := range packages(t) {
		if !slices.ContainsFunc(pure, func(d string) bool { return p.path() == d || strings.HasPrefix(p.path(), d+"/") }) {
			continue
		}
		found[p.path()] = true
		for _, i := range p.Imports {
			if slices.Contains(impure, i) {
				t.Errorf("%s imports %s", p.path(), i)
			}
		}
		for _, name := range p.GoFiles {
			checkPure(t, filepath.Join(p.Dir, name))
		}
	}
	for _, d := range pure {
		if !found[d] {
			t.Errorf("%s is not there: mend the list", d)
		}
	}
}

// checkPure reports goroutines and clocks in a source file.
func checkPure(t *testing.T, path string) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	timeName := ""
	for _, i := range f.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil && p == "time" {
			timeName = "time"
			if i.Name != nil {
				timeName = i.Name.Name
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s starts a goroutine", fset.Position(n.Pos()))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && timeName != "" && x.Name == timeName && slices.Contains(clocks, n.Sel.Name) {
				t.Errorf("%s uses the clock: time.%s", fset.Position(n.Pos()), n.Sel.Name)
			}
		}
		return true
	})
}
