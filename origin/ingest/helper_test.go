package ingest

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"
	"go.uber.org/goleak"

	"starling/internal/cmaf"
	"starling/internal/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	testSPS = []byte{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e, 0x48}
	testPPS = []byte{0x68, 0xcb, 0x83, 0xcb, 0x20}
)

func videoConfig(t testing.TB, sps []byte) []byte {
	t.Helper()
	c, err := cmaf.NewVideoConfig(sps, testPPS, 4)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{0x17, 0, 0, 0, 0}, c.AVCC()...)
}

var (
	audioConfig = []byte{0xaf, 0, 0x11, 0x90} // AAC-LC, 48 kHz, stereo
	audioFrame  = []byte{0xaf, 1, 0x21, 0, 0}
	keyframe    = []byte{0x17, 1, 0, 0, 33, 0, 0, 0, 3, 0x65, 1, 2}
	picture     = []byte{0x27, 1, 0, 0, 0, 0, 0, 0, 2, 0x41, 3}
)

func metadata(t testing.TB, audio bool) []byte {
	t.Helper()
	o := amf0.ECMAArray{{Key: "videocodecid", Value: 7.0}, {Key: "videodatarate", Value: 2500.0}, {Key: "framerate", Value: 30.0}}
	if audio {
		o = append(o, amf0.ObjectEntry{Key: "audiocodecid", Value: 10.0}, amf0.ObjectEntry{Key: "audiodatarate", Value: 128.0})
	}
	b, err := amf0.Data{"@setDataFrame", "onMetaData", o}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// client writes the publisher's side of a session.
type client struct {
	t testing.TB
	w *rawmessage.Writer
}

func newClient(t testing.TB, w io.Writer) *client {
	c := bytecounter.NewWriter(w)
	return &client{t, rawmessage.NewWriter(c, c, false)}
}

func (c *client) send(kind message.Type, ms int64, body []byte) error {
	return c.w.Write(&rawmessage.Message{ChunkStreamID: 4, Type: uint8(kind), MessageStreamID: 1, Timestamp: msDuration(ms), Body: body})
}

func (c *client) command(args ...any) error {
	b, err := amf0.Data(args).Marshal()
	if err != nil {
		c.t.Fatal(err)
	}
	return c.send(message.TypeCommandAMF0, 0, b)
}

func (c *client) connect(app, key string) error {
	if err := c.command("connect", 1.0, amf0.Object{{Key: "app", Value: app}}); err != nil {
		return err
	}
	if err := c.command("createStream", 2.0, nil); err != nil {
		return err
	}
	return c.command("publish", 3.0, nil, key, "live")
}

// handshakeBytes are C0, C1 and C2 of a plain handshake.
func handshakeBytes() []byte { return append([]byte{3}, make([]byte, 2*1536)...) }

// script is a whole publication as bytes.
func script(t testing.TB) []byte {
	var b bytes.Buffer
	c := newClient(t, &b)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.connect("live", "demo"))
	must(c.send(message.TypeDataAMF0, 0, metadata(t, true)))
	must(c.send(message.TypeVideo, 0, videoConfig(t, testSPS)))
	must(c.send(message.TypeAudio, 0, audioConfig))
	must(c.send(message.TypeVideo, 0, keyframe))
	must(c.send(message.TypeAudio, 5, audioFrame))
	must(c.send(message.TypeVideo, 33, picture))
	must(c.command("deleteStream", 4.0, nil, 1.0))
	return b.Bytes()
}

// stage is a host and session that records.
type stage struct {
	mu      sync.Mutex
	id      media.StreamID
	media   []Media
	videos  []cmaf.AccessUnit
	audios  []cmaf.AudioFrame
	closed  chan error
	refusal error // of Publish
}

func newStage() *stage { return &stage{closed: make(chan error, 10)} }

func (s *stage) Publish(id media.StreamID, _ string, m Media) (Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal != nil {
		return nil, s.refusal
	}
	s.id, s.media = id, append(s.media, m)
	return s, nil
}

func (s *stage) Video(au cmaf.AccessUnit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.videos = append(s.videos, au)
	return nil
}

func (s *stage) Audio(f cmaf.AudioFrame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.audios = append(s.audios, f)
	return nil
}

func (s *stage) Change(m Media) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.media = append(s.media, m)
	return nil
}

func (s *stage) Close(err error) { s.closed <- err }

func (s *stage) demuxer() *demuxer {
	return &demuxer{limit: 1 << 20, open: func(m Media) (Session, error) { return s.Publish("live/test", "", m) }}
}
