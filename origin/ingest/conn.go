package ingest

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/handshake"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"

	"starling/internal/media"
)

// maxAMF bounds messages in AMF0. The library's decoder recurses with the
// nesting of values, so that 10 MB of nested arrays, which it would take,
// overflow the stack and end the process.
const maxAMF = 64 << 10

// windowSize is the acknowledgement window offered to publishers, as is usual.
const windowSize = 2_500_000

// conn is the server's side of an RTMP session (Adobe RTMP 1.0). The handshake,
// chunk streams and AMF0 are the library's. Its ServerConn is not used, since it
// takes AMF0 of any depth and says "publish start" before the name can be refused.
type conn struct {
	r    *rawmessage.Reader
	w    *message.Writer
	app  string
	size int // of an access unit, at most
}

// raw is a media or metadata message.
type raw struct {
	kind message.Type
	ms   int64
	body []byte
}

// accept does the handshake and everything up to the publish command.
func accept(rw io.ReadWriter, size int) (*conn, media.StreamID, error) {
	keyIn, _, err := handshake.DoServer(rw, false)
	if err != nil {
		return nil, "", fmt.Errorf("handshake: %w", err)
	}
	if keyIn != nil {
		return nil, "", errors.New("encrypted RTMP (rtmpe) is obsolete and not supported, use rtmp")
	}
	count := bytecounter.NewReadWriter(rw)
	c := &conn{size: size, w: message.NewWriter(count, count.Writer, false)}
	c.r = rawmessage.NewReader(count, count.Reader, func(n uint32) error { return c.w.Write(&message.Acknowledge{Value: n}) })
	for {
		cmd, err := c.command()
		if err != nil {
			return nil, "", err
		}
		switch cmd.name {
		case "connect":
			err = c.connect(cmd)
		case "createStream":
			err = c.reply(cmd, nil, float64(1))
		case "publish":
			key, _ := cmd.arg(1).(string)
			id, err := streamID(c.app, key)
			return c, id, err
		case "play":
			return nil, "", errors.New("playing over RTMP is not supported, watch by HLS")
		}
		if err != nil {
			return nil, "", err
		}
	}
}

// streamID makes APP/NAME of what publishers put into URL and stream key:
// rtmp://HOST/APP with key NAME, or rtmp://HOST/APP/NAME without.
func streamID(app, key string) (media.StreamID, error) {
	app, _, _ = strings.Cut(app, "?")
	key, _, _ = strings.Cut(key, "?")
	parts := strings.FieldsFunc(app+"/"+key, func(r rune) bool { return r == '/' })
	return media.ParseStreamID(strings.Join(parts, "/"))
}

func (c *conn) connect(cmd command) error {
	var o amf0.Object
	switch v := cmd.arg(0).(type) {
	case amf0.Object:
		o = v
	case amf0.ECMAArray:
		o = amf0.Object(v)
	}
	app, ok := o.GetString("app")
	if !ok {
		return errors.New("connect without an app name")
	}
	c.app = app
	for _, m := range []message.Message{
		&message.SetWindowAckSize{Value: windowSize},
		&message.SetPeerBandwidth{Value: windowSize, Type: 2},
		&message.SetChunkSize{Value: 65536},
	} {
		if err := c.w.Write(m); err != nil {
			return err
		}
	}
	return c.reply(cmd, amf0.Object{{Key: "fmsVer", Value: "FMS/3,0,1,123"}, {Key: "capabilities", Value: float64(31)}},
		status("status", "NetConnection.Connect.Success", "Connection succeeded."))
}

// start tells the publisher to go on.
func (c *conn) start() error {
	return c.onStatus(status("status", "NetStream.Publish.Start", "publish start"))
}

// refuse tells the publisher why the connection will be closed.
func (c *conn) refuse(code, why string) error { return c.onStatus(status("error", code, why)) }

func (c *conn) onStatus(o amf0.Object) error {
	return c.w.Write(&message.CommandAMF0{ChunkStreamID: 5, MessageStreamID: 1 << 24, Name: "onStatus", Arguments: []any{nil, o}})
}

func (c *conn) reply(cmd command, args ...any) error {
	return c.w.Write(&message.CommandAMF0{ChunkStreamID: cmd.chunkStream, Name: "_result", CommandID: cmd.id, Arguments: args})
}

func status(level, code, description string) amf0.Object {
	return amf0.Object{{Key: "level", Value: level}, {Key: "code", Value: code}, {Key: "description", Value: description}}
}

// command is a remote procedure call.
type command struct {
	chunkStream byte
	name        string
	id          int
	args        amf0.Data
}

func (c command) arg(i int) any {
	if i < len(c.args) {
		return c.args[i]
	}
	return nil
}

// command reads up to the next command; media before publish is ignored.
func (c *conn) command() (command, error) {
	for {
		m, err := c.message()
		if err != nil {
			return command{}, err
		}
		if message.Type(m.Type) != message.TypeCommandAMF0 {
			continue
		}
		return parseCommand(m)
	}
}

func parseCommand(m *rawmessage.Message) (command, error) {
	data, err := decodeAMF(m.Body)
	if err != nil {
		return command{}, err
	}
	if len(data) < 2 {
		return command{}, errors.New("malformed command")
	}
	name, _ := data[0].(string)
	id, _ := data[1].(float64)
	return command{m.ChunkStreamID, name, int(id), data[2:]}, nil
}

func decodeAMF(b []byte) (amf0.Data, error) {
	if len(b) > maxAMF {
		return nil, fmt.Errorf("AMF message of %d bytes, limit %d", len(b), maxAMF)
	}
	data, err := amf0.Unmarshal(b)
	if err != nil {
		return nil, fmt.Errorf("AMF message: %w", err)
	}
	return data, nil
}

// media reads up to the next message with media or metadata. io.EOF is an
// orderly end.
func (c *conn) media() (raw, error) {
	for {
		m, err := c.message()
		if err != nil {
			return raw{}, err
		}
		switch kind := message.Type(m.Type); kind {
		case message.TypeVideo, message.TypeAudio, message.TypeDataAMF0:
			if len(m.Body) > c.size {
				return raw{}, fmt.Errorf("message of %d bytes, limit %d", len(m.Body), c.size)
			}
			return raw{kind, m.Timestamp.Milliseconds(), m.Body}, nil
		case message.TypeCommandAMF0:
			cmd, err := parseCommand(m)
			if err != nil {
				return raw{}, err
			}
			switch cmd.name {
			case "FCUnpublish", "deleteStream", "closeStream":
				return raw{}, io.EOF
			}
		}
	}
}

// message reads a message and handles those of the protocol itself.
func (c *conn) message() (*rawmessage.Message, error) {
	m, err := c.r.Read()
	if err != nil {
		return nil, err
	}
	number := func(at int) (uint32, bool) {
		if len(m.Body) < at+4 {
			return 0, false
		}
		b := m.Body[at:]
		return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]), true
	}
	v, ok := number(0)
	switch message.Type(m.Type) {
	case message.TypeSetChunkSize:
		if !ok || v == 0 || v > 1<<24 {
			return nil, fmt.Errorf("chunk size %d", v)
		}
		err = c.r.SetChunkSize(v)
	case message.TypeAbortMessage:
		c.r.AbortChunkStream(v)
	case message.TypeSetWindowAckSize:
		c.r.SetWindowAckSize(v)
	case message.TypeUserControl:
		if t, ok := number(2); ok && m.Body[0] == 0 && message.UserControlType(m.Body[1]) == message.UserControlTypePingRequest {
			err = c.w.Write(&message.UserControlPingResponse{ServerTime: t})
		}
	}
	return m, err
}
