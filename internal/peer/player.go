package peer

import (
	"slices"
	"time"

	"starling/internal/media"
	"starling/internal/peerstate"
)

// trackState is a track that is played.
type trackState struct {
	info *media.TrackInfo
	from media.PartID // playback starts here
	ids  []media.PartID
	cur  media.PartID // part to consume next, once begun; index may not exist
	any  bool         // something was consumed

	nextPDT        time.Time // media time of the part to consume next
	newestPDT      time.Time
	newestDuration time.Duration
	progressAt     int64 // when the newest part became known
	ended          bool

	refreshing  bool
	refreshedAt int64 // start of the last playlist request that was answered, -1 before
	missingAt   int64 // since when the next part is missing while later ones are there
	retryAt     int64
}

func (t *trackState) newest() media.PartID {
	if len(t.ids) == 0 {
		return t.from
	}
	return t.ids[len(t.ids)-1]
}

func (t *trackState) insert(id media.PartID, now int64) {
	i, ok := slices.BinarySearchFunc(t.ids, id, media.PartID.Compare)
	if ok {
		return
	}
	if i == len(t.ids) {
		t.progressAt = now
	}
	t.ids = slices.Insert(t.ids, i, id)
}

// estimate guesses the media time of a part that nobody has described.
func (t *trackState) estimate(id media.PartID, part time.Duration) (time.Time, time.Duration) {
	newest := t.newest()
	steps := time.Duration(1)
	if id.MSN == newest.MSN {
		steps = time.Duration(id.Index) - time.Duration(newest.Index)
	}
	return t.newestPDT.Add(steps * part), part
}

// playback is the playhead: media time advances with the clock from the
// moment it started, later by every stall, earlier while it catches up.
type playback struct {
	started bool
	pdt     time.Time // media time that was due at the time at
	at      int64
	from    int64 // ms before which nothing is due, while it has not started
	target  time.Duration
	stallAt int64 // since when playback stands still, 0 when it runs
	lastAt  int64
	calmAt  int64 // when it may catch up again
}

// startSlack is what the first parts get before they count as due.
const startSlack = 500

// deadline is when the part that begins at pdt is due.
func (b *playback) deadline(pdt time.Time, now int64) int64 {
	if b.pdt.IsZero() {
		return now + startSlack
	}
	at := b.at
	if !b.started {
		at = max(b.from, now) + startSlack
	} else if b.stallAt != 0 {
		at += now - b.stallAt
	}
	return at + pdt.Sub(b.pdt).Milliseconds()
}

// latency is the wall clock minus the media time at the playhead.
func (b *playback) latency(wall time.Time, now int64) time.Duration {
	if b.stallAt != 0 {
		now = b.stallAt
	}
	return wall.Sub(b.pdt.Add(time.Duration(now-b.at) * time.Millisecond))
}

// catchUp is how much faster playback runs while it is behind its target.
const (
	catchUpPercent   = 5
	catchUpTolerance = 300 * time.Millisecond
	// calmAfter ms after a stall it begins: what made it stall may come again.
	calmAfter = 10_000
)

// advance consumes what is due, and begins and ends stalls.
func (p *Peer) advance(now int64) {
	if !p.play.started && !p.startPlayback(now) {
		return
	}
	if p.jump(now) || p.play.stallAt != 0 && !p.endStall(now) {
		return
	}
	p.catchUp(now)
	ended := true
	for _, t := range p.tracks {
		for {
			due := p.play.deadline(t.nextPDT, now)
			pd := p.nextPart(t, now)
			if pd == nil && t.ended {
				break
			}
			ended = false
			if due > now {
				break
			}
			if pd == nil || !pd.complete {
				p.play.stallAt = max(due, 1)
				return
			}
			p.consume(t, pd)
		}
	}
	if ended {
		p.over = true
	}
}

// startPlayback begins when the first part of every track is there.
func (p *Peer) startPlayback(now int64) bool {
	var pdt time.Time
	for _, t := range p.tracks {
		pd := p.nextPart(t, now)
		if pd == nil || !pd.complete {
			return false
		}
		if pd.pdt.After(pdt) {
			pdt = pd.pdt
		}
		t.nextPDT = pd.pdt
	}
	if pdt.IsZero() {
		return false
	}
	p.play.started, p.play.pdt, p.play.at, p.play.lastAt = true, pdt, now, now
	if p.stats.StartupMS == 0 { // else it jumped
		p.play.target = p.play.latency(time.Now(), now)
		p.stats.StartupMS = max(now, 1)
	}
	p.renewDeadlines(now)
	return true
}

