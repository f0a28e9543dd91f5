package relay

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

// acquireAsync acquires v720 in the background, since the raw upstream must
// answer meanwhile; the release comes when the test ends.
func acquireAsync(t *testing.T, cl *Client) <-chan error {
	done := make(chan error, 1)
	ctx := timeout(t)
	go func() {
		release, err := cl.Acquire(ctx, testStream, "v720")
		if err == nil {
			t.Cleanup(release)
		}
		done <- err
	}()
	return done
}

// begin announces p's stream in a raw session and accepts one subscription.
func (s *rawSession) begin(cl *Client, p *publisher) relaywire.Subscribe {
	s.t.Helper()
	s.send(s.catalog(p.info), relaywire.Synced{})
	done := acquireAsync(s.t, cl)
	sub := expect[relaywire.Subscribe](s)
	s.send(relaywire.SubscribeOK{ID: sub.ID})
	if err := <-done; err != nil {
		s.t.Fatal(err)
	}
	return sub
}

func TestAlteredMediaNeverBecomesReadable(t *testing.T) {
	for name, alter := range map[string]func(p *publisher, raw, payload []byte) []byte{
		"last chunk": func(_ *publisher, raw, payload []byte) []byte {
			payload[len(payload)-1] ^= 1
			return encodePart(raw, payload)
		},
		"first chunk": func(_ *publisher, raw, payload []byte) []byte {
			payload[0] ^= 1
			return encodePart(raw, payload)
		},
		"header": func(_ *publisher, raw, payload []byte) []byte {
			raw[len(raw)/2] ^= 1
			return encodePart(raw, payload)
		},
		"other key": func(_ *publisher, _, payload []byte) []byte {
			_, raw, _ := newPublisher().signed("v720", media.PartID{MSN: 100}, len(payload))
			return encodePart(raw, payload)
		},
		"other track": func(p *publisher, _, payload []byte) []byte {
			_, raw, b := p.signed("a128", media.PartID{MSN: 100}, len(payload))
			return encodePart(raw, b)
		},
		"other segment": func(p *publisher, _, payload []byte) []byte {
			_, raw, b := p.signed("v720", media.PartID{MSN: 99}, len(payload))
			return encodePart(raw, b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, pub := newCluster(t), newPublisher()
			const size = 60_000
			id := media.PartID{MSN: 100}
			h, raw, b := pub.signed("v720", id, size)
			bad := alter(pub, bytes.Clone(raw), bytes.Clone(b))
			origin := pub.originDir()
			pub.publish(t, origin, "v720", 100, 102, size)
			_, honest, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
			liar := c.rawUpstream(t)
			dir := &store.Directory{}
			cl := c.dial(t, ClientConfig{Upstreams: []string{liar.addr, honest}, Node: "edge"}, dir)
			s := liar.accept()
			sub := s.begin(cl, pub)
			tr := trackOf(t, dir, "v720")

			// A reader that looks at all that ever becomes readable.
			read := make(chan []byte, 1)
			ctx := timeout(t)
			go func() {
				var got []byte
				p, err := tr.Next(ctx, media.PartID{})
				for err == nil && len(got) < size {
					got, err = p.Wait(ctx, len(got))
					if !bytes.HasPrefix(b, got) {
						break
					}
				}
				read <- got
			}()
			// The liar answers every request with the same altered part,
			// until its session is closed.
			lie := func(str interface{ Write([]byte) (int, error) }, head []byte) {
				_, _ = str.Write(append(head, bad...)) // the receiver may have had enough
			}
			fetches := make(chan struct{})
			go func() {
				defer close(fetches)
				for {
					str, err := s.conn.AcceptStream(ctx)
					if err != nil {
						return
					}
					lie(str, relaywire.AppendFetchCode(nil, relaywire.FetchOK))
				}
			}()
			for {
				str, err := s.conn.OpenUniStreamSync(ctx)
				if err != nil {
					break
				}
				lie(str, relaywire.AppendSegment(nil, relaywire.Segment{Subscription: sub.ID, MSN: 100}))
				again := false
				for !again {
					f, err := relaywire.ReadFrame(s.br)
					if err != nil {
						break
					}
					if next, ok := f.(relaywire.Subscribe); ok {
						sub, again = next, true
					}
				}
				if !again {
					break
				}
			}
			closedWith(t, s.conn, relaywire.CloseVerification)
			<-fetches

			if got := <-read; !bytes.Equal(got, b) {
				t.Fatalf("a reader saw %d bytes that are not a prefix of the part", len(got))
			}
			expectParts(t, tr, "v720", 100, 102)
			if p, ok := tr.Snapshot().Part(h.ID); !ok || !bytes.Equal(p.Raw, raw) {
				t.Fatal("the honest upstream's part is not there")
			}
			if n := value(cl.m.failures); n < badPerSession {
				t.Errorf("%v failures counted", n)
			}
		})
	}
}

