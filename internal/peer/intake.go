package peer

import (
	"bytes"
	"slices"
	"time"

	"starling/internal/media"
	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

// partData is what is known of a part and the bytes that are there.
type partData struct {
	key      peerstate.Key
	header   *media.Header // nil: not yet
	raw      []byte        // its signed encoding
	buf      []byte
	pdt      time.Time
	duration time.Duration
	last     bool // of its segment
	gap      bool
	complete bool
	early    []earlyChunk // came before the header

	peerBytes, feedBytes, httpBytes int
}

// earlyChunk is a chunk that cannot be verified yet.
type earlyChunk struct {
	from  string
	index int
	data  []byte
	at    int64
}

// Bounds of what is kept or believed before a signature says so.
const (
	maxEarly = 32 // chunks of one part: half a megabyte
	// maxAhead parts beyond the newest known one are believed to exist.
	maxAhead = 3
)

// via is how bytes came.
type via uint8

const (
	viaPeer via = iota
	viaFeed
	viaHTTP
)

func viaOf(from string) via {
	if from == peerstate.Edge {
		return viaFeed
	}
	return viaPeer
}

// learn records that a part exists. pdt may be zero when only a neighbour's
// word is there; it is then estimated.
func (p *Peer) learn(k peerstate.Key, pdt time.Time, d time.Duration) *partData {
	t := p.track(k.Track)
	if t == nil {
		return nil
	}
	pd := p.parts[k]
	if pd == nil {
		if k.ID.Compare(t.from) < 0 || p.state.Knows(k) {
			return nil // before the start, or over
		}
		pd = &partData{key: k, pdt: pdt, duration: d}
		if pdt.IsZero() {
			pd.pdt, pd.duration = t.estimate(k.ID, p.info.PartTarget())
		}
		p.parts[k] = pd
		t.insert(k.ID, p.now())
	} else if !pdt.IsZero() {
		pd.pdt, pd.duration = pdt, d
	}
	if pd.pdt.After(t.newestPDT) {
		t.newestPDT, t.newestDuration = pd.pdt, pd.duration
	}
	return pd
}

// plausible reports whether an unsigned word of a part is believed: it would
// be asked of the edge if it did not come.
func (p *Peer) plausible(t *trackState, id media.PartID) bool {
	newest := t.newest()
	switch {
	case id.MSN == newest.MSN:
		return id.Index <= newest.Index+maxAhead
	case id.MSN == newest.MSN+1:
		return id.Index < maxAhead
	}
	return id.MSN < newest.MSN && int(id.Index) <= p.info.TargetMS/max(p.info.PartMS, 1)
}

// onHeader takes a part header from a neighbour or the feed.
func (p *Peer) onHeader(raw []byte, from string) {
	h, err := media.ParseHeader(raw)
	if err != nil {
		p.protocolError(from, err)
		return
	}
	k := peerstate.Key{Track: h.Track, ID: h.ID}
	if p.track(h.Track) == nil || h.Stream != p.stream {
		return
	}
	if pd := p.parts[k]; pd != nil && pd.header != nil {
		if !bytes.Equal(raw, pd.raw) {
			p.log.Warn("two headers for one part", "part", k.ID, "from", from)
		}
		return
	}
	if h, err = media.VerifyHeader(raw, p.info.Key); err != nil {
		_, as := p.state.Chunk(k, 0, from, false, p.now())
		p.do(as)
		return
	}
	pd := p.learn(k, h.PDT, h.Duration)
	if pd == nil {
		return
	}
	pd.header, pd.raw, pd.last, pd.gap = h, bytes.Clone(raw), h.Flags.Has(media.FlagLast), h.Flags.Has(media.FlagGap)
	whole := pd.buf
	pd.buf = make([]byte, h.Size)
	p.do(p.state.Header(k, h.Chunks(), from, p.play.deadline(h.PDT, p.now()), p.now()))
	p.state.Sized(k, h.Size)
	p.announceLie(k, h.Chunks())
	p.learnBefore(k, h)
	if pd.complete && len(whole) == h.Size { // played already, fetched whole: now it can be passed on
		for i := range h.Chunks() {
			a, b := h.ChunkRange(i)
			p.takeChunk(pd, i, whole[a:b], peerstate.Edge, viaHTTP)
		}
	}
	early := pd.early
	pd.early = nil
	for _, c := range early {
		p.takeChunk(pd, c.index, c.data, c.from, viaOf(c.from))
	}
}

// learnBefore makes the parts known that must exist before the one of a
// header, so that a lost header is repaired without a playlist.
func (p *Peer) learnBefore(k peerstate.Key, h *media.Header) {
	t := p.track(k.Track)
	pdt := h.PDT
	for i := k.ID.Index; i > 0; i-- {
		q := peerstate.Key{Track: k.Track, ID: media.PartID{MSN: k.ID.MSN, Index: i - 1}}
		pdt = pdt.Add(-p.info.PartTarget())
		if q.ID.Compare(t.from) < 0 || p.parts[q] != nil || p.state.Knows(q) {
			return
		}
		p.learn(q, pdt, p.info.PartTarget())
		p.do(p.state.Exists(q, p.play.deadline(pdt, p.now()), p.now()))
	}
}

// onChunk takes a chunk from a neighbour or the feed.
func (p *Peer) onChunk(c peerwire.Chunk, from string) {
	if from == peerstate.Edge {
		p.stats.FeedBytes += uint64(len(c.Data))
	}
	k := peerstate.Key{Track: c.Track, ID: c.Part}
	pd := p.parts[k]
	if pd == nil || pd.header == nil {
		if t := p.track(c.Track); t == nil || !p.plausible(t, c.Part) {
			p.stats.DuplicateBytes += uint64(len(c.Data))
			return
		}
		if pd = p.learn(k, time.Time{}, 0); pd == nil || len(pd.early) >= maxEarly {
			p.stats.DuplicateBytes += uint64(len(c.Data))
			return
		}
		pd.early = append(pd.early, earlyChunk{from, c.Index, c.Data, p.now()})
		p.do(p.state.Exists(k, p.play.deadline(pd.pdt, p.now()), p.now()))
		p.do(p.state.Early(k, from, p.now()))
		return
	}
	p.takeChunk(pd, c.Index, c.Data, from, viaOf(from))
}

// takeChunk verifies a chunk of a part whose header is there.
func (p *Peer) takeChunk(pd *partData, index int, data []byte, from string, via via) {
	now := p.now()
	have := p.state.Held(pd.key)
	fresh := have != nil && !have.Has(index)
	if fresh && pd.header.VerifyChunk(index, data) != nil {
		p.stats.RejectedBytes += uint64(len(data))
		_, as := p.state.Chunk(pd.key, index, from, false, now)
		p.do(as)
		return
	}
	if fresh {
		at, _ := pd.header.ChunkRange(index)
		copy(pd.buf[at:], data)
	}
	verdict, as := p.state.Chunk(pd.key, index, from, true, now)
	if verdict != peerstate.Useful {
		p.stats.DuplicateBytes += uint64(len(data))
		p.do(as)
		return
	}
	switch via {
	case viaPeer:
		p.stats.PeerBytes += uint64(len(data))
		pd.peerBytes += len(data)
		if p.stats.FirstPeer == 0 {
			p.stats.FirstPeer = max(now, 1)
		}
	case viaHTTP:
		pd.httpBytes += len(data)
	case viaFeed:
		pd.feedBytes += len(data)
	}
	if t := p.track(pd.key.Track); t != nil && p.cfg.OnChunk != nil {
		n := pd.header.Chunks()
		p.cfg.OnChunk(ChunkReport{Track: t.info.Name, ID: pd.key.ID, End: pd.pdt.Add(pd.duration), Index: index, Count: n,
			Slice: media.SliceOf(n, t.info.Slices, index), Slices: t.info.Slices, From: from})
	}
	p.do(as)
}

// deliver marks a part as playable.
func (p *Peer) deliver(k peerstate.Key) {
	pd, t := p.parts[k], p.track(k.Track)
	if pd == nil || t == nil || pd.complete {
		return
	}
	pd.complete = true
	now := p.now()
	p.stats.Parts++
	if p.play.started && now > p.play.deadline(pd.pdt, now) {
		p.stats.Late++
	}
	if p.cfg.OnPart != nil && !pd.gap {
		p.cfg.OnPart(PartReport{Track: t.info.Name, ID: k.ID, Header: pd.header, Data: pd.buf, Lateness: time.Since(pd.pdt.Add(pd.duration)),
			PeerBytes: pd.peerBytes, FeedBytes: pd.feedBytes, HTTPBytes: pd.httpBytes})
	}
	p.advance(now)
}

// dropEarly forgets unverified chunks after a part's duration.
func (p *Peer) dropEarly(now int64) {
	for _, pd := range p.parts {
		pd.early = slices.DeleteFunc(pd.early, func(c earlyChunk) bool {
			old := now-c.at > int64(p.info.PartMS)
			if old {
				p.stats.DuplicateBytes += uint64(len(c.data))
			}
			return old
		})
	}
}
