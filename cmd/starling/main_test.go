package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starling/internal/config"
)

// execute runs one command line without a process.
func execute(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	code = run(&env{ctx, &out, &errs, environ}, args)
	return code, out.String(), errs.String()
}

func TestExitCodesAndWhereTheMessageGoes(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("edge:\n  lissen: ':1'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"nothing", nil, exitOK, "starling up --demo", ""},
		{"help", []string{"--help"}, exitOK, "Arrange viewers into swarms", ""},
		{"help of a command", []string{"up", "--help"}, exitOK, "--demo", ""},
		{"version", []string{"version"}, exitOK, "starling ", ""},
		{"unknown command", []string{"upp"}, exitUsage, "", "upp"},
		{"unknown flag", []string{"up", "--dmeo"}, exitUsage, "", "--dmeo"},
		{"good configuration", []string{"config", "check"}, exitOK, "fine", ""},
		{"bad configuration", []string{"config", "check", "-c", bad}, exitUsage, "", bad + ":2:3: unknown key edge.lissen, did you mean edge.listen?"},
		{"bad configuration of a role", []string{"up", "-c", bad}, exitUsage, "", "did you mean edge.listen?"},
		{"missing file", []string{"config", "check", "-c", bad + "x"}, exitUsage, "", "reading the configuration"},
		{"bad setting", []string{"config", "check", "-s", "bind=x"}, exitUsage, "", "bind"},
		{"edge without upstream", []string{"edge", "--state-dir", t.TempDir()}, exitUsage, "", "relay.upstreams is empty"},
		{"bad node name", []string{"cert", "issue", "a/b"}, exitUsage, "", "node name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := execute(t, nil, c.args...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("code %d\nstdout: %s\nstderr: %s", code, stdout, stderr)
			}
			if c.code == exitOK && stderr != "" || c.code != exitOK && stdout != "" {
				t.Errorf("on the wrong stream:\nstdout: %s\nstderr: %s", stdout, stderr)
			}
		})
	}
}

func TestFlagsWinOverEnvironmentAndFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.yaml")
	if err := os.WriteFile(path, []byte("bind: 127.0.0.1\nlog: {level: error}\nstate_dir: file\nnode: file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"STARLING_LOG_LEVEL=warn", "STARLING_STATE_DIR=env", "STARLING_BIND=127.0.0.1"}
	code, stdout, stderr := execute(t, environ, "config", "print", "-c", path, "--state-dir", "flag", "--public", "-s", "edge.listen=:9", "-s", "relay.upstreams=a:1,b:2")
	if code != 0 {
		t.Fatal(stderr)
	}
	printed := filepath.Join(t.TempDir(), "printed.yaml")
	if err := os.WriteFile(printed, []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	got, _, err := config.Load(config.Source{File: printed})
	if err != nil {
		t.Fatalf("%v in\n%s", err, stdout)
	}
	if got.StateDir != "flag" || got.Bind != config.All || got.Log.Level != "warn" || got.Node != "file" || got.Edge.Listen != ":9" || len(got.Relay.Upstreams) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestAConfigurationIsFoundByItsVariable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.yaml")
	if err := os.WriteFile(path, []byte("node: from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STARLING_CONFIG", path)
	if _, stdout, stderr := execute(t, []string{"STARLING_CONFIG=" + path}, "config", "print"); !strings.Contains(stdout, "from-file") {
		t.Errorf("%s%s", stdout, stderr)
	}
}

func TestCertIssueMakesWhatAnotherMachineNeeds(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	code, stdout, stderr := execute(t, nil, "cert", "issue", "edge1", "--state-dir", filepath.Join(dir, "state"), "--host", "edge1.example.org", "--out", out)
	if code != 0 {
		t.Fatal(stderr)
	}
	for _, name := range []string{"node.pem", "ca.crt"} {
		if b, err := os.ReadFile(filepath.Join(out, name)); err != nil || !bytes.Contains(b, []byte("BEGIN CERTIFICATE")) {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(stdout, name) {
			t.Errorf("%s is not named in\n%s", name, stdout)
		}
	}
	if _, err := os.Stat(filepath.Join(out, "ca.key")); err == nil {
		t.Error("the authority's key left its machine")
	}
}
