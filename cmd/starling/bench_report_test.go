package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starling/bench/report"
)

func TestReportOfReceipts(t *testing.T) {
	dir := t.TempDir()
	r := report.Receipt{Kind: report.Virtual, Title: "a run", Time: time.Unix(1e9, 0), Viewers: 10, Results: []report.Result{{Name: "swarm", Role: report.Swarm}}}
	r.Results[0].Set(report.Offload, 0.876)
	receipt, err := report.WriteJSON(dir, &r)
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "out.html")
	if code, stdout, stderr := execute(t, nil, "bench", "report", dir, "-o", page); code != exitOK || !strings.Contains(stdout, page) {
		t.Fatalf("code %d, %s%s", code, stdout, stderr)
	}
	html, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(html), "87.6 %") {
		t.Errorf("page of %d bytes without the figure: %v", len(html), err)
	}
	for _, args := range [][]string{{"--text"}, {"-o", "-"}} {
		if code, stdout, stderr := execute(t, nil, append([]string{"bench", "report", receipt}, args...)...); code != exitOK || !strings.Contains(stdout, "87.6 %") {
			t.Errorf("%q: code %d, %s%s", args, code, stdout, stderr)
		}
	}
	if code, _, stderr := execute(t, nil, "bench", "report", filepath.Join(dir, "none.json")); code == exitOK || !strings.Contains(stderr, "none.json") {
		t.Errorf("a missing receipt: code %d, %q", code, stderr)
	}
}