func TestOvertakenSegmentIsRepairedInOrder(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	up, dir := c.rawUpstream(t), &store.Directory{}
	cl := c.dial(t, ClientConfig{Upstreams: []string{up.addr}, Node: "edge", HoldBack: 50 * time.Millisecond}, dir)
	s := up.accept()
	sub := s.begin(cl, pub)
	part := func(msn, i uint64) *store.Part { return pub.part("v720", media.PartID{MSN: msn, Index: i}, 40_000) }
	// Segment 100 stops in the middle of its second part; 101 is whole.
	str := s.segment(sub.ID, 100, part(100, 0))
	whole := encodePart(part(100, 1).Raw, part(100, 1).Bytes())
	s.write(str, whole[:len(whole)/2])
	tr, ctx := trackOf(t, dir, "v720"), timeout(t)
	nextPart(t, tr, media.PartID{})
	half, err := tr.Next(ctx, media.PartID{MSN: 100})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Wait(ctx, 0); err != nil {
		t.Fatal(err)
	}
	next := s.segment(sub.ID, 101, part(101, 0), part(101, 1), part(101, 2), part(101, 3))
	next.Close()
	// Only what is missing is asked for.
	fetch, f := s.fetch()
	if f.MSN != 100 || f.First != 1 || f.Last != relaywire.MaxVarint {
		t.Fatalf("fetch %+v", f)
	}
	s.answer(fetch, relaywire.FetchOK, part(100, 1), part(100, 2), part(100, 3))
	expectParts(t, tr, "v720", 100, 102)
	if p, _ := tr.Snapshot().Part(half.ID()); p != half {
		t.Error("the half part was thrown away")
	}
	if n := value(cl.m.gaps); n != 0 {
		t.Errorf("%v gaps", n)
	}
	str.CancelWrite(0)
}

func TestUnrepairableGapIsJumped(t *testing.T) {
	c, pub := newCluster(t), newPublisher()
	up, dir := c.rawUpstream(t), &store.Directory{}
	cl := c.dial(t, ClientConfig{Upstreams: []string{up.addr}, Node: "edge"}, dir)
	s := up.accept()
	sub := s.begin(cl, pub)
	part := func(msn, i uint64) *store.Part { return pub.part("v720", media.PartID{MSN: msn, Index: i}, 40_000) }
	str := s.segment(sub.ID, 100, part(100, 0))
	whole := encodePart(part(100, 1).Raw, part(100, 1).Bytes())
	s.write(str, whole[:len(whole)/2])
	tr := trackOf(t, dir, "v720")
	ctx := timeout(t)
	half, err := tr.Next(ctx, media.PartID{MSN: 100})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Wait(ctx, 0); err != nil {
		t.Fatal(err)
	}
	str.CancelWrite(quic.StreamErrorCode(relaywire.StreamAbandoned))
	s.segment(sub.ID, 102, part(102, 0), part(102, 1), part(102, 2), part(102, 3)).Close()
	fetch, _ := s.fetch()
	s.answer(fetch, relaywire.FetchGone)
	// The reader of the half part is told, and live goes on.
	for have := 0; err == nil; {
		var b []byte
		b, err = half.Wait(ctx, have)
		have = len(b)
		if have == half.Header.Size {
			t.Fatal("the half part became whole")
		}
	}
	expectParts(t, tr, "v720", 102, 103)
	if n := value(cl.m.gaps); n != 1 {
		t.Errorf("%v gaps", n)
	}
}

