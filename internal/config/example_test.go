package config

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const examplePath = "../../starling.example.yaml"

func TestExampleHoldsTheDefaults(t *testing.T) {
	c, _, err := Load(Source{File: examplePath})
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(c, want) {
		t.Fatalf("the example is not the default:\n%+v\n%+v", c, want)
	}
}

// TestExampleIsComplete reads the example as text, so that a key left out, or
// one without a comment above it, is found.
func TestExampleIsComplete(t *testing.T) {
	doc, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	commented, section := false, ""
	for i, line := range strings.Split(string(doc), "\n") {
		text := strings.TrimSpace(line)
		name, value, isKey := strings.Cut(text, ":")
		switch {
		case text == "":
			commented = false
		case strings.HasPrefix(text, "#"):
			commented = true
		case strings.HasPrefix(text, "- "): // an item of the list above
		case !isKey:
			t.Errorf("line %d is not a key or a comment: %s", i+1, line)
		case !strings.HasPrefix(line, " ") && value == "":
			section = name + "."
		default:
			if !strings.HasPrefix(line, " ") {
				section = ""
			}
			got = append(got, section+name)
			if !commented {
				t.Errorf("line %d: %s has no comment", i+1, section+name)
			}
			commented = false
		}
	}
	if want := Keys(); !slices.Equal(got, want) {
		t.Errorf("keys of the example, in order:\n%v\nof Config:\n%v", got, want)
	}
}

func TestPrintedConfigurationReadsBack(t *testing.T) {
	c, _, err := Load(Source{Set: []string{
		"edge.listen=127.0.0.1:9999", "relay.upstreams=a.example:1, b.example:2", "origin.part_duration=200ms",
		"origin.ladder=[{height: 360, bitrate: 700000}]", "admin.hosts=[ops.example]", "node=n: 1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	back := Default()
	if err := parse(back, "printed", doc); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	if !reflect.DeepEqual(c, back) {
		t.Fatalf("printed and read back:\n%+v\n%+v\n%s", c, back, doc)
	}
}
