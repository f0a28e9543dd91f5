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
		RetryAt    int64           `json:"retryAt"`
	}
	vectorSlice struct {
		Source   string `json:"source"`
		Up       bool   `json:"up"`
		Backup   string `json:"backup"`
		BackupUp bool   `json:"backupUp"`
		Since    int64  `json:"since"`
		First    int64  `json:"first"`
		Last     int64  `json:"last"`
		Lag      int64  `json:"lag"`
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
	p := &PartState{SeenAt: v.SeenAt, Deadline: v.Deadline, Header: v.Header, Have: chunkSet(v.Have), RetryAt: v.RetryAt}
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

func noHeader(v *vectorState) { v.Header, v.Have = false, "" }

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
		{"pushes are awaited", 1349, base("000000"), nil},
		{"patience over and nobody has it: one fetch for both slices", 1350, base("000000"), []vectorStep{fetch(0, 6)}},
		{"only what is missing is fetched", 1350, base("110101", flowing(0, 1020, 1030), flowing(1, 1020, 1030)), []vectorStep{fetch(2, 1), fetch(4, 1)}},
		{"a slice that still arrives is awaited beyond patience", 1350, base("110111", flowing(0, 1300, 1340), flowing(1, 1020, 1030)), nil},
		{"a slice that has stopped arriving is repaired", 1400, base("110111", flowing(0, 1300, 1340), flowing(1, 1020, 1030)), []vectorStep{fetch(2, 1)}},
		{"with little slack arriving chunks are awaited no more", 1750, base("110111", flowing(0, 1300, 1749), flowing(1, 1020, 1030)), []vectorStep{fetch(2, 1)}},
		{"a neighbour that has the chunks is asked first", 1350, base("000111", flowing(0, 0, 0), holds("p3", "111111", 0)), []vectorStep{request("p3", 0, 3, 1577)}},
		{"the neighbour with the longest run is asked, then the next for the rest", 1350, base("000000", holds("p3", "110000", 0), holds("p4", "111110", 9)), []vectorStep{request("p4", 0, 5, 1577), fetch(5, 1)}},
		{"of equal neighbours the least loaded is asked", 1350, base("000111", holds("p3", "111111", 4), holds("p4", "111111", 3)), []vectorStep{request("p4", 0, 3, 1577)}},
		{"of equal and equally loaded neighbours the first by id is asked", 1350, base("000111", holds("p4", "111111", 3), holds("p3", "111111", 3)), []vectorStep{request("p3", 0, 3, 1577)}},
		{"chunks asked in this plan count as load", 1350, base("010000", holds("p3", "111111", 0), holds("p4", "111111", 0)), []vectorStep{request("p3", 0, 1, 1577), request("p4", 2, 4, 1577)}},
		{"what no neighbour has is fetched beside the request", 1350, base("000000", holds("p3", "001100", 0)), []vectorStep{request("p3", 2, 2, 1577), fetch(0, 2), fetch(4, 2)}},
		{"slack of 250 ms is too short for a neighbour", 1750, base("000111", holds("p3", "111111", 0)), []vectorStep{fetch(0, 3)}},
		{"a request under way is awaited", 1500, base("000111", holds("p3", "111111", 3), waits("p3", 0, 3, 1577)), nil},
		{"a request that ran out goes to another neighbour", 1577, base("001111", holds("p3", "111111", 3), holds("p4", "111111", 5), waits("p3", 0, 3, 1577)), []vectorStep{{Do: "cancel", Peer: "p3", First: 0, Count: 3}, request("p4", 0, 2, 1725)}},
		{"a request that ran out with nobody else goes to the edge", 1577, base("000111", holds("p3", "111111", 3), waits("p3", 0, 3, 1577)), []vectorStep{{Do: "cancel", Peer: "p3", First: 0, Count: 3}, fetch(0, 3)}},
		{"a fetch under way is not repeated", 1900, base("000111", waits(Edge, 0, 3, 0)), nil},
		{"a failed fetch waits for its retry", 1899, base("000111", func(v *vectorState) { v.RetryAt = 1900 }), nil},
		{"a failed fetch is retried", 1900, base("000111", func(v *vectorState) { v.RetryAt = 1900 }), []vectorStep{fetch(0, 3)}},
		{"only slices whose patience is over are repaired", 1350, base("000000", slice(1, func(x *vectorSlice) { x.Since = 1200 })), []vectorStep{fetch(0, 3)}},
		{"patience is at most 400 ms", 1399, base("000000", func(v *vectorState) { v.Deadline = 9000 }), nil},
		{"patience of 400 ms is over", 1400, base("000000", func(v *vectorState) { v.Deadline = 9000 }), []vectorStep{fetch(0, 6)}},
		{"patience is at least 60 ms", 1059, base("000000", func(v *vectorState) { v.Deadline = 1100 }), nil},
		{"patience of 60 ms is over", 1060, base("000000", func(v *vectorState) { v.Deadline = 1100 }), []vectorStep{fetch(0, 6)}},
		{"after the deadline nothing is awaited", 1000, base("000000", func(v *vectorState) { v.Deadline = 1000 }), []vectorStep{fetch(0, 6)}},
		{"useless 4 s after its deadline", 6000, base("000000", waits(Edge, 0, 6, 0)), []vectorStep{{Do: "giveUp"}}},

		{"a silent parent beside a flowing one is awaited for 150 ms", 1169, base("000111", flowing(1, 1020, 1040)), nil},
		{"a silent parent beside a flowing one is left for the backup", 1170, base("000111", flowing(1, 1020, 1040)), []vectorStep{swap(0, "p2")}},
		{"the usual lag of a slice is allowed for", 1219, base("000111", flowing(1, 1020, 1040), slice(0, func(x *vectorSlice) { x.Lag = 50 })), nil},
		{"the usual lag of a slice is over", 1220, base("000111", flowing(1, 1020, 1040), slice(0, func(x *vectorSlice) { x.Lag = 50 })), []vectorStep{swap(0, "p2")}},
		{"a new source gets its own 150 ms", 1249, base("000111", flowing(1, 1020, 1040), slice(0, func(x *vectorSlice) { x.Since = 1100 })), nil},
		{"a source that has begun is not silent", 1300, base("100111", flowing(0, 1030, 1030), flowing(1, 1020, 1040)), nil},
		{"a slice that came otherwise is no reason to switch", 1300, base("111000", flowing(1, 0, 0), waits(Edge, 3, 3, 0), slice(0, func(x *vectorSlice) { x.First = 0 })), nil},
		{"a silent parent whose backup is away is left for the edge", 1170, base("000111", flowing(1, 1020, 1040), slice(0, func(x *vectorSlice) { x.BackupUp = false })), []vectorStep{swap(0, Edge), fetch(0, 3)}},
		{"a silent parent with the feed as backup: the feed gets its patience", 1170, base("000111", flowing(1, 1020, 1040), slice(0, func(x *vectorSlice) { x.Backup = Edge })), []vectorStep{swap(0, Edge)}},
		{"a parent that went away is left at once", 1001, base("000000", slice(0, down)), []vectorStep{swap(0, "p2")}},
		{"a parent and its backup away: the feed from now on, and a fetch", 1001, base("000000", slice(0, downNoBackup)), []vectorStep{swap(0, Edge), fetch(0, 3)}},
		{"a parent and its backup away, a neighbour has it", 1001, base("000000", slice(0, downNoBackup), holds("p3", "111111", 0)), []vectorStep{swap(0, Edge), request("p3", 0, 3, 1350)}},
		{"a parent that missed two parts in a row is left", 1001, base("000000", slice(0, func(x *vectorSlice) { x.Missed = 2 })), []vectorStep{swap(0, "p2")}},
		{"a switch with little slack does not wait for the backup", 1800, base("000111", flowing(1, 1020, 1040)), []vectorStep{swap(0, "p2"), fetch(0, 3)}},
		{"a silent feed is not switched but repaired", 1400, base("000111", slice(0, edgeSource), flowing(1, 1020, 1040)), []vectorStep{fetch(0, 3)}},
		{"a feed that is down is not awaited", 1001, base("000111", slice(0, edgeSource), slice(0, down)), []vectorStep{fetch(0, 3)}},

		{"without a header the pushes are awaited", 1349, base("", noHeader), nil},
		{"without a header the whole part is fetched", 1350, base("", noHeader), []vectorStep{fetchAll}},
		{"a whole fetch is not repeated", 1500, base("", noHeader, func(v *vectorState) { v.Pending = append(v.Pending, vectorPending{From: Edge, All: true}) }), nil},
		{"without a header and any source up it is fetched at once", 1000, base("", noHeader, slice(0, down), slice(1, down)), []vectorStep{fetchAll}},
		{"without a header a new source gets its own patience", 1350, base("", noHeader, slice(0, func(x *vectorSlice) { x.Since = 1300 })), nil},
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
		"until of a request is now + patience(slack), rounded down. 0 means unset."}, " "), Rules: rules, Cases: cases()}
	for _, slack := range []int64{-5, 0, 1, 171, 172, 500, 667, 1000, 1142, 1143, 9000} {
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