func TestGarbageFromUpstreamEndsItsSessionOnly(t *testing.T) {
	stream := func(b ...byte) func(*rawSession) {
		return func(s *rawSession) {
			str, err := s.conn.OpenUniStreamSync(timeout(s.t))
			if err != nil {
				s.t.Fatal(err)
			}
			s.write(str, b)
			str.Close()
		}
	}
	control := func(b ...byte) func(*rawSession) { return func(s *rawSession) { s.write(s.ctl, b) } }
	for name, do := range map[string]func(*rawSession){
		"oversized frame":      control(0x02, 0x80, 0x10, 0x00, 0x01),
		"catalog not JSON":     control(0x02, 3, '{', '!', '}'),
		"catalog without name": control(0x02, 2, '{', '}'),
		"downstream's frame":   control(0x05, 1, 9),
		"short frame":          control(0x06, 0),
		"control closed early": func(s *rawSession) { s.write(s.ctl, []byte{0x03, 9, 1}); s.ctl.Close() },
		"control reset":        func(s *rawSession) { s.ctl.CancelWrite(9) },
		"cut head":             stream(0x20, 0x40),
		"empty stream":         stream(),
	} {
		t.Run(name, func(t *testing.T) {
			c, pub := newCluster(t), newPublisher()
			bad, dir := c.rawUpstream(t), &store.Directory{}
			origin := pub.originDir()
			pub.publish(t, origin, "v720", 100, 102, 5000)
			_, good, _ := c.serve(t, ServerConfig{Node: "origin"}, origin)
			cl := c.dial(t, ClientConfig{Upstreams: []string{bad.addr, good}, Node: "edge"}, dir)
			s := bad.accept()
			do(s)
			closedWith(t, s.conn, relaywire.CloseMalformed)
			expectParts(t, acquire(t, cl, dir, "v720"), "v720", 100, 102)
		})
	}
	t.Run("unknown stream type", func(t *testing.T) {
		c, pub := newCluster(t), newPublisher()
		up, dir := c.rawUpstream(t), &store.Directory{}
		cl := c.dial(t, ClientConfig{Upstreams: []string{up.addr}, Node: "edge"}, dir)
		s := up.accept()
		str, err := s.conn.OpenUniStreamSync(timeout(t))
		if err != nil {
			t.Fatal(err)
		}
		s.write(str, []byte{0x2f, 1, 2, 3})
		<-str.Context().Done() // refused
		sub := s.begin(cl, pub)
		part := pub.part("v720", media.PartID{MSN: 100}, 5000)
		s.segment(sub.ID, 100, part)
		if p := nextPart(t, trackOf(t, dir, "v720"), media.PartID{}); !bytes.Equal(p.Bytes(), part.Bytes()) {
			t.Fatal("the session did not go on")
		}
	})
}

func TestLoopIsRefused(t *testing.T) {
	c := newCluster(t)
	for name, hops := range map[string][]string{"upstream of the upstream": {"x", "edge"}, "itself": nil} {
		t.Run(name, func(t *testing.T) {
			up := c.rawUpstream(t)
			node := "edge"
			if hops == nil {
				node = "raw"
			}
			c.dial(t, ClientConfig{Upstreams: []string{up.addr}, Node: node}, &store.Directory{})
			closedWith(t, up.accept(hops...).conn, relaywire.CloseLoop)
		})
	}
	t.Run("made later", func(t *testing.T) {
		up := c.rawUpstream(t)
		c.dial(t, ClientConfig{Upstreams: []string{up.addr}, Node: "edge"}, &store.Directory{})
		s := up.accept()
		s.send(relaywire.Synced{}, relaywire.Hello{Version: 1, Node: "raw", Hops: []string{"edge"}})
		closedWith(t, s.conn, relaywire.CloseLoop)
	})
	t.Run("a server tells when its own upstream changes", func(t *testing.T) {
		up, dir := c.rawUpstream(t), &store.Directory{}
		cl := c.dial(t, ClientConfig{Upstreams: []string{up.addr}, Node: "edge"}, dir)
		_, addr, _ := c.serve(t, ServerConfig{Node: "edge", Upstream: cl}, dir)
		s := c.rawDownstream(t, addr, nil)
		if h := expect[relaywire.Hello](s); h.Node != "edge" || len(h.Hops) != 0 {
			t.Fatalf("first %+v", h)
		}
		up.accept("origin")
		if h := expect[relaywire.Hello](s); !slices.Equal(h.Hops, []string{"raw", "origin"}) {
			t.Fatalf("then %+v", h)
		}
	})
}
