package signal

import (
	"bytes"
	"strings"
	"testing"
)

// initChunk is an INIT chunk as pion makes it: with the parameter that lists
// what else is supported.
var initChunk = []byte{1, 0, 0, 26, 1, 2, 3, 4, 0, 8, 0, 0, 255, 255, 255, 255, 9, 9, 9, 9, 0x80, 8, 0, 6, 130, 192, 0, 0}

func described(init []byte) *Description {
	return &Description{Setup: Active, Ufrag: "abcd", Pwd: strings.Repeat("p", 24), Init: init}
}

func TestInitChunkGoesWithTheDescription(t *testing.T) {
	d := described(initChunk)
	text, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	sdp, err := Expand(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSDP(sdp)
	if err != nil || !bytes.Equal(again.Init, initChunk) {
		t.Fatalf("INIT %x, %v", again.Init, err)
	}
	// Without room for it, and when it is none, the description goes without.
	for what, d := range map[string]*Description{
		"no room":      {Ufrag: strings.Repeat("u", maxUfrag), Pwd: strings.Repeat("p", maxPwd), Init: initChunk},
		"cut":          described(initChunk[:24]),
		"another kind": described(append([]byte{2}, initChunk[1:]...)),
		"too long":     described(append([]byte{1, 0, 0, 60}, make([]byte, 56)...)),
	} {
		text, err := d.Encode()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got, err := ParseDescription(text); err != nil || got.Init != nil {
			t.Errorf("%s: INIT %x, %v", what, got.Init, err)
		}
	}
}

func TestInitChunkIsFoundAmongFieldsOfLaterVersions(t *testing.T) {
	text, err := described(nil).Encode()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := encoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	field := append([]byte{fieldInit, byte(len(initChunk))}, initChunk...)
	for what, c := range map[string]struct {
		after []byte
		want  []byte
	}{
		"alone":           {field, initChunk},
		"after another":   {append([]byte{7, 2, 0, 0}, field...), initChunk},
		"before a rest":   {append(bytes.Clone(field), 7), initChunk},
		"truncated":       {field[:len(field)-1], nil},
		"one byte":        {[]byte{fieldInit}, nil},
		"of another kind": {[]byte{fieldInit, 2, 1, 1}, nil},
	} {
		d, err := ParseDescription(encoding.EncodeToString(append(bytes.Clone(plain), c.after...)))
		if err != nil || !bytes.Equal(d.Init, c.want) {
			t.Errorf("%s: INIT %x, %v", what, d.Init, err)
		}
	}
}
