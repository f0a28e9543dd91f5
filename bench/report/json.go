package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Limits of a receipt that is read back. They are far above what benchmarks
// write, and low enough that a strange file cannot fill the memory.
const (
	maxReceiptBytes = 64 << 20
	maxResults      = 1000
	maxGridCells    = 100_000
)

// MarshalJSON writes a missing number as null.
func (n Number) MarshalJSON() ([]byte, error) {
	if n.Missing() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads null as missing.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Missing()
		return nil
	}
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*n = Number(f)
	return nil
}

// Encode judges r and writes it as indented JSON.
func Encode(w io.Writer, r *Receipt) error {
	r.Schema = Schema
	Judge(r)
	if err := r.check(); err != nil {
		return fmt.Errorf("receipt %q: %w", r.Title, err)
	}
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("receipt %q: %w", r.Title, err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// WriteJSON writes r into the folder dir, which it makes, under a name of its
// kind, profile, viewers and time, and returns the path.
func WriteJSON(dir string, r *Receipt) (string, error) {
	var b bytes.Buffer
	if err := Encode(&b, r); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, r.fileName())
	return path, os.WriteFile(path, b.Bytes(), 0o644)
}

func (r *Receipt) fileName() string {
	parts := []string{string(r.Kind)}
	if r.Profile != "" {
		parts = append(parts, r.Profile)
	}
	if r.Viewers > 0 {
		parts = append(parts, fmt.Sprint(r.Viewers))
	}
	parts = append(parts, r.Time.UTC().Format("20060102T150405.000Z"))
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' {
			return c
		}
		return '_'
	}, strings.Join(parts, "-"))
	return name + ".json"
}

// Decode reads a receipt and judges it by the goals of this version. Fields it
// does not know are ignored, so that older programs read newer receipts of the
// same schema.
func Decode(b []byte) (*Receipt, error) {
	if len(b) > maxReceiptBytes {
		return nil, fmt.Errorf("receipt of %d bytes: more than %d", len(b), maxReceiptBytes)
	}
	var r Receipt
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	if r.Schema < 1 || r.Schema > Schema {
		return nil, fmt.Errorf("receipt of schema %d: this program reads 1 to %d", r.Schema, Schema)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("receipt %q: %w", r.Title, err)
	}
	Judge(&r)
	return &r, nil
}

// ReadFiles reads receipts: files, and all *.json in folders. They come sorted
// by time.
func ReadFiles(paths ...string) ([]*Receipt, error) {
	var out []*Receipt
	for _, path := range paths {
		files, err := expand(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			r, err := readFile(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b *Receipt) int { return a.Time.Compare(b.Time) })
	return out, nil
}

func expand(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(p) == ".json" {
			files = append(files, p)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no receipts (*.json) in it", path)
	}
	return files, err
}

func readFile(path string) (*Receipt, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxReceiptBytes+1))
	if err != nil {
		return nil, err
	}
	return Decode(b)
}

// check holds what reports rely on.
func (r *Receipt) check() error {
	if len(r.Results) > maxResults {
		return fmt.Errorf("%d results: more than %d", len(r.Results), maxResults)
	}
	for _, res := range r.Results {
		for _, s := range res.Series {
			if !(s.Every > 0) {
				return fmt.Errorf("series %q: %v seconds between values", s.Name, s.Every)
			}
		}
	}
	cells := 0
	for _, g := range r.Grids {
		if len(g.Values) != len(g.Rows) {
			return fmt.Errorf("grid %q: %d rows of values for %d rows", g.Title, len(g.Values), len(g.Rows))
		}
		for i, row := range g.Values {
			if len(row) != len(g.Columns) {
				return fmt.Errorf("grid %q: %d values in row %q for %d columns", g.Title, len(row), g.Rows[i], len(g.Columns))
			}
		}
		if cells += len(g.Rows) * len(g.Columns); cells > maxGridCells {
			return fmt.Errorf("grids of more than %d cells", maxGridCells)
		}
	}
	return nil
}
