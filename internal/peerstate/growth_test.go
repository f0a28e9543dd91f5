package peerstate

import (
	"fmt"
	"reflect"
	"testing"
)

// sizes counts the elements of all maps and slices that hang on v, by the path
// of fields that leads to them.
func sizes(v any) map[string]int {
	out, seen := map[string]int{}, map[uintptr]bool{}
	var walk func(reflect.Value, string)
	walk = func(x reflect.Value, path string) {
		switch x.Kind() {
		case reflect.Pointer:
			if !x.IsNil() && !seen[x.Pointer()] {
				seen[x.Pointer()] = true
				walk(x.Elem(), path)
			}
		case reflect.Struct:
			for i := range x.NumField() {
				walk(x.Field(i), path+"."+x.Type().Field(i).Name)
			}
		case reflect.Map:
			out[path] += x.Len()
			for it := x.MapRange(); it.Next(); {
				walk(it.Value(), path+"{}")
			}
		case reflect.Slice, reflect.Array:
			if x.Kind() == reflect.Slice {
				out[path] += x.Len()
			}
			for i := range x.Len() {
				walk(x.Index(i), path+"[]")
			}
		}
	}
	walk(reflect.ValueOf(v), "")
	// Scratch space holds what the last call left.
	delete(out, ".out")
	delete(out, ".steps")
	return out
}

// longSession plays parts of three chunks in two slices, a third of a second each.
type longSession struct {
	v    *Viewer
	now  int64
	part uint64
}

func (x *longSession) play(parts int, parent string) {
	for range parts {
		k := key(1+x.part/6, x.part%6)
		x.part++
		x.v.Header(k, 4, Edge, x.now+1000, x.now)
		for chunk := range 4 {
			from := Edge
			if chunk < 2 && parent != "" {
				from = parent
			}
			x.v.Chunk(k, chunk, from, true, x.now)
		}
		for range 7 {
			x.now += 48
			x.v.Tick(x.now)
		}
	}
}

func grew(before, after map[string]int, slack int) []string {
	var out []string
	for path, n := range after {
		if n > before[path]+slack {
			out = append(out, fmt.Sprintf("%s: %d, then %d", path, before[path], n))
		}
	}
	return out
}

func TestLongSessionDoesNotGrow(t *testing.T) {
	x := &longSession{v: New(Rules{}, 8_000_000), now: 1000}
	x.v.SetTracks([]Track{{Number: 1, Slices: 2, Bitrate: 1_000_000, From: id(1, 0)}}, x.now)
	x.v.NeighbourUp("a", x.now)
	x.v.Assign(1, []SliceSource{{Parent: "a", Backup: Edge}, {Parent: Edge, Backup: Edge}}, x.now)
	x.play(180, "a")
	before := sizes(x.v)
	x.play(3*60*60, "a") // an hour
	if got := grew(before, sizes(x.v), 2); got != nil {
		t.Errorf("grew in an hour: %v", got)
	}
}

func TestNeighboursThatComeAndGoAreForgotten(t *testing.T) {
	x := &longSession{v: New(Rules{}, 8_000_000), now: 1000}
	x.v.SetTracks([]Track{{Number: 1, Slices: 2, Bitrate: 1_000_000, From: id(1, 0)}}, x.now)
	struck := 0
	run := func(from, to int) {
		for i := from; i < to; i++ {
			name := fmt.Sprint("n", i)
			x.v.NeighbourUp(name, x.now)
			x.v.RoundTrip(name, 40)
			x.v.Subscribed(name, 1, 1, id(0, 0), x.now)
			x.v.Assign(1, []SliceSource{{Parent: name, Backup: Edge}, {Parent: Edge, Backup: Edge}}, x.now)
			x.play(2, name)
			if i%2 == 0 { // it falls silent before it goes
				x.silent(3)
				struck += len(x.v.known(name).trust.strikes)
			}
			x.v.NeighbourGone(name, LostTimeout, x.now)
		}
		x.v.Assign(1, []SliceSource{{Parent: Edge, Backup: Edge}, {Parent: Edge, Backup: Edge}}, x.now)
		x.play(600, "") // longer than anything is held against anybody
	}
	run(0, 40)
	before := sizes(x.v)
	run(40, 1000)
	if got := grew(before, sizes(x.v), 0); got != nil {
		t.Errorf("grew with 960 neighbours that came and went: %v", got)
	}
	if struck < 100 {
		t.Errorf("%d strikes: the silent ones were not noticed, so nothing was tested", struck)
	}
}

// silent lets parts come of which the parent's slice is missing until the edge
// has it.
func (x *longSession) silent(parts int) {
	for range parts {
		k := key(1+x.part/6, x.part%6)
		x.part++
		x.v.Header(k, 4, Edge, x.now+1000, x.now)
		x.v.Chunk(k, 2, Edge, true, x.now)
		x.v.Chunk(k, 3, Edge, true, x.now)
		for range 14 {
			x.now += 24
			x.v.Tick(x.now)
		}
		x.v.Chunk(k, 0, Edge, true, x.now)
		x.v.Chunk(k, 1, Edge, true, x.now)
	}
}