// endStall goes on when the next part of every track is there.
func (p *Peer) endStall(now int64) bool {
	for _, t := range p.tracks {
		pd := p.nextPart(t, now)
		if pd == nil && t.ended {
			continue
		}
		if pd == nil || !pd.complete && p.play.deadline(t.nextPDT, now) <= now {
			return false
		}
	}
	stood := now - p.play.stallAt
	p.stats.Stalls++
	p.stats.StallMS += uint64(stood)
	p.play.at += stood
	p.play.stallAt, p.play.calmAt = 0, now+calmAfter
	p.log.Debug("stalled", "ms", stood)
	p.renewDeadlines(now)
	return true
}

// catchUp plays a little faster while a stall has left playback behind its
// target and there is something in the buffer.
func (p *Peer) catchUp(now int64) {
	passed := now - p.play.lastAt
	p.play.lastAt = now
	if now < p.play.calmAt || p.play.latency(time.Now(), now) < p.play.target+catchUpTolerance || p.buffered() < 2*int64(p.info.PartMS) {
		return
	}
	p.play.at -= (passed*catchUpPercent + 50) / 100
	p.renewDeadlines(now)
}

func (p *Peer) renewDeadlines(now int64) {
	for k, pd := range p.parts {
		if !pd.complete {
			p.do(p.state.Exists(k, p.play.deadline(pd.pdt, now), now))
		}
	}
}

func (p *Peer) consume(t *trackState, pd *partData) {
	t.any, t.cur, t.missingAt = true, pd.key.ID, 0
	t.nextPDT = pd.pdt.Add(pd.duration)
	// Parts before the playhead matter to nobody's cursor any more.
	if i, ok := slices.BinarySearchFunc(t.ids, t.cur, media.PartID.Compare); ok && i > 0 {
		t.ids = slices.Delete(t.ids, 0, i)
	}
}

// nextPart is the part after the consumed one. Which that is follows from the
// consumed part: the next index, or the next segment after its last part. When
// later parts are known and that one is not, a playlist decides.
func (p *Peer) nextPart(t *trackState, now int64) *partData {
	want := t.from
	if t.any {
		want = p.follower(t)
	}
	i, exact := slices.BinarySearchFunc(t.ids, want, media.PartID.Compare)
	if i == len(t.ids) {
		return nil
	}
	if !exact {
		if t.missingAt == 0 {
			t.missingAt = max(now, 1)
		}
		if t.refreshedAt < t.missingAt {
			p.refresh(t, media.PartID{}, now)
			return nil
		}
	}
	t.missingAt = 0
	pd := p.parts[peerstate.Key{Track: t.info.Number, ID: t.ids[i]}]
	if pd == nil { // given up
		t.ids = slices.Delete(t.ids, i, i+1)
		return p.nextPart(t, now)
	}
	return pd
}

// follower is the id after the consumed part's.
func (p *Peer) follower(t *trackState) media.PartID {
	if pd := p.parts[peerstate.Key{Track: t.info.Number, ID: t.cur}]; pd != nil && pd.last {
		return media.PartID{MSN: t.cur.MSN + 1}
	}
	return media.PartID{MSN: t.cur.MSN, Index: t.cur.Index + 1}
}

// buffered is the media ahead of the playhead in ms: the least of the tracks.
func (p *Peer) buffered() int64 {
	least := int64(-1)
	now := p.now()
	for _, t := range p.tracks {
		end := t.nextPDT
		for _, id := range t.ids {
			if t.any && id.Compare(t.cur) <= 0 {
				continue
			}
			pd := p.parts[peerstate.Key{Track: t.info.Number, ID: id}]
			if pd == nil || !pd.complete {
				break
			}
			end = pd.pdt.Add(pd.duration)
		}
		ms := p.play.deadline(end, now) - now
		if least < 0 || ms < least {
			least = max(ms, 0)
		}
	}
	return max(least, 0)
}
