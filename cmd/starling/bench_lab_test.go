package main

import (
	"path/filepath"
	"strings"
	"testing"

	"starling/bench/report"
)

func TestBenchLabTellsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--profile", "moon"}, "reference, lan"},
		{[]string{"-n", "0"}, "1 to 2000"},
		{[]string{"--bad", "lots"}, "such as 10%"},
		{[]string{"--bad", "100%"}, "at most 90%"},
		{[]string{"--bad", "10%", "--bad-kind", "nice"}, "alter"},
		{[]string{"--bitrate", "10"}, "--bitrate"},
		{[]string{"--duration", "1s"}, "at least 2s"},
		{[]string{"--latency", "1m"}, "at most 15s"},
	} {
		code, _, stderr := execute(t, nil, append([]string{"bench", "lab"}, c.args...)...)
		if code != exitUsage || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: code %d, %s", c.args, code, stderr)
		}
	}
}

func TestBenchLabWritesAReceipt(t *testing.T) {
	out := t.TempDir()
	code, stdout, stderr := execute(t, nil, "bench", "lab", "--profile", "lan", "-n", "3", "--duration", "4s", "--warmup", "2s", "--seed", "5", "--out", out)
	if code != exitOK || !strings.Contains(stdout, "Offload") || !strings.Contains(stderr, "edge only") {
		t.Fatalf("code %d\n%s\n%s", code, stdout, stderr)
	}
	files, err := filepath.Glob(filepath.Join(out, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	got, err := report.ReadFiles(files...)
	if err != nil {
		t.Fatal(err)
	}
	r := got[0]
	if r.Kind != report.Virtual || r.Profile != "lan" || r.Seed != 5 || len(r.Results) != 2 || len(r.Results[0].PerViewer) != 3 || len(r.Results[0].Series) == 0 {
		t.Errorf("%+v", r)
	}
	if want := "starling bench lab --profile lan -n 3 --duration 4s --warmup 2s --seed 5"; r.Command != want {
		t.Errorf("command %q, want %q", r.Command, want)
	}
}

func TestBenchProfilesListsThem(t *testing.T) {
	code, stdout, _ := execute(t, nil, "bench", "profiles")
	if code != exitOK || !strings.Contains(stdout, "flash-crowd") || !strings.HasPrefix(stdout, "reference") {
		t.Errorf("code %d: %s", code, stdout)
	}
}

func TestShares(t *testing.T) {
	for in, want := range map[string]float64{"10%": 0.1, "0.1": 0.1, " 25 % ": 0.25, "0": 0} {
		if got, err := parseShare(in); err != nil || got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "x", "-1", "NaN", "91%", "1"} {
		if got, err := parseShare(in); err == nil {
			t.Errorf("%q gave %v", in, got)
		}
	}
}
