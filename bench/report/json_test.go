package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReceiptSurvivesItsFile(t *testing.T) {
	dir := t.TempDir()
	r := sample()
	path, err := WriteJSON(dir, r)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "virtual-reference-30-20260504T030201.000Z.json"); path != want {
		t.Errorf("written to %s, want %s", path, want)
	}
	back, err := ReadFiles(dir)
	if err != nil || len(back) != 1 {
		t.Fatalf("%d receipts, %v", len(back), err)
	}
	var first, second bytes.Buffer
	if err := Encode(&first, r); err != nil {
		t.Fatal(err)
	}
	if err := Encode(&second, back[0]); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Error("the receipt read back differs")
	}
	if _, there := back[0].Results[0].Figures[RequestRate]; there {
		t.Error("a missing figure came back")
	}
	if v, there := back[0].Results[0].Figures[Stalls]; !there || v != 0 {
		t.Error("a figure of 0 did not come back")
	}
	if !back[0].Results[0].Series[0].Values[2].Missing() {
		t.Error("a missing value of a series came back as a number")
	}
}

func TestReadFilesRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"no such file":     filepath.Join(dir, "none"),
		"folder of none":   empty,
		"no JSON":          write("a", "hello"),
		"no schema":        write("b", "{}"),
		"schema of later":  write("c", `{"schema":2}`),
		"ragged grid":      write("d", `{"schema":1,"grids":[{"rows":["a"],"columns":["x","y"],"values":[[1]]}]}`),
		"missing grid row": write("e", `{"schema":1,"grids":[{"rows":["a"],"columns":["x"],"values":[]}]}`),
		"stopped clock":    write("f", `{"schema":1,"results":[{"series":[{"name":"s","every":0}]}]}`),
	} {
		if _, err := ReadFiles(path); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	if err := Encode(&b, sample()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"schema":1,"results":[{"role":"swarm","figures":{"offload":1e308,"x":-1e308},"quantiles":{"latency":{"n":1,"p50":1e308}},"cdfs":{"latency":[{"x":-1e308,"y":1e308}]},"series":[{"every":1e-300,"values":[null,1e308,-1e308]}]}],"curves":[{"x":{"log":true},"lines":[{"points":[{"x":-1,"y":0},{"x":5e-324,"y":1e308}]}]}]}`))
	f.Add([]byte(`{"schema":1,"seed":18446744073709551615,"grids":[{"rows":[],"columns":[],"values":[]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode(data)
		if err != nil {
			return
		}
		var first, second, page, text bytes.Buffer
		if err := Encode(&first, r); err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		back, err := Decode(first.Bytes())
		if err != nil {
			t.Fatalf("written, but not read: %v", err)
		}
		if err := Encode(&second, back); err != nil {
			t.Fatal(err)
		}
		if first.String() != second.String() {
			t.Fatal("not the same after a second round")
		}
		if err := HTML(&page, r, back); err != nil {
			t.Fatal(err)
		}
		if s := page.String(); strings.Contains(s, "NaN") && !bytes.Contains(data, []byte("NaN")) {
			t.Fatal("the page has a NaN")
		}
		if err := Text(&text, r); err != nil {
			t.Fatal(err)
		}
	})
}
