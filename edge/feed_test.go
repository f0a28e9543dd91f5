package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starling/internal/media"
	"starling/internal/peerwire"
)

// viewer is the other end of a feed.
type viewer struct {
	t    *testing.T
	ctx  context.Context
	ws   *websocket.Conn
	seen map[media.PartID]*media.Header // by HEADER; tests use one track at a time
}

func (r *rig) dial(t *testing.T) *viewer {
	t.Helper()
	v := r.dialRaw(t)
	if h, ok := v.read().(peerwire.Hello); !ok || h.ID != peerwire.EdgeID || h.Stream != "live/demo" || h.Version != 1 {
		t.Fatalf("the edge's first frame is %+v", h)
	}
	v.send(peerwire.Hello{Version: 1, ID: "viewer-1", Stream: "live/demo"})
	return v
}

func (r *rig) dialRaw(t *testing.T) *viewer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	ws, _, err := websocket.Dial(ctx, strings.Replace(r.http.URL, "http", "ws", 1)+"/feed/live/demo", &websocket.DialOptions{Subprotocols: []string{peerwire.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(peerwire.MaxFrameSize)
	t.Cleanup(func() { ws.CloseNow() })
	return &viewer{t: t, ctx: ctx, ws: ws, seen: map[media.PartID]*media.Header{}}
}

func (v *viewer) send(f peerwire.Frame) {
	v.t.Helper()
	if err := v.ws.Write(v.ctx, websocket.MessageBinary, peerwire.Append(nil, f)); err != nil {
		v.t.Fatal(err)
	}
}

// read gives the next frame.
func (v *viewer) read() peerwire.Frame {
	v.t.Helper()
	_, b, err := v.ws.Read(v.ctx)
	if err != nil {
		v.t.Fatal(err)
	}
	f, err := peerwire.Parse(b)
	if err != nil {
		v.t.Fatal(err)
	}
	return f
}

// chunk reads up to the next CHUNK and verifies it against its header, which
// must have come before.
func (v *viewer) chunk() peerwire.Chunk {
	v.t.Helper()
	for {
		switch f := v.read().(type) {
		case peerwire.Header:
			h, err := media.VerifyHeader(f.Raw, streamInfo().Key)
			if err != nil {
				v.t.Fatal(err)
			}
			if v.seen[h.ID] != nil {
				v.t.Fatalf("the header of %s came twice", h.ID)
			}
			v.seen[h.ID] = h
		case peerwire.Chunk:
			h := v.seen[f.Part]
			if h == nil {
				v.t.Fatalf("chunk %d of %s before its header", f.Index, f.Part)
			}
			if err := h.VerifyChunk(f.Index, f.Data); err != nil {
				v.t.Fatal(err)
			}
			return f
		case peerwire.Ping:
			v.send(peerwire.Pong(f))
		default:
			v.t.Fatalf("unexpected %T %+v", f, f)
		}
	}
}

// bye reads up to the goodbye and the close.
func (v *viewer) bye() peerwire.Bye {
	v.t.Helper()
	for {
		if b, ok := v.read().(peerwire.Bye); ok {
			if _, _, err := v.ws.Read(v.ctx); err == nil {
				v.t.Fatal("frames after BYE")
			} else if errors.Is(err, context.DeadlineExceeded) {
				v.t.Fatal("not closed after BYE")
			}
			return b
		}
	}
}

func TestFeedPushesSubscribedSlicesOfEachPart(t *testing.T) {
	r := newRig(t, Config{}, nil).listen()
	r.video.parts(7)
	v := r.dial(t)
	v.send(peerwire.Subscribe{Track: 1, Slices: 0b101, Part: media.PartID{MSN: firstMSN + 1, Index: 1}})
	const parts = 5
	sent := uint64(0)
	for i := range uint64(parts) {
		r.video.parts(1)
		id := media.PartID{MSN: firstMSN + 1, Index: i + 1}
		n := media.ChunkCount(r.video.size, r.video.header().ChunkSize)
		for c := range n {
			if s := media.SliceOf(n, 3, c); s == 1 {
				continue
			}
			got := v.chunk()
			if got.Part != id || got.Index != c || got.Track != 1 {
				t.Fatalf("chunk %d of %s, want %d of %s", got.Index, got.Part, c, id)
			}
			sent += uint64(len(got.Data))
		}
	}
	v.send(peerwire.Ping{Token: [8]byte{1, 2}})
	if p, ok := v.read().(peerwire.Pong); !ok || p.Token != [8]byte{1, 2} {
		t.Fatalf("%+v", p)
	}
	stats := r.edge.Stats()[0]
	if stats.FeedBytes != sent || stats.MediaBytes != 0 || stats.FeedViewers != 1 {
		t.Errorf("%+v, want %d feed bytes", stats, sent)
	}
	v.send(peerwire.Unsubscribe{Track: 1, Slices: 0b1})
	v.send(peerwire.Unsubscribe{Track: 1, Slices: 0b100})
	v.send(peerwire.Ping{}) // its answer shows that the edge has read both
	if _, ok := v.read().(peerwire.Pong); !ok {
		t.Fatal("no PONG")
	}
	r.video.parts(1)
	v.send(peerwire.Ping{})
	if f, ok := v.read().(peerwire.Pong); !ok {
		t.Fatalf("%+v after UNSUBSCRIBE", f)
	}
}

// docs/peer.md rule 2: chunks go on before the part is complete.
func TestFeedPushesChunksBeforeThePartIsComplete(t *testing.T) {
	r := newRig(t, Config{}, nil).listen()
	r.video.parts(6)
	v := r.dial(t)
	part := r.video.begin()
	v.send(peerwire.Subscribe{Track: 1, Slices: 0b111}) // from the next part: the one that arrives
	body := r.video.bytes(part.ID())
	for c := range part.Header.Chunks() {
		from, to := part.Header.ChunkRange(c)
		if _, err := part.Write(body[from:to]); err != nil {
			t.Fatal(err)
		}
		if got := v.chunk(); got.Index != c || !bytes.Equal(got.Data, body[from:to]) {
			t.Fatalf("chunk %d, want %d", got.Index, c)
		}
	}
	r.video.track.Finish(part)
}

func TestFeedCatchesUpAddedSlices(t *testing.T) {
	r := newRig(t, Config{}, nil).listen()
	r.video.parts(6)
	v := r.dial(t)
	from := media.PartID{MSN: firstMSN + 1}
	v.send(peerwire.Subscribe{Track: 1, Slices: 0b1, Part: from})
	r.video.parts(3)
	n := media.ChunkCount(r.video.size, r.video.header().ChunkSize)
	got := map[string]int{}
	read := func(chunks int) {
		for range chunks {
			c := v.chunk()
			got[fmt.Sprintf("%s/%d", c.Part, media.SliceOf(n, 3, c.Index))]++
		}
	}
	read(3 * len(sliceOf(n, 0)))
	v.send(peerwire.Subscribe{Track: 1, Slices: 0b10, Part: media.PartID{MSN: firstMSN + 1, Index: 1}})
	read(2 * len(sliceOf(n, 1))) // parts 1 and 2, but not 0
	r.video.parts(1)
	read(len(sliceOf(n, 0)) + len(sliceOf(n, 1)))
	for slice, parts := range map[int][]uint64{0: {0, 1, 2, 3}, 1: {1, 2, 3}} {
		for _, i := range parts {
			key := fmt.Sprintf("%d.%d/%d", firstMSN+1, i, slice)
			if got[key] != len(sliceOf(n, slice)) {
				t.Errorf("%s: %d chunks, want %d", key, got[key], len(sliceOf(n, slice)))
			}
			delete(got, key)
		}
	}
	if len(got) != 0 {
		t.Errorf("also %v", got)
	}
}

// sliceOf gives the chunks of slice s of three.
func sliceOf(n, s int) (out []int) {
	first, end := media.SliceChunks(n, 3, s)
	for i := first; i < end; i++ {
		out = append(out, i)
	}
	return out
}

func TestFeedAnswersRequestsOrRefuses(t *testing.T) {
	r := newRig(t, Config{}, nil).listen()
	r.video.parts(8)
	v := r.dial(t)
	id := media.PartID{MSN: firstMSN + 1}
	v.send(peerwire.Request{Range: peerwire.Range{Track: 1, Part: id, First: 1, Count: 2}, DeadlineMS: 5000})
	for c := 1; c <= 2; c++ {
		if got := v.chunk(); got.Part != id || got.Index != c {
			t.Fatalf("%s chunk %d", got.Part, got.Index)
		}
	}
	refused := func(q peerwire.Request, why peerwire.Reason) {
		t.Helper()
		v.send(q)
		if f, ok := v.read().(peerwire.Refuse); !ok || f.Reason != why || f.Range != q.Range {
			t.Fatalf("%+v", f)
		}
	}
	refused(peerwire.Request{Range: peerwire.Range{Track: 1, Part: media.PartID{MSN: 5}, Count: 1}, DeadlineMS: 5000}, peerwire.ReasonAbsent)
	refused(peerwire.Request{Range: peerwire.Range{Track: 9, Part: id, Count: 1}, DeadlineMS: 5000}, peerwire.ReasonAbsent)
	refused(peerwire.Request{Range: peerwire.Range{Track: 1, Part: id, First: 2, Count: 50}, DeadlineMS: 5000}, peerwire.ReasonAbsent)
	refused(peerwire.Request{Range: peerwire.Range{Track: 1, Part: id, Count: 1}, DeadlineMS: 0}, peerwire.ReasonLate)

	// A part that still arrives: its first chunk is sent, the rest misses the deadline.
	part := r.video.begin()
	from, to := part.Header.ChunkRange(0)
	part.Write(r.video.bytes(part.ID())[from:to])
	v.send(peerwire.Request{Range: peerwire.Range{Track: 1, Part: part.ID(), First: 0, Count: 2}, DeadlineMS: 500})
	if got := v.chunk(); got.Part != part.ID() || got.Index != 0 {
		t.Fatalf("%+v", got)
	}
	if f, ok := v.read().(peerwire.Refuse); !ok || f.Reason != peerwire.ReasonLate || f.First != 1 || f.Count != 1 {
		t.Fatalf("%+v", f)
	}

	v.send(peerwire.Subscribe{Track: 7, Slices: 0b11})
	if f, ok := v.read().(peerwire.Refuse); !ok || f.Reason != peerwire.ReasonAbsent || f.Count != 0b11 || f.Track != 7 {
		t.Fatalf("%+v", f)
	}
}

func TestFeedHeadersAloneAndAudio(t *testing.T) {
	r := newRig(t, Config{}, nil).listen()
	r.video.parts(6)
	v := r.dial(t)
	v.send(peerwire.Subscribe{Track: 1, Slices: 0, Part: media.PartID{MSN: firstMSN + 1}})
	r.video.parts(2)
	for i := range uint64(2) {
		f, ok := v.read().(peerwire.Header)
		if !ok {
			t.Fatalf("%T", f)
		}
		if h, err := media.VerifyHeader(f.Raw, streamInfo().Key); err != nil || h.ID != (media.PartID{MSN: firstMSN + 1, Index: i}) {
			t.Fatalf("%v %v", h, err)
		}
	}
	v.send(peerwire.Subscribe{Track: 2, Slices: 1, Part: media.PartID{MSN: firstMSN}})
	r.audio.parts(1)
	if c := v.chunk(); c.Track != 2 || len(c.Data) != r.audio.size {
		t.Fatalf("track %d, %d bytes", c.Track, len(c.Data))
	}
}

func TestBadFramesEndTheFeed(t *testing.T) {
	r := newRig(t, Config{}, nil).listen()
	r.video.parts(6)
	hello := peerwire.Append(nil, peerwire.Hello{Version: 1, Stream: "live/demo"})
	for name, c := range map[string]struct {
		frames [][]byte
		reason peerwire.Reason
	}{
		"truncated":          {[][]byte{hello, {byte(peerwire.TypeRequest), 1}}, peerwire.ReasonProtocol},
		"empty":              {[][]byte{hello, {}}, peerwire.ReasonProtocol},
		"no hello":           {[][]byte{peerwire.Append(nil, peerwire.Subscribe{Track: 1, Slices: 1})}, peerwire.ReasonProtocol},
		"two hellos":         {[][]byte{hello, hello}, peerwire.ReasonProtocol},
		"version 0":          {[][]byte{peerwire.Append(nil, peerwire.Hello{Version: 0, Stream: "live/demo"})}, peerwire.ReasonVersion},
		"another stream":     {[][]byte{peerwire.Append(nil, peerwire.Hello{Version: 1, Stream: "live/other"})}, peerwire.ReasonWrongStream},
		"a flood":            {append([][]byte{hello}, repeat(peerwire.Append(nil, peerwire.Pong{}), 2*feedFrameBurst)...), peerwire.ReasonProtocol},
		"later frames alone": {[][]byte{hello, {0x7f, 1, 2, 3}, peerwire.Append(nil, peerwire.Bye{Reason: peerwire.ReasonLeaving})}, peerwire.ReasonNone},
	} {
		t.Run(name, func(t *testing.T) {
			v := r.dialRaw(t)
			v.read() // HELLO
			for _, b := range c.frames {
				if err := v.ws.Write(v.ctx, websocket.MessageBinary, b); err != nil {
					break // the edge has closed already
				}
			}
			if c.reason == peerwire.ReasonNone { // our own BYE: no answer, only the end
				if _, _, err := v.ws.Read(v.ctx); err == nil || errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("%v", err)
				}
				return
			}
			if b := v.bye(); b.Reason != c.reason {
				t.Fatalf("%s %q", b.Reason, b.Text)
			}
		})
	}
	t.Run("text", func(t *testing.T) {
		v := r.dial(t)
		if err := v.ws.Write(v.ctx, websocket.MessageText, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if b := v.bye(); b.Reason != peerwire.ReasonProtocol {
			t.Fatalf("%+v", b)
		}
	})
	t.Run("too long", func(t *testing.T) {
		v := r.dial(t)
		if err := v.ws.Write(v.ctx, websocket.MessageBinary, make([]byte, peerwire.MaxFrameSize+1)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := v.ws.Read(v.ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
			t.Fatalf("%v", err)
		}
	})
	for r.edge.Stats()[0].FeedViewers != 0 {
		if !poll(t) {
			t.Fatal("feeds are left")
		}
	}
}

func repeat(b []byte, n int) (out [][]byte) {
	for range n {
		out = append(out, b)
	}
	return out
}
