package peerstate

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the vectors")

const vectorFile = "../../testdata/vectors/repair-policy.json"

// The JSON form of a case: the whole state of one part, the time, and the
// steps to be taken. Chunk sets are strings of 0 and 1, one a chunk.
type (
	vectorCase struct {
		Name  string       `json:"name"`
		Now   int64        `json:"now"`
		State vectorState  `json:"state"`
		Steps []vectorStep `json:"steps"`
	}
	vectorState struct {
		SeenAt     int64           `json:"seenAt"`
		Deadline   int64           `json:"deadline"`
		Header     bool            `json:"header"`
		Have       string          `json:"have"`
		Slices     []vectorSlice   `json:"slices"`
		Neighbours []vectorHolder  `json:"neighbours"`
		Pending    []vectorPending `json:"pending"`
		Strained   bool            `json:"strained"`
		RetryAt    int64           `json:"retryAt"`
		EdgeMS     int64           `json:"edgeMs"`
	}
	vectorSlice struct {
		Source   string `json:"source"`
		Up       bool   `json:"up"`
		Backup   string `json:"backup"`
		BackupUp bool   `json:"backupUp"`
		Since    int64  `json:"since"`
		First    int64  `json:"first"`
		Last     int64  `json:"last"`
		Missed   int    `json:"missed"`
	}
	vectorHolder struct {
		ID   string `json:"id"`
		Has  string `json:"has"`
		Load int    `json:"load"`
	}
	vectorPending struct {
		From  string `json:"from"`
		First int    `json:"first"`
		Count int    `json:"count"`
		All   bool   `json:"all"`
		Until int64  `json:"until"`
	}
	vectorStep struct {
		Do    string `json:"do"` // giveUp, cancel, switch, request, fetch, fetchAll
		Peer  string `json:"peer,omitempty"`
		Slice int    `json:"slice"`
		First int    `json:"first"`
		Count int    `json:"count"`
		Until int64  `json:"until"`
	}
	vectorPatience struct {
		Slack    int64 `json:"slack"`
		Patience int64 `json:"patience"`
	}
)

func chunkSet(s string) Bitmap {
	m := NewBitmap(len(s))
	for i, c := range s {
		if c == '1' {
			m.Set(i)
		}
	}
	return m
}

func (v *vectorState) state() *PartState {
	p := &PartState{SeenAt: v.SeenAt, Deadline: v.Deadline, Header: v.Header, Have: chunkSet(v.Have), RetryAt: v.RetryAt, Strained: v.Strained, EdgeMS: v.EdgeMS}
	for _, s := range v.Slices {
		p.Slices = append(p.Slices, SliceState(s))
	}
	for _, h := range v.Neighbours {
		p.Neighbours = append(p.Neighbours, Holder{ID: h.ID, Has: chunkSet(h.Has), Load: h.Load})
	}
	for _, q := range v.Pending {
		p.Pending = append(p.Pending, Pending(q))
	}
	return p
}

func stepsOf(steps []Step) []vectorStep {
	names := map[StepKind]string{StepGiveUp: "giveUp", StepCancel: "cancel", StepSwitch: "switch", StepRequest: "request", StepFetch: "fetch", StepFetchAll: "fetchAll"}
	out := []vectorStep{}
	for _, s := range steps {
		out = append(out, vectorStep{Do: names[s.Kind], Peer: s.Peer, Slice: s.Slice, First: s.First, Count: s.Count, Until: s.Until})
	}
	return out
}

// two slices of three chunks; p1 pushes the first and p2 the second, each is
// the other's backup; the part was seen at 1000 and is needed at 2000.
func base(have string, edit ...func(*vectorState)) vectorState {
	v := vectorState{SeenAt: 1000, Deadline: 2000, Header: true, Have: have,
		Slices: []vectorSlice{
			{Source: "p1", Up: true, Backup: "p2", BackupUp: true, Since: 1000},
			{Source: "p2", Up: true, Backup: "p1", BackupUp: true, Since: 1000},
		}, Neighbours: []vectorHolder{}, Pending: []vectorPending{}}
	for _, e := range edit {
		e(&v)
	}
	return v
}

func slice(s int, edit func(*vectorSlice)) func(*vectorState) {
	return func(v *vectorState) { edit(&v.Slices[s]) }
}

