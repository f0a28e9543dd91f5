package ingest

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/message"

	"starling/internal/cmaf"
	"starling/origin/flv"
)

func msDuration(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

func TestAPublicationStartsWhenItsMediaAreKnown(t *testing.T) {
	v, a, d := message.TypeVideo, message.TypeAudio, message.TypeDataAMF0
	cfg := videoConfig(t, testSPS)
	for _, c := range []struct {
		name   string
		in     []raw
		start  int // message at which it starts, -1 never
		audio  bool
		frames int // video, passed by the end
	}{
		{"sound promised and configured", []raw{{d, 0, metadata(t, true)}, {v, 0, cfg}, {a, 0, audioConfig}, {v, 0, keyframe}, {v, 33, picture}}, 3, true, 2},
		{"no sound", []raw{{d, 0, metadata(t, false)}, {v, 0, cfg}, {v, 0, keyframe}, {v, 33, picture}}, 2, false, 2},
		{"sound promised late", []raw{{d, 0, metadata(t, true)}, {v, 0, cfg}, {v, 0, keyframe}, {v, 33, picture}, {a, 40, audioConfig}, {a, 40, audioFrame}}, 5, true, 2},
		{"promised sound never comes", []raw{{d, 0, metadata(t, true)}, {v, 0, cfg}, {v, 0, keyframe}, {v, 900, picture}, {v, 1000, picture}}, 4, false, 3},
		{"no metadata, no sound", []raw{{v, 0, cfg}, {v, 0, keyframe}, {v, 900, picture}, {v, 1033, picture}}, 3, false, 3},
		{"sound alone", []raw{{a, 0, audioConfig}, {a, 0, audioFrame}, {a, 5000, audioFrame}}, -1, false, 0},
		{"picture before its configuration", []raw{{d, 0, metadata(t, false)}, {v, 0, keyframe}, {v, 33, cfg}, {v, 33, keyframe}}, 3, false, 1},
	} {
		s := newStage()
		dm := s.demuxer()
		start := -1
		for i, m := range c.in {
			if err := dm.take(m); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if start < 0 && dm.session != nil {
				start = i
			}
		}
		if start != c.start || len(s.videos) != c.frames {
			t.Errorf("%s: started at message %d with %d pictures, want %d with %d", c.name, start, len(s.videos), c.start, c.frames)
		}
		if start >= 0 && (s.media[0].Audio != nil) != c.audio {
			t.Errorf("%s: audio %v", c.name, s.media[0].Audio)
		}
	}
}

func TestWhatAPublisherSays(t *testing.T) {
	s := newStage()
	d := s.demuxer()
	other := bytes.Clone(testSPS)
	other[3] = 0x1f // another level
	inBand := []byte{0x17, 1, 0, 0, 0}
	for _, nal := range [][]byte{other, testPPS, {0x65, 1}} {
		inBand = append(append(inBand, 0, 0, 0, byte(len(nal))), nal...)
	}
	for i, m := range []raw{
		{message.TypeDataAMF0, 0, metadata(t, true)}, {message.TypeVideo, 0, videoConfig(t, testSPS)}, {message.TypeAudio, 0, audioConfig},
		{message.TypeVideo, 100, keyframe}, {message.TypeAudio, 110, audioFrame},
		{message.TypeVideo, 120, videoConfig(t, testSPS)}, // again the same: no change
		{message.TypeVideo, 133, inBand},
		{message.TypeAudio, 140, []byte{0xaf, 0, 0x12, 0x10}}, // 44.1 kHz
	} {
		if err := d.take(m); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if m := s.media[0]; m.FrameRate != 30 || m.VideoBitrate != 2_500_000 || m.AudioBitrate != 128_000 || m.Audio.SampleRate != 48_000 {
		t.Errorf("%+v", m)
	}
	if len(s.media) != 3 || s.media[1].Video.Codec != "avc1.42c01f" || s.media[2].Audio.SampleRate != 44_100 {
		t.Errorf("changes: %+v", s.media)
	}
	want := cmaf.AccessUnit{DTS: 100, PTS: 133, Key: true, Data: []byte{0, 0, 0, 3, 0x65, 1, 2}}
	if got := s.videos[0]; got.DTS != want.DTS || got.PTS != want.PTS || !got.Key || !bytes.Equal(got.Data, want.Data) {
		t.Errorf("%+v", got)
	}
	if got := s.videos[1]; !got.Key || !bytes.Equal(got.Data, []byte{0, 0, 0, 2, 0x65, 1}) {
		t.Errorf("parameter sets are left in: %+v", got)
	}
	if len(s.audios) != 1 || s.audios[0].PTS != 110 {
		t.Errorf("%+v", s.audios)
	}
}

func TestFaultsEndAPublication(t *testing.T) {
	for _, c := range []struct {
		name string
		in   raw
		want error
	}{
		{"codec", raw{message.TypeVideo, 0, []byte{0x22, 0, 0, 0, 0}}, flv.ErrCodec},
		{"HEVC", raw{message.TypeVideo, 0, []byte("\x90hvc1x")}, flv.ErrCodec},
		{"MP3", raw{message.TypeAudio, 0, []byte{0x2f, 1, 1}}, flv.ErrCodec},
		{"broken configuration", raw{message.TypeVideo, 0, []byte{0x17, 0, 0, 0, 0, 1, 2}}, cmaf.ErrBitstream},
		{"broken unit", raw{message.TypeVideo, 0, []byte{0x17, 1, 0, 0, 0, 0, 0, 9, 9, 1}}, cmaf.ErrBitstream},
		{"large sound", raw{message.TypeAudio, 0, append([]byte{0xaf, 1}, make([]byte, maxAudioFrame+1)...)}, cmaf.ErrBitstream},
	} {
		d := newStage().demuxer()
		for _, m := range []raw{{message.TypeVideo, 0, videoConfig(t, testSPS)}, {message.TypeAudio, 0, audioConfig}} {
			if err := d.take(m); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.take(c.in); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ app, key, want string }{
		{"live", "demo", "live/demo"}, {"live/", "demo", "live/demo"}, {"live/demo", "", "live/demo"}, {"live", "demo?token=x", "live/demo"},
		{"live?x=/y", "/demo", "live/demo"}, {"live", "", ""}, {"", "demo", ""}, {"a/b", "c", ""}, {"watch", "x", ""}, {"live", "../x", ""}, {"live", "..", ""},
	} {
		id, err := streamID(c.app, c.key)
		if string(id) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("app %q key %q: %q, %v", c.app, c.key, id, err)
		}
	}
}

// memory is a connection whose other side has said everything already.
type memory struct {
	io.Reader
	io.Writer
}

func play(in []byte) (*stage, error) {
	s := newStage()
	c, _, err := accept(memory{bytes.NewReader(append(handshakeBytes(), in...)), io.Discard}, 1<<20)
	if err != nil {
		return s, err
	}
	d := s.demuxer()
	for {
		m, err := c.media()
		if err != nil {
			return s, err
		}
		if err := d.take(m); err != nil {
			return s, err
		}
	}
}

func TestAWholePublication(t *testing.T) {
	s, err := play(script(t))
	if !errors.Is(err, io.EOF) || len(s.videos) != 2 || len(s.audios) != 1 {
		t.Fatalf("%d pictures, %d sounds, %v", len(s.videos), len(s.audios), err)
	}
}

func TestDeeplyNestedMetadataIsRefused(t *testing.T) {
	for _, size := range []int{maxAMF - 10, 8 << 20} {
		var b bytes.Buffer
		c := newClient(t, &b)
		if err := c.connect("live", "x"); err != nil {
			t.Fatal(err)
		}
		if err := c.send(message.TypeDataAMF0, 0, bytes.Repeat([]byte{0x0a, 0, 0, 0, 1}, size/5)); err != nil {
			t.Fatal(err)
		}
		if _, err := play(b.Bytes()); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// FuzzSession runs whatever a publisher may send after the handshake.
func FuzzSession(f *testing.F) {
	f.Add(script(f))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := play(in)
		if err == nil {
			t.Fatal("no end")
		}
		for _, au := range s.videos {
			if len(au.Data) == 0 {
				t.Fatal("picture without bytes")
			}
		}
	})
}

// FuzzAccessUnits runs media messages of any content.
func FuzzAccessUnits(f *testing.F) {
	f.Add(byte(0), int64(0), keyframe)
	f.Add(byte(1), int64(40), audioFrame)
	f.Add(byte(2), int64(0), metadata(f, true))
	f.Add(byte(0), int64(0), videoConfig(f, testSPS))
	f.Add(byte(0), int64(5), []byte("\xa1avc1\x00\x00\x21\x00\x00\x00\x02\x65\x01"))
	f.Fuzz(func(t *testing.T, kind byte, ms int64, body []byte) {
		d := newStage().demuxer()
		kinds := []message.Type{message.TypeVideo, message.TypeAudio, message.TypeDataAMF0}
		for _, m := range []raw{{kinds[0], 0, videoConfig(t, testSPS)}, {kinds[1], 0, audioConfig}, {kinds[0], 0, keyframe}, {kinds[int(kind)%3], ms, body}, {kinds[0], ms, keyframe}} {
			if d.take(m) != nil {
				return
			}
		}
	})
}
