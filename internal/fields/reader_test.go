package fields

import "testing"

func TestFieldsComeInOrderAndFaultsStick(t *testing.T) {
	r := New([]byte{7, 0x41, 0x00, 2, 'h', 'i', 9})
	if b, v, s := r.Byte(), r.Varint(), string(r.Bytes(5)); b != 7 || v != 256 || s != "hi" || !r.OK() || r.Len() != 1 {
		t.Fatalf("%d %d %q, ok %v, %d left", b, v, s, r.OK(), r.Len())
	}
	if v := r.Bounded(8); v != 0 || r.OK() {
		t.Fatalf("9 passed a bound of 8: %d", v)
	}
	if r.Byte() != 0 || r.Varint() != 0 || r.Take(0) != nil || r.OK() {
		t.Fatal("a fault did not stick")
	}
}

func TestShortBuffers(t *testing.T) {
	for name, read := range map[string]func(*Reader){
		"byte":     func(r *Reader) { r.Byte() },
		"varint":   func(r *Reader) { r.Varint() },
		"bytes":    func(r *Reader) { r.Bytes(10) },
		"take":     func(r *Reader) { r.Take(3) },
		"negative": func(r *Reader) { r.Take(-1) },
	} {
		for _, b := range [][]byte{nil, {0xc0}} {
			if name == "byte" && len(b) > 0 {
				continue
			}
			r := New(b)
			if read(&r); r.OK() {
				t.Errorf("%s of %v is not a fault", name, b)
			}
		}
	}
}
