package transport

import (
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	o := Options{Duration: 4 * time.Second, Seed: 2, Paths: []Path{
		{20 * time.Millisecond, 0, 5_000_000}, {100 * time.Millisecond, 0.02, 2_000_000}}}
	for i, s := range Schemes() { // a third of them, to be quick
		if i%3 == 0 {
			o.Schemes = append(o.Schemes, s)
		}
	}
	schemes := len(o.Schemes)
	calls := 0
	table, err := Run(t.Context(), o, func(done, of int, row Row) {
		if calls++; done != calls || of != schemes*len(o.Paths) {
			t.Errorf("progress %d of %d at call %d", done, of, calls)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.Markdown())
	for i, row := range table.Rows {
		name, worse := row.Scheme.Name, row.Path == o.Paths[1]
		if row.Path != o.Paths[i%2] || name != o.Schemes[i/2].Name {
			t.Errorf("row %d is %s over %v", i, name, row.Path)
		}
		if row.P50 < row.Path.RTT/2 || row.Parts < 10 || row.Line < 1.05 {
			t.Errorf("%s over %v is better than can be: %+v", name, row.Path, row)
		}
		if row.Scheme.PatienceMS > 0 && row.Scheme.Pace > 0 && row.Scheme.Pace < 1 && row.Scheme.Parity == NoParity && !worse && (row.Repaired > 0 || row.Dropped > 0 || row.Duplicate > 0) {
			t.Errorf("%s repairs where nothing is lost: %+v", name, row)
		}
		if row.Scheme.Retransmits == 0 && row.Scheme.Parity == NoParity && worse && row.Repaired == 0 {
			t.Errorf("%s repairs nothing where 2 %% are lost: %+v", name, row)
		}
		if (row.Scheme.Parity != NoParity) != (row.Parity > 0) {
			t.Errorf("%s: parity %v", name, row.Parity)
		}
	}
	if md := table.Markdown(); strings.Count(md, "\n### ") != schemes-1 {
		t.Error(md)
	}
}
