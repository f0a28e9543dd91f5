package peerstate

import (
	"testing"

	"pgregory.net/rapid"

	"starling/internal/peerwire"
)

// model is what the outside world knows while random events hit a viewer.
type model struct {
	t         *rapid.T
	v         *Viewer
	up        map[string]bool
	banned    map[string]bool
	chunks    map[Key]int // 0: no header yet
	held      map[Key]map[int]bool
	delivered map[Key]int
	fetches   []Action
}

const modelSlices = 3

// check holds every action against what must never happen.
func (m *model) check(as []Action) {
	for _, a := range as {
		toPeer := a.Peer != "" && a.Peer != Edge
		switch a.Kind {
		case Deliver:
			if m.delivered[a.Key]++; m.delivered[a.Key] > 1 {
				m.t.Fatalf("%s delivered twice", a.Key.ID)
			}
			if n := m.chunks[a.Key]; len(m.held[a.Key]) != n {
				m.t.Fatalf("%s delivered with %d of %d chunks", a.Key.ID, len(m.held[a.Key]), n)
			}
		case Request, Fetch:
			for i := a.First; i < a.First+a.Count; i++ {
				if m.held[a.Key][i] {
					m.t.Fatalf("chunk %d of %s is held and asked for", i, a.Key.ID)
				}
			}
			if a.Kind == Fetch {
				m.fetches = append(m.fetches, a)
			}
		case FetchAll:
			if m.chunks[a.Key] != 0 {
				m.t.Fatalf("%s fetched whole though its header is there", a.Key.ID)
			}
			m.fetches = append(m.fetches, a)
		case Forward:
			for i := a.First; i < a.First+a.Count; i++ {
				if !m.held[a.Key][i] {
					m.t.Fatalf("chunk %d of %s sent and not held", i, a.Key.ID)
				}
			}
		case Announce:
			if m.delivered[a.Key] != 1 {
				m.t.Fatalf("%s announced before it was delivered", a.Key.ID)
			}
		}
		switch a.Kind {
		case Forward, ForwardHeader, Subscribe, Unsubscribe, Request, Cancel, WantHeader, Ping:
			if toPeer && (!m.up[a.Peer] || m.banned[a.Peer]) {
				m.t.Fatalf("action %d addressed to %s, which is away or banned", a.Kind, a.Peer)
			}
		}
	}
}

// answer ends a fetch. A whole part whose header is not there by then fails.
func (m *model) answer(a Action, ok bool, now int64) {
	first, end, known := a.First, a.First+a.Count, m.v.Held(a.Key) != nil
	if a.Kind == FetchAll {
		first, end = 0, m.chunks[a.Key]
		ok = ok && known
	}
	for i := first; ok && i < end; i++ {
		if known {
			m.held[a.Key][i] = true
		}
		_, as := m.v.Chunk(a.Key, i, Edge, true, now)
		m.check(as)
	}
	m.check(m.v.EdgeDone(a.Key, a.First, a.Count, ok, now))
}

func TestNoEventSequenceBreaksTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, v: New(Rules{}, 3_000_000), up: map[string]bool{}, banned: map[string]bool{}, chunks: map[Key]int{},
			held: map[Key]map[int]bool{}, delivered: map[Key]int{}}
		now := int64(1000)
		m.check(m.v.SetTracks([]Track{{Number: 1, Slices: modelSlices, Bitrate: 1_500_000, From: id(10, 0)}}, now))
		peers := []string{"a", "b", "c", "d"}
		someone := func() string { return rapid.SampledFrom(peers).Draw(t, "peer") }
		part := func() Key { return key(10, uint64(rapid.IntRange(0, 5).Draw(t, "part"))) }
		connected := func() string {
			p := someone()
			if !m.up[p] && !m.banned[p] {
				m.up[p] = true
				m.check(m.v.NeighbourUp(p, now))
			}
			return p
		}
		deadline := func(k Key) int64 { return 2000 + 333*int64(k.ID.Index) }
		header := func(k Key, from string) {
			if m.v.Knows(k) && m.v.Held(k) == nil && m.chunks[k] != 0 {
				return // over
			}
			if m.chunks[k] == 0 {
				m.chunks[k] = 7
			}
			if m.held[k] == nil {
				m.held[k] = map[int]bool{}
			}
			m.check(m.v.Header(k, m.chunks[k], from, deadline(k), now))
		}
		actions := map[string]func(*rapid.T){
			"connect": func(*rapid.T) { connected() },
			"gone": func(*rapid.T) {
				p := someone()
				m.up[p] = false
				m.check(m.v.NeighbourGone(p, LostClosed, now))
			},
			"feed": func(t *rapid.T) {
				if rapid.Bool().Draw(t, "down") {
					m.check(m.v.NeighbourGone(Edge, "", now))
				} else {
					m.check(m.v.NeighbourUp(Edge, now))
				}
			},
			"assign": func(*rapid.T) {
				var s []SliceSource
				ids := append([]string{Edge}, peers...)
				for range modelSlices {
					s = append(s, SliceSource{rapid.SampledFrom(ids).Draw(t, "parent"), rapid.SampledFrom(ids).Draw(t, "backup")})
				}
				m.check(m.v.Assign(1, s, now))
			},
			"exists": func(*rapid.T) { k := part(); m.check(m.v.Exists(k, deadline(k), now)) },
			"header": func(*rapid.T) { header(part(), connected()) },
			"chunk": func(t *rapid.T) {
				k, from := part(), connected()
				if m.banned[from] {
					return
				}
				header(k, from)
				c := rapid.IntRange(0, 6).Draw(t, "chunk")
				if rapid.IntRange(0, 19).Draw(t, "bad") == 0 {
					m.banned[from] = true
					m.up[from] = false
					_, as := m.v.Chunk(k, c, from, false, now)
					m.check(as)
					return
				}
				fresh := !m.held[k][c] && m.v.Held(k) != nil
				if fresh {
					m.held[k][c] = true
				}
				verdict, as := m.v.Chunk(k, c, from, true, now)
				if (verdict == Useful) != fresh {
					t.Fatalf("chunk %d of %s: verdict %d, fresh %v", c, k.ID, verdict, fresh)
				}
				m.check(as)
			},
			"have": func(t *rapid.T) {
				m.check(m.v.Have(connected(), part(), 7, []byte{byte(rapid.IntRange(0, 255).Draw(t, "bits"))}, now))
			},
			"subscribe": func(t *rapid.T) {
				p := connected()
				if !m.banned[p] {
					m.check(m.v.Subscribed(p, 1, peerwire.SliceMask(rapid.IntRange(1, 7).Draw(t, "mask")), part().ID, now))
				}
			},
			"request": func(t *rapid.T) {
				p := connected()
				if !m.banned[p] {
					m.check(m.v.Requested(p, part(), rapid.IntRange(0, 5).Draw(t, "first"), 3))
				}
			},
			"heard":      func(*rapid.T) { m.v.Heard(someone(), now) },
			"round trip": func(t *rapid.T) { m.v.RoundTrip(someone(), int64(rapid.IntRange(0, 200).Draw(t, "rtt"))) },
			"cancelled":  func(*rapid.T) { m.v.Cancelled(connected(), part(), 1, 3) },
			"headerless": func(t *rapid.T) { m.v.Headerless(connected(), 1, rapid.Bool().Draw(t, "without")) },
			"early": func(*rapid.T) {
				if k := part(); m.v.Held(k) == nil {
					m.check(m.v.Early(k, connected(), now))
				}
			},
			"wanted":  func(*rapid.T) { m.check(m.v.HeaderWanted(connected(), part())) },
			"uplink":  func(t *rapid.T) { m.check(m.v.SetUplink(rapid.IntRange(0, 3_000_000).Draw(t, "bits"))) },
			"refused": func(*rapid.T) { m.check(m.v.RangeRefused(connected(), part(), 0, 7, now)) },
			"edge answers": func(t *rapid.T) {
				if len(m.fetches) == 0 {
					return
				}
				a := m.fetches[0]
				m.fetches = m.fetches[1:]
				ok := rapid.Bool().Draw(t, "ok")
				m.answer(a, ok, now)
			},
			"tick": func(t *rapid.T) {
				now += int64(rapid.IntRange(1, 120).Draw(t, "ms"))
				m.check(m.v.Tick(now))
			},
		}
		t.Repeat(actions)

		// Whatever happened: with the edge answering, every known part that is
		// still of use becomes complete.
		m.check(m.v.NeighbourUp(Edge, now))
		for range 120 {
			now += 25
			m.check(m.v.Tick(now))
			for _, a := range m.fetches {
				m.answer(a, true, now)
			}
			m.fetches = nil
		}
		for k, n := range m.chunks {
			if b := m.v.Held(k); b != nil && n != 0 && b.Count() != n {
				t.Fatalf("%s has %d of %d chunks after three seconds of an answering edge", k.ID, b.Count(), n)
			}
		}
	})
}
