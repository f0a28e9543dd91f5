package flv

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"starling/internal/cmaf"
)

func config(t testing.TB) *cmaf.VideoConfig {
	t.Helper()
	sps := []byte{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e, 0x48}
	c, err := cmaf.NewVideoConfig(sps, []byte{0x68, 0xcb, 0x83, 0xcb, 0x20}, 4)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sample() []cmaf.AccessUnit {
	return []cmaf.AccessUnit{
		{DTS: 0, PTS: 66, Key: true, Data: []byte{0, 0, 0, 2, 0x65, 1}},
		{DTS: 33, PTS: 20, Data: []byte{0, 0, 0, 3, 0x41, 1, 2}},
		{DTS: 0x7fffffff, PTS: 0x7fffffff, Data: []byte{0, 0, 0, 1, 0x41}},
	}
}

func file(t testing.TB) []byte {
	b := AppendConfig(AppendHeader(nil), config(t))
	for _, au := range sample() {
		b = AppendVideo(b, au)
	}
	return b
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	r := NewReader(bytes.NewReader(file(t)), 1000)
	for i, want := range sample() {
		got, err := r.Next()
		if err != nil || got.DTS != want.DTS || got.PTS != want.PTS || got.Key != want.Key || !bytes.Equal(got.Data, want.Data) {
			t.Fatalf("frame %d: %+v, %v", i, got, err)
		}
	}
	if !r.Config().SameStream(config(t)) {
		t.Error("configuration differs")
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestFaultsAreErrors(t *testing.T) {
	whole := file(t)
	for n := range whole {
		r := NewReader(bytes.NewReader(whole[:n]), 1000)
		var err error
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	big := NewReader(bytes.NewReader(whole), 10)
	if _, err := big.Next(); !errors.Is(err, ErrFormat) {
		t.Errorf("a tag beyond the limit: %v", err)
	}
	early := NewReader(bytes.NewReader(AppendVideo(AppendHeader(nil), sample()[0])), 1000)
	if _, err := early.Next(); !errors.Is(err, ErrFormat) {
		t.Errorf("a frame without configuration: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(file(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), 1<<16)
		for {
			au, err := r.Next()
			if err != nil {
				return
			}
			if r.Config() == nil || len(au.Data) == 0 || au.DTS < 0 {
				t.Fatalf("accepted %+v", au)
			}
		}
	})
}

func TestTagsOfPublishers(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want Video
		err  error
	}{
		{"configuration", []byte{0x17, 0, 0, 0, 0, 1, 2}, Video{Config: []byte{1, 2}}, nil},
		{"unit", []byte{0x27, 1, 0xff, 0xff, 0xfe, 9}, Video{Unit: []byte{9}, Offset: -2}, nil},
		{"end", []byte{0x17, 2, 0, 0, 0}, Video{}, nil},
		{"enhanced configuration", []byte("\x90avc1\x01"), Video{Config: []byte{1}}, nil},
		{"enhanced unit", []byte("\xa1avc1\x00\x00\x21\x09"), Video{Unit: []byte{9}, Offset: 33}, nil},
		{"enhanced without offset", []byte("\xa3avc1\x09"), Video{Unit: []byte{9}}, nil},
		{"HEVC", []byte("\x90hvc1\x01"), Video{}, ErrCodec},
		{"Sorenson", []byte{0x22, 0, 0, 0, 0}, Video{}, ErrCodec},
		{"short", []byte{0x17, 1, 0, 0}, Video{}, ErrFormat},
		{"enhanced, short", []byte("\xa1avc1\x00"), Video{}, ErrFormat},
	} {
		got, err := ParseVideo(c.in)
		if !errors.Is(err, c.err) || !bytes.Equal(got.Config, c.want.Config) || !bytes.Equal(got.Unit, c.want.Unit) || got.Offset != c.want.Offset {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	for _, c := range []struct {
		in   []byte
		want Audio
		err  error
	}{
		{[]byte{0xaf, 0, 0x12, 0x10}, Audio{Config: []byte{0x12, 0x10}}, nil}, {[]byte{0xaf, 1, 5}, Audio{Frame: []byte{5}}, nil},
		{[]byte("\x90mp4a\x12"), Audio{Config: []byte{0x12}}, nil}, {[]byte("\x91mp4a\x07"), Audio{Frame: []byte{7}}, nil},
		{[]byte("\x90Opus\x12"), Audio{}, ErrCodec}, {[]byte{0x2f, 1}, Audio{}, ErrCodec}, {nil, Audio{}, nil},
	} {
		got, err := ParseAudio(c.in)
		if !errors.Is(err, c.err) || !bytes.Equal(got.Config, c.want.Config) || !bytes.Equal(got.Frame, c.want.Frame) {
			t.Errorf("%x: %+v, %v", c.in, got, err)
		}
	}
}