func flowing(s int, first, last int64) func(*vectorState) {
	return slice(s, func(x *vectorSlice) { x.First, x.Last = first, last })
}

func holds(id, has string, load int) func(*vectorState) {
	return func(v *vectorState) { v.Neighbours = append(v.Neighbours, vectorHolder{id, has, load}) }
}

func waits(from string, first, count int, until int64) func(*vectorState) {
	return func(v *vectorState) { v.Pending = append(v.Pending, vectorPending{from, first, count, false, until}) }
}

func strained(v *vectorState) { v.Strained = true }

func noHeader(v *vectorState) { v.Header, v.Have = false, "" }

func edgeTakes(ms int64) func(*vectorState) { return func(v *vectorState) { v.EdgeMS = ms } }

func fetch(first, count int) vectorStep {
	return vectorStep{Do: "fetch", Peer: Edge, First: first, Count: count}
}

func request(id string, first, count int, until int64) vectorStep {
	return vectorStep{Do: "request", Peer: id, First: first, Count: count, Until: until}
}

func swap(slice int, to string) vectorStep { return vectorStep{Do: "switch", Peer: to, Slice: slice} }

var fetchAll = vectorStep{Do: "fetchAll"}

func cases() []vectorCase {
	down := func(x *vectorSlice) { x.Up = false }
	downNoBackup := func(x *vectorSlice) { x.Up, x.BackupUp = false, false }
	edgeSource := func(x *vectorSlice) { x.Source, x.Backup = Edge, Edge }
	cs := []vectorCase{
		{"a complete part needs nothing, however late", 9000, base("111111"), nil},
		{"pushes are awaited", 1549, base("000000"), nil},
		{"patience over and nobody has it: one fetch for both slices", 1550, base("000000"), []vectorStep{fetch(0, 6)}},
		{"only what is missing is fetched", 1550, base("110101", flowing(0, 1020, 1030), flowing(1, 1020, 1030)), []vectorStep{fetch(2, 1), fetch(4, 1)}},
		{"a slice that still arrives is awaited beyond patience", 1550, base("110111", flowing(0, 1300, 1400), flowing(1, 1020, 1030)), nil},
		{"a slice that has stopped arriving is repaired", 1600, base("110111", flowing(0, 1300, 1340), flowing(1, 1020, 1030)), []vectorStep{fetch(2, 1)}},
		{"with little slack arriving chunks are awaited no more", 1750, base("110111", flowing(0, 1300, 1749), flowing(1, 1020, 1030)), []vectorStep{fetch(2, 1)}},
		{"a neighbour that has the chunks is asked first", 1550, base("000111", flowing(0, 0, 0), holds("p3", "111111", 0)), []vectorStep{request("p3", 0, 3, 1707)}},
		{"the neighbour with the longest run is asked, then the next for the rest", 1550, base("000000", holds("p3", "110000", 0), holds("p4", "111110", 9)), []vectorStep{request("p4", 0, 5, 1707), fetch(5, 1)}},
		{"of equal neighbours the least loaded is asked", 1550, base("000111", holds("p3", "111111", 4), holds("p4", "111111", 3)), []vectorStep{request("p4", 0, 3, 1707)}},
		{"of equal and equally loaded neighbours the first by id is asked", 1550, base("000111", holds("p4", "111111", 3), holds("p3", "111111", 3)), []vectorStep{request("p3", 0, 3, 1707)}},
		{"chunks asked in this plan count as load", 1550, base("010000", holds("p3", "111111", 0), holds("p4", "111111", 0)), []vectorStep{request("p3", 0, 1, 1707), request("p4", 2, 4, 1707)}},
		{"what no neighbour has is fetched beside the request", 1550, base("000000", holds("p3", "001100", 0)), []vectorStep{request("p3", 2, 2, 1707), fetch(0, 2), fetch(4, 2)}},
		{"slack of 250 ms is too short for a neighbour", 1750, base("000111", holds("p3", "111111", 0)), []vectorStep{fetch(0, 3)}},
		{"a request under way is awaited", 1500, base("000111", holds("p3", "111111", 3), waits("p3", 0, 3, 1707)), nil},
		{"a request that ran out goes to another neighbour", 1707, base("001111", holds("p3", "111111", 3), holds("p4", "111111", 5), waits("p3", 0, 3, 1707)), []vectorStep{{Do: "cancel", Peer: "p3", First: 0, Count: 3}, request("p4", 0, 2, 1809)}},
		{"a request that ran out with nobody else goes to the edge", 1707, base("000111", holds("p3", "111111", 3), waits("p3", 0, 3, 1707)), []vectorStep{{Do: "cancel", Peer: "p3", First: 0, Count: 3}, fetch(0, 3)}},
		{"a fetch under way is not repeated", 1900, base("000111", waits(Edge, 0, 3, 0)), nil},
		{"a failed fetch waits for its retry", 1899, base("000111", func(v *vectorState) { v.RetryAt = 1900 }), nil},
		{"a failed fetch is retried", 1900, base("000111", func(v *vectorState) { v.RetryAt = 1900 }), []vectorStep{fetch(0, 3)}},
		{"only slices whose patience is over are repaired", 1550, base("000000", slice(1, func(x *vectorSlice) { x.Since = 1450 })), []vectorStep{fetch(0, 3)}},
		{"pushes are awaited until 450 ms are left", 8549, base("000000", func(v *vectorState) { v.Deadline = 9000 }), nil},
		{"and not longer", 8550, base("000000", func(v *vectorState) { v.Deadline = 9000 }), []vectorStep{fetch(0, 6)}},
		{"patience is at least 60 ms", 1059, base("000000", func(v *vectorState) { v.Deadline = 1100 }), nil},
		{"patience of 60 ms is over", 1060, base("000000", func(v *vectorState) { v.Deadline = 1100 }), []vectorStep{fetch(0, 6)}},
		{"after the deadline nothing is awaited", 1000, base("000000", func(v *vectorState) { v.Deadline = 1000 }), []vectorStep{fetch(0, 6)}},
		{"useless 4 s after its deadline", 6000, base("000000", waits(Edge, 0, 6, 0)), []vectorStep{{Do: "giveUp"}}},

		{"a slice whose source is there is awaited, whatever the others do", 1549, base("000111", flowing(1, 1020, 1040)), nil},
		{"and repaired when patience is over", 1550, base("000111", flowing(1, 1020, 1040)), []vectorStep{fetch(0, 3)}},
		{"a parent that is away, with the feed as backup: the feed gets its patience", 1170, base("000111", slice(0, down), slice(0, func(x *vectorSlice) { x.Backup = Edge })), []vectorStep{swap(0, Edge)}},
		{"a parent that went away is left at once", 1001, base("000000", slice(0, down)), []vectorStep{swap(0, "p2")}},
		{"a parent and its backup away: the feed from now on, and a fetch", 1001, base("000000", slice(0, downNoBackup)), []vectorStep{swap(0, Edge), fetch(0, 3)}},
		{"a parent and its backup away, a neighbour has it", 1001, base("000000", slice(0, downNoBackup), holds("p3", "111111", 0)), []vectorStep{swap(0, Edge), request("p3", 0, 3, 1350)}},
		{"a parent that missed two parts in a row is left", 1001, base("000000", slice(0, func(x *vectorSlice) { x.Missed = 2 })), []vectorStep{swap(0, "p2")}},
		{"a switch with little slack does not wait for the backup", 1800, base("000111", flowing(1, 1020, 1040), slice(0, down)), []vectorStep{swap(0, "p2"), fetch(0, 3)}},
		{"a silent feed is not switched but repaired", 1550, base("000111", slice(0, edgeSource), flowing(1, 1020, 1040)), []vectorStep{fetch(0, 3)}},
		{"a feed that is down is not awaited", 1001, base("000111", slice(0, edgeSource), slice(0, down)), []vectorStep{fetch(0, 3)}},

		{"under strain pushes are awaited longer", 1699, base("000000", strained), nil},
		{"under strain patience ends, too, and the edge is asked, not a neighbour", 1700, base("000000", strained, holds("p3", "111111", 0)), []vectorStep{fetch(0, 6)}},
		{"under strain pushes are awaited until 300 ms are left", 8700, base("000000", strained, func(v *vectorState) { v.Deadline = 9000 }), []vectorStep{fetch(0, 6)}},
		{"under strain nobody is left for missed parts", 1400, base("000111", strained, flowing(1, 1020, 1040), slice(0, func(x *vectorSlice) { x.Missed = 9 })), nil},
		{"under strain who went away is left", 1001, base("000000", strained, slice(0, down)), []vectorStep{swap(0, "p2")}},
		{"under strain the header is awaited longer", 1699, base("", noHeader, strained), nil},

		{"a source that is new has patience, too", 1709, base("000111", slice(0, func(x *vectorSlice) { x.Since = 1650 })), nil},
		{"but not when only the edge's time is left", 1750, base("000111", slice(0, func(x *vectorSlice) { x.Since = 1740 })), []vectorStep{fetch(0, 3)}},
		{"an edge that is slow is left that long before the deadline, and 200 ms for neighbours", 1349, base("000000", edgeTakes(450)), nil},
		{"and asked then, if nobody else has the chunks", 1350, base("000000", edgeTakes(450)), []vectorStep{fetch(0, 6)}},
		{"a neighbour is awaited only while the edge can still bring it", 1350, base("000111", edgeTakes(450), holds("p3", "111111", 0)), []vectorStep{request("p3", 0, 3, 1550)}},
		{"when only the edge's time is left no neighbour is asked", 1550, base("000111", edgeTakes(450), holds("p3", "111111", 0)), []vectorStep{fetch(0, 3)}},
		{"nor are arriving chunks awaited", 1550, base("110111", edgeTakes(450), flowing(0, 1300, 1549), flowing(1, 1020, 1030)), []vectorStep{fetch(2, 1)}},
		{"an edge that takes longer than there is slack: patience is 35 %", 1349, base("000000", edgeTakes(2000)), nil},
		{"under strain the edge's time counts, too", 1500, base("000000", strained, edgeTakes(450)), nil},

		{"without a header the pushes are awaited", 1549, base("", noHeader), nil},
		{"without a header the whole part is fetched", 1550, base("", noHeader), []vectorStep{fetchAll}},
		{"a header is awaited for a second at most", 1999, base("", noHeader, func(v *vectorState) { v.Deadline = 9000 }), nil},
		{"after a second without a header the whole part is fetched", 2000, base("", noHeader, func(v *vectorState) { v.Deadline = 9000 }), []vectorStep{fetchAll}},
		{"a whole fetch is not repeated", 1500, base("", noHeader, func(v *vectorState) { v.Pending = append(v.Pending, vectorPending{From: Edge, All: true}) }), nil},
		{"without a header and any source up it is fetched at once", 1000, base("", noHeader, slice(0, down), slice(1, down)), []vectorStep{fetchAll}},
		{"without a header a new source gets its own patience", 1550, base("", noHeader, slice(0, func(x *vectorSlice) { x.Since = 1450 })), nil},
		{"chunks of a whole fetch under way are not asked for", 1500, base("000000", func(v *vectorState) { v.Pending = append(v.Pending, vectorPending{From: Edge, All: true}) }), nil},
	}
	for i := range cs {
		if cs[i].Steps == nil {
			cs[i].Steps = []vectorStep{}
		}
	}
	return cs
}

