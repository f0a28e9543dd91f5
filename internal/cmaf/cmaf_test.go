package cmaf

import (
	"bytes"
	"errors"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
)

// Parameter sets of x264, 640 × 360 at 30 frames a second.
var (
	testSPS = []byte{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e, 0x48}
	testPPS = []byte{0x68, 0xcb, 0x83, 0xcb, 0x20}
)

func testConfig(t testing.TB, lengthSize int, more ...[]byte) *VideoConfig {
	t.Helper()
	c, err := NewVideoConfig(testSPS, testPPS, lengthSize, more...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestVideoConfig(t *testing.T) {
	c := testConfig(t, 4, []byte{0x68, 1, 2})
	if c.Width != 640 || c.Height != 360 || c.FrameRate != 30 || c.Codec != "avc1.42c01e" {
		t.Errorf("%+v", c)
	}
	d, err := ParseAVCC(c.AVCC())
	if err != nil || !d.SameStream(c) || d.LengthSize != 4 {
		t.Errorf("%+v, %v", d, err)
	}
	if c.SameStream(testConfig(t, 4)) {
		t.Error("a picture parameter set fewer is the same stream")
	}
	for n := range len(c.AVCC()) {
		if _, err := ParseAVCC(c.AVCC()[:n]); !errors.Is(err, ErrBitstream) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func nals(size int, units ...[]byte) []byte {
	var out []byte
	for _, u := range units {
		for i := size - 1; i >= 0; i-- {
			out = append(out, byte(len(u)>>(8*i)))
		}
		out = append(out, u...)
	}
	return out
}

func TestClean(t *testing.T) {
	idr, p, sei, aud := []byte{0x65, 1, 2, 3}, []byte{0x41, 4, 5}, []byte{0x06, 9}, []byte{0x09, 0x10}
	other := append(bytes.Clone(testSPS), 1)
	for _, c := range []struct {
		name    string
		size    int
		more    [][]byte
		in      [][]byte
		out     [][]byte
		key     bool
		picture bool
		sps     []byte
	}{
		{"as it is", 4, nil, [][]byte{sei, idr}, [][]byte{sei, idr}, true, true, nil},
		{"not a key", 4, nil, [][]byte{p}, [][]byte{p}, false, true, nil},
		{"delimiter and sets", 4, nil, [][]byte{aud, testSPS, testPPS, sei, idr}, [][]byte{sei, idr}, true, true, nil},
		{"short lengths", 2, nil, [][]byte{sei, p}, [][]byte{sei, p}, false, true, nil},
		{"no picture", 4, nil, [][]byte{sei}, [][]byte{sei}, false, false, nil},
		{"more sets", 4, [][]byte{{0x68, 7}}, [][]byte{idr}, [][]byte{{0x68, 7}, idr}, true, true, nil},
		{"another stream", 4, nil, [][]byte{other, idr}, [][]byte{idr}, true, true, other},
		{"empty unit", 4, nil, [][]byte{{}, aud, p}, [][]byte{p}, false, true, nil},
	} {
		in := nals(c.size, c.in...)
		u, err := testConfig(t, c.size, c.more...).Clean(in)
		if err != nil || !bytes.Equal(u.Data, nals(4, c.out...)) || u.Key != c.key || u.Picture != c.picture || !bytes.Equal(u.SPS, c.sps) {
			t.Errorf("%s: %+v, %v", c.name, u, err)
		}
		if c.name == "as it is" && &u.Data[0] != &in[0] {
			t.Error("clean access units are copied")
		}
	}
	for _, bad := range [][]byte{{0}, {0, 0, 0, 5, 1}, {0xff, 0xff, 0xff, 0xff}} {
		if _, err := testConfig(t, 4).Clean(bad); !errors.Is(err, ErrBitstream) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

func TestInitSectionsParse(t *testing.T) {
	asc := mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 44_100, ChannelConfig: 2}
	a, err := NewAudioConfig(asc)
	if err != nil || a.Codec != "mp4a.40.2" || a.Channels != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	v := testConfig(t, 4)
	video, err := VideoInit(v, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	audio, err := AudioInit(a, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	var in fmp4.Init
	if err := in.Unmarshal(bytes.NewReader(video)); err != nil || in.Tracks[0].TimeScale != VideoTimescale || in.Tracks[0].ID != trackID {
		t.Errorf("%+v, %v", in, err)
	}
	if h := in.Tracks[0].Codec.(*codecs.H264); !bytes.Equal(h.SPS, testSPS) || !bytes.Equal(h.PPS, testPPS) {
		t.Error("parameter sets differ")
	}
	in = fmp4.Init{}
	if err := in.Unmarshal(bytes.NewReader(audio)); err != nil || in.Tracks[0].TimeScale != 44_100 {
		t.Errorf("%+v, %v", in, err)
	}
}

func samples() []Sample {
	return []Sample{{3000, 6000, true, bytes.Repeat([]byte{1}, 40_000)}, {3030, -3000, false, bytes.Repeat([]byte{2}, 3000)}, {2970, 0, false, []byte{3}}}
}

func TestChunkIsWhatTheLibraryReads(t *testing.T) {
	for _, video := range []bool{true, false} {
		in := samples()
		if !video {
			for i := range in {
				in[i].Offset, in[i].Key = 0, true
			}
		}
		b := AppendChunk([]byte("before"), 77, 1<<40, video, in)
		if !bytes.HasPrefix(b, []byte("before")) {
			t.Fatal("what was there is lost")
		}
		var ps fmp4.Parts
		if err := ps.Unmarshal(b[6:]); err != nil {
			t.Fatal(err)
		}
		if len(ps) != 1 || ps[0].SequenceNumber != 77 || ps[0].Tracks[0].BaseTime != 1<<40 || len(ps[0].Tracks[0].Samples) != 3 {
			t.Fatalf("%+v", ps)
		}
		for i, s := range ps[0].Tracks[0].Samples {
			if s.Duration != in[i].Duration || s.PTSOffset != in[i].Offset || s.IsNonSyncSample == in[i].Key || !bytes.Equal(s.Payload, in[i].Data) {
				t.Errorf("video %v sample %d differs", video, i)
			}
		}
	}
}

func FuzzVideo(f *testing.F) {
	c := testConfig(f, 4)
	f.Add(c.AVCC(), nals(4, []byte{0x65, 1, 2, 3}))
	f.Add(testConfig(f, 2, []byte{0x68, 1}).AVCC(), nals(2, testSPS, []byte{0x65, 1}))
	f.Fuzz(func(t *testing.T, avcc, unit []byte) {
		d, err := ParseAVCC(avcc)
		if err != nil {
			d = c
		} else if e, err := ParseAVCC(d.AVCC()); err != nil || !e.SameStream(d) {
			t.Fatalf("written and read again: %v", err)
		}
		if _, err := VideoInit(d, 1, 1); err != nil {
			t.Fatalf("no initialization section for an accepted configuration: %v", err)
		}
		u, err := d.Clean(unit)
		if err != nil {
			return
		}
		again := *d
		again.LengthSize, again.MorePPS = 4, nil
		v, err := again.Clean(u.Data)
		if err != nil || v.Key != u.Key || v.Picture != u.Picture {
			t.Fatalf("cleaned twice: %+v %v", v, err)
		}
	})
}

func FuzzAudioConfig(f *testing.F) {
	f.Add([]byte{0x11, 0x90})
	f.Add([]byte{0x12, 0x10, 0x56, 0xe5, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseASC(b)
		if err != nil {
			return
		}
		if _, err := AudioInit(c, 1, 1); err != nil {
			t.Fatalf("no initialization section for an accepted configuration %+v: %v", c, err)
		}
		c.Silence()
	})
}

func BenchmarkChunk(b *testing.B) {
	in := samples()
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			AppendChunk(nil, 1, 90_000, true, in)
		}
	})
	b.Run("library", func(b *testing.B) {
		var ss []*fmp4.Sample
		for _, s := range in {
			ss = append(ss, &fmp4.Sample{Duration: s.Duration, PTSOffset: s.Offset, IsNonSyncSample: !s.Key, Payload: s.Data})
		}
		b.ReportAllocs()
		for b.Loop() {
			var buf seekablebuffer.Buffer
			if err := (fmp4.Part{SequenceNumber: 1, Tracks: []*fmp4.PartTrack{{ID: 1, BaseTime: 90_000, Samples: ss}}}).Marshal(&buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
