package store

import "testing"

func TestReservedBytesAppearOnCommit(t *testing.T) {
	p := NewPart(header(1, 0, 6, 0), nil)
	copy(p.Reserve(4), "abcd")
	if len(p.Bytes()) != 0 {
		t.Fatal("uncommitted bytes are readable")
	}
	p.Commit(4)
	if string(p.Bytes()) != "abcd" || p.Complete() {
		t.Fatalf("after commit: %q", p.Bytes())
	}
	if p.Reserve(3) != nil {
		t.Fatal("reserved beyond the part's end")
	}
	copy(p.Reserve(2), "ef")
	p.Commit(2)
	if !p.Complete() || string(p.Bytes()) != "abcdef" {
		t.Fatalf("complete: %q", p.Bytes())
	}
}