func TestRepairVectors(t *testing.T) {
	rules := DefaultRules()
	for _, c := range cases() {
		if got := stepsOf(Plan(rules, c.State.state(), c.Now, nil)); !reflect.DeepEqual(got, c.Steps) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.Name, got, c.Steps)
		}
	}
	file := struct {
		About    string           `json:"about"`
		Rules    Rules            `json:"rules"`
		Patience []vectorPatience `json:"patience"`
		Cases    []vectorCase     `json:"cases"`
	}{About: strings.Join([]string{
		"plan(state, now) gives steps, in this order: giveUp (alone), cancels, switches, requests, fetches, each by chunk.",
		"Times are milliseconds. have and has: one character a chunk. A complete part has a header and no 0 in have.",
		"until of a request is now + clamp(35 % of slack, 60, 400), rounded down. 0 means unset."}, " "), Rules: rules, Cases: cases()}
	for _, slack := range []int64{-5, 0, 1, 171, 172, 500, 667, 692, 693, 1000, 1700, 9000} {
		file.Patience = append(file.Patience, vectorPatience{slack, rules.Patience(slack)})
	}
	got, err := json.MarshalIndent(file, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update && !t.Failed() {
		if err := os.WriteFile(vectorFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("the cases no longer match %s: if the rules were meant to change, run go test -update", vectorFile)
	}
}
