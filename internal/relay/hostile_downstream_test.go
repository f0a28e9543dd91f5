package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"testing"

	"github.com/quic-go/quic-go"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

func TestOnlyNodesOfTheClusterAreServed(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	origin := pub.originDir()
	srv, addr, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
	stranger := newCluster(t)
	noCert := c.id.ClientTLS(relaywire.ALPN)
	noCert.Certificates = nil
	foreign := c.id.ClientTLS(relaywire.ALPN)
	foreign.Certificates = []tls.Certificate{stranger.id.Certificate}
	for name, conf := range map[string]*tls.Config{
		"no certificate":      noCert,
		"another authority":   foreign,
		"another protocol":    c.id.ClientTLS("h3"),
		"no protocol":         c.id.ClientTLS(),
		"a newer one only":    c.id.ClientTLS("starling-relay/2"),
		"trusts other server": stranger.id.ClientTLS(relaywire.ALPN),
	} {
		conn, err := c.rawDial(t, addr, conf, nil)
		if err == nil {
			// In TLS 1.3 the client is done before the server has seen its
			// certificate.
			select {
			case <-conn.Context().Done():
				err = context.Cause(conn.Context())
			case <-timeout(t).Done():
				t.Fatalf("%s: accepted", name)
			}
		}
		if _, ok := errors.AsType[*quic.TransportError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := value(srv.m.sessions); n != 0 {
		t.Errorf("%v sessions", n)
	}
	if _, err := NewServer(ServerConfig{TLS: &tls.Config{}}, origin, testLog(t), nil); err == nil {
		t.Error("a server that asks for no certificate was made")
	}
	c.rawDownstream(t, addr, nil).send(relaywire.Ping{Token: [8]byte{7}})
}

func TestGarbageFromDownstreamEndsItsSessionOnly(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	origin, dir := pub.originDir(), &store.Directory{Segments: 64}
	_, addr, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
	healthy := c.dial(t, ClientConfig{Upstreams: []string{addr}, Node: "edge"}, dir)
	tr := acquire(t, healthy, dir, "v720")

	bidi := func(b ...byte) func(*rawSession) {
		return func(s *rawSession) {
			str, err := s.conn.OpenStreamSync(timeout(s.t))
			if err != nil {
				s.t.Fatal(err)
			}
			s.write(str, b)
		}
	}
	control := func(b ...byte) func(*rawSession) { return func(s *rawSession) { s.write(s.ctl, b) } }
	subscribe := relaywire.Subscribe{ID: 1, Stream: testStream, Track: "v720"}
	msn := uint64(100)
	for name, do := range map[string]func(*rawSession){
		"oversized frame":    control(0x04, 0x80, 0x10, 0x00, 0x01),
		"upstream's frame":   control(0x03, 4, 3, 'a', '/', 'b'),
		"bad stream name":    control(0x04, 8, 1, 3, 'a', 'b', 'c', 1, 'v', 0),
		"control reset":      func(s *rawSession) { s.ctl.CancelWrite(3) },
		"same id twice":      func(s *rawSession) { s.send(subscribe, subscribe) },
		"fetch of no name":   bidi(0x30, 0),
		"fetch backwards":    bidi(0x30, 3, 'a', '/', 'b', 1, 'v', 1, 5, 2),
		"fetch name endless": bidi(0x30, 0x80, 0xff, 0xff, 0xff),
	} {
		s := c.rawDownstream(t, addr, nil)
		expect[relaywire.Synced](s)
		do(s)
		closedWith(t, s.conn, relaywire.CloseMalformed)
		// The neighbour's media flows all the while.
		pub.publish(t, origin, "v720", msn, msn+1, 5000)
		expectParts(t, tr, "v720", msn, msn+1)
		if msn++; t.Failed() {
			t.Fatal(name)
		}
	}
	t.Run("no HELLO first", func(t *testing.T) {
		conn, err := c.rawDial(t, addr, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		str, _ := conn.OpenStreamSync(timeout(t))
		if _, err := str.Write(relaywire.Append(nil, subscribe)); err != nil {
			t.Fatal(err)
		}
		closedWith(t, conn, relaywire.CloseMalformed)
	})
	t.Run("unidirectional streams", func(t *testing.T) {
		s := c.rawDownstream(t, addr, nil)
		if _, err := s.conn.OpenUniStream(); err == nil {
			t.Fatal("the server takes unidirectional streams")
		}
	})
	t.Run("unknown stream type", func(t *testing.T) {
		s := c.rawDownstream(t, addr, nil)
		str, err := s.conn.OpenStreamSync(timeout(t))
		if err != nil {
			t.Fatal(err)
		}
		s.write(str, []byte{0x3e, 1, 2, 3})
		_, err = str.Read(make([]byte, 1))
		if se, ok := errors.AsType[*quic.StreamError](err); !ok || relaywire.StreamCode(se.ErrorCode) != relaywire.StreamUnknown {
			t.Fatal(err)
		}
		token := relaywire.Ping{Token: [8]byte{1, 2}}
		s.send(token)
		if pong := expect[relaywire.Pong](s); pong.Token != token.Token {
			t.Fatal("the session did not go on")
		}
	})
	if n := value(healthy.m.sessions); n != 1 {
		t.Errorf("the healthy edge needed %v sessions", n)
	}
}

func TestLimitsRefuseAndSayWhy(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	_, addr, _ := c.serve(t, ServerConfig{Node: "origin", MaxSessions: 1, MaxSubscriptions: 1}, pub.originDir())
	first := c.rawDownstream(t, addr, nil)
	expect[relaywire.Synced](first)
	conn, err := c.rawDial(t, addr, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	closedWith(t, conn, relaywire.CloseOverloaded)

	first.send(relaywire.Subscribe{ID: 1, Stream: testStream, Track: "v720"})
	expect[relaywire.SubscribeOK](first)
	first.send(relaywire.Subscribe{ID: 2, Stream: testStream, Track: "a128"})
	if e := expect[relaywire.SubscribeError](first); e.ID != 2 || e.Code != relaywire.SubscribeOverloaded {
		t.Fatalf("%+v", e)
	}
	// What ended makes room, whether by UNSUBSCRIBE or by refusal.
	first.send(relaywire.Unsubscribe{ID: 1}, relaywire.Subscribe{ID: 3, Stream: "live/other", Track: "v720"})
	if e := expect[relaywire.SubscribeError](first); e.ID != 3 || e.Code != relaywire.SubscribeNoStream {
		t.Fatalf("%+v", e)
	}
	first.send(relaywire.Unsubscribe{ID: 3}, relaywire.Subscribe{ID: 4, Stream: testStream, Track: "v999"})
	if e := expect[relaywire.SubscribeError](first); e.ID != 4 || e.Code != relaywire.SubscribeNoTrack {
		t.Fatalf("%+v", e)
	}
}

func TestSlowReaderLosesOldSegmentsAndHarmsNobody(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	pub.info.SegmentMS = 20
	origin, dir := pub.originDir(), &store.Directory{Segments: 64}
	srv, addr, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
	healthy := c.dial(t, ClientConfig{Upstreams: []string{addr}, Node: "edge"}, dir)
	tr := acquire(t, healthy, dir, "v720")

	narrow := clientQUIC(DefaultIdleTimeout)
	narrow.InitialStreamReceiveWindow, narrow.MaxStreamReceiveWindow = 8<<10, 8<<10
	slow := c.rawDownstream(t, addr, narrow)
	slow.send(relaywire.Subscribe{ID: 1, Stream: testStream, Track: "v720"})
	expect[relaywire.SubscribeOK](slow)
	pub.publish(t, origin, "v720", 100, 101, 50_000)
	ctx := timeout(t)
	head := func() (*quic.ReceiveStream, uint64) {
		str, err := slow.conn.AcceptUniStream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		br := relaywire.NewReader(str)
		if typ, err := relaywire.ReadStreamType(br); err != nil || typ != relaywire.StreamTypeSegment {
			t.Fatal(typ, err)
		}
		seg, err := relaywire.ReadSegment(br)
		if err != nil {
			t.Fatal(err)
		}
		return str, seg.MSN
	}
	stuck, msn := head()
	if msn != 100 {
		t.Fatalf("first segment %d", msn)
	}
	pub.publish(t, origin, "v720", 101, 108, 50_000)
	expectParts(t, tr, "v720", 100, 108)

	// The stream that nobody reads is given up for the newest segment.
	if _, msn = head(); msn != 107 {
		t.Fatalf("then segment %d", msn)
	}
	_, err := io.Copy(io.Discard, stuck)
	if se, ok := errors.AsType[*quic.StreamError](err); !ok || relaywire.StreamCode(se.ErrorCode) != relaywire.StreamAbandoned {
		t.Fatalf("the old stream ended with %v", err)
	}
	if n := value(srv.m.abandoned); n != 1 {
		t.Errorf("%v segments abandoned", n)
	}
}

func TestStartOfASubscription(t *testing.T) {
	tr := store.NewTrack("v", 8)
	id := func(msn, i uint64) media.PartID { return media.PartID{MSN: msn, Index: i} }
	if got := startAfter(id(0, 3), tr.Snapshot()); got != id(0, 0) {
		t.Errorf("empty window: after %s", got)
	}
	pub := newPublisher()
	for msn := uint64(10); msn < 14; msn++ {
		for i := range uint64(partsPerSegment) {
			if err := tr.Add(pub.part("v720", id(msn, i), 10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct{ from, first media.PartID }{
		{id(0, 1), id(13, 0)},
		{id(0, 3), id(11, 0)},
		{id(0, 100), id(10, 0)},
		{id(11, 2), id(11, 2)},
		{id(12, 0), id(12, 0)},
		{id(3, 7), id(10, 0)}, // older than the window
	} {
		p := firstAfter(tr, startAfter(c.from, tr.Snapshot()))
		if p == nil || p.ID() != c.first {
			t.Errorf("from %s: %v", c.from, p)
		}
	}
	if p := firstAfter(tr, startAfter(id(0, 0), tr.Snapshot())); p != nil {
		t.Errorf("live end only: %s", p.ID())
	}
}
