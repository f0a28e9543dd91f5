package swarm

import (
	"fmt"
	"testing"
)

func (c *Complaints) isLeaf(id string, now int64) bool { return c.Share(id, now) == 0 }

// Every complaint lowers what is planned with, for a minute.
func TestComplaintsLowerTheShare(t *testing.T) {
	c := NewComplaints()
	want := func(at, share int64) {
		t.Helper()
		if got := c.Share("x", at); got != share {
			t.Errorf("at %d: %d quarters, want %d", at, got, share)
		}
	}
	want(0, FullShare)
	c.Slow("a", "x", 9, 0)
	want(0, 3)
	c.Slow("a", "x", 9, 10_000)
	want(10_000, 3)
	c.Slow("b", "x", 9, 20_000)
	c.Slow("c", "x", 9, 21_000)
	want(21_000, 3)
	want(80_001, 3)
	want(81_001, FullShare)
	c.Slow("a", "x", 9, 90_000)
	c.Pardon("x")
	want(90_000, FullShare)
}

func TestComplaintsMakeALeaf(t *testing.T) {
	type say struct {
		child, parent string
		children      int
		at            int64
		want          bool
	}
	for name, says := range map[string][]say{
		"three of seven children":  {{"a", "x", 7, 0, false}, {"b", "x", 7, 1000, false}, {"c", "x", 7, 2000, false}, {"d", "x", 7, 2001, true}},
		"three different children": {{"a", "x", 5, 0, false}, {"b", "x", 5, 1000, false}, {"c", "x", 5, 2000, true}},
		"one child often":          {{"a", "x", 5, 0, false}, {"a", "x", 5, 1000, false}, {"a", "x", 5, 2000, false}, {"a", "x", 5, 3000, false}},
		"both of two children":     {{"a", "x", 2, 0, false}, {"b", "x", 2, 1000, true}},
		"an only child":            {{"a", "x", 1, 0, false}, {"a", "x", 1, 9000, false}},
		"two of five":              {{"a", "x", 5, 0, false}, {"b", "x", 5, 1000, false}},
		"too far apart":            {{"a", "x", 5, 0, false}, {"b", "x", 5, 40_000, false}, {"c", "x", 5, 70_000, false}},
		"it starves itself":        {{"x", "up", 5, 0, false}, {"a", "x", 5, 10, false}, {"b", "x", 5, 20, false}, {"c", "x", 5, 30, false}},
		"it starved long ago":      {{"x", "up", 5, 0, false}, {"a", "x", 5, 70_000, false}, {"b", "x", 5, 70_001, false}, {"c", "x", 5, 70_002, true}},
		"not twice at once":        {{"a", "x", 2, 0, false}, {"b", "x", 2, 1, true}, {"a", "x", 2, 2, false}, {"b", "x", 2, 3, false}},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewComplaints()
			for i, s := range says {
				if got := c.Slow(s.child, s.parent, s.children, s.at); got != s.want {
					t.Fatalf("%d: %v, want %v", i, got, s.want)
				}
				if s.want && !c.isLeaf(s.parent, s.at) {
					t.Fatalf("%d: it is no leaf", i)
				}
			}
		})
	}
}

// Sentences double for who goes on, end, and are forgotten after an hour.
func TestSentencesDouble(t *testing.T) {
	c := NewComplaints()
	now := int64(0)
	var got []int64
	for range 8 {
		for i := range 3 {
			c.Slow(fmt.Sprint("c", i), "x", 6, now)
		}
		began := now
		for c.isLeaf("x", now) {
			now += 1000
		}
		got = append(got, (now-began)/1000)
	}
	if want := "[120 240 480 960 1920 3600 3600 3600]"; fmt.Sprint(got) != want {
		t.Errorf("sentences of %v s, want %s", got, want)
	}
	now += maxSentence + 1000
	for i := range 3 {
		c.Slow(fmt.Sprint("d", i), "x", 6, now)
	}
	if !c.isLeaf("x", now+119_000) || c.isLeaf("x", now+121_000) {
		t.Error("an hour in order was not forgotten by then")
	}
	c.Forget("x")
	if c.isLeaf("x", now) {
		t.Error("who left is remembered")
	}
}
