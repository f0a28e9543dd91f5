package simulation

import "math"

// playback is internal/peer's playhead, with media times in µs.
type playback struct {
	started bool
	known   bool  // pdt is
	pdt     int64 // media time that was due at the time at
	at      int64
	from    int64
	target  int64 // µs
	stallAt int64
	lastAt  int64
	calmAt  int64
}

// Times of the player, as internal/peer has them.
const (
	startSlack       = 500 // ms
	catchUpPercent   = 5
	catchUpTolerance = 300_000   // µs
	calmAfter        = 10_000    // ms
	jumpDistance     = 2_500_000 // µs
	playlistGrace    = 100       // ms
)

// deadline is when the part that begins at pdt is due, on the viewer's clock.
func (b *playback) deadline(pdt, now int64) int64 {
	if !b.known {
		return now + startSlack
	}
	at := b.at
	if !b.started {
		at = max(b.from, now) + startSlack
	} else if b.stallAt != 0 {
		at += now - b.stallAt
	}
	return at + (pdt-b.pdt)/1000
}

// latency is the time of day minus the media time at the playhead, µs.
func (b *playback) latency(wall, now int64) int64 {
	if b.stallAt != 0 {
		now = b.stallAt
	}
	return wall - (b.pdt + (now-b.at)*1000)
}

// advance consumes what is due, and begins and ends stalls.
func (v *viewer) advance(now int64) {
	if !v.play.started && !v.startPlayback(now) {
		return
	}
	if v.jump(now) || v.play.stallAt != 0 && !v.endStall(now) {
		return
	}
	v.catchUp(now)
	for i := range v.tracks {
		t := &v.tracks[i]
		for {
			p := v.nextPart(t, now)
			due := v.play.deadline(v.nextPDT(t), now)
			if due > now {
				break
			}
			if p == nil || !p.complete {
				v.play.stallAt = max(due, 1)
				v.c.stalled(v)
				return
			}
			t.any, t.cur, t.missingAt = true, p.n, 0
		}
	}
}

// next is the number of the part to consume next.
func (t *vtrack) next() int32 {
	if t.any {
		return t.cur + 1
	}
	return t.from
}

func (v *viewer) nextPDT(t *vtrack) int64 { return v.c.stream.pdt(t.next()) }

// nextPart is the part to consume next. When later parts are known and that
// one is not, a playlist decides; one that was given up is passed over.
func (v *viewer) nextPart(t *vtrack, now int64) *part {
	want := t.next()
	if p := t.part(want); p != nil {
		t.missingAt = 0
		return p
	}
	if want > t.newest {
		return nil
	}
	if v.state.Knows(v.key(t, want)) { // over
		for n := want + 1; n <= t.newest; n++ {
			if p := t.part(n); p != nil {
				t.missingAt = 0
				return p
			}
		}
		return nil
	}
	if t.missingAt == 0 {
		t.missingAt = max(now, 1)
	}
	if t.refreshedAt < t.missingAt {
		v.refresh(t, 0, now)
	}
	return nil
}

// startPlayback begins when the first part of every track is there.
func (v *viewer) startPlayback(now int64) bool {
	if len(v.tracks) == 0 {
		return false
	}
	pdt := int64(math.MinInt64)
	for i := range v.tracks {
		t := &v.tracks[i]
		p := v.nextPart(t, now)
		if p == nil || !p.complete {
			return false
		}
		pdt = max(pdt, v.c.stream.pdt(p.n))
	}
	b := &v.play
	b.started, b.known, b.pdt, b.at, b.lastAt = true, true, pdt, now, now
	if v.stats.Startup == 0 { // else it jumped
		b.target = b.latency(v.c.t.now, now)
		v.stats.Startup = max(now, 1)
		v.c.startedUp(v)
	}
	v.renewDeadlines(now)
	return true
}

// endStall goes on when the next part of every track is there.
func (v *viewer) endStall(now int64) bool {
	for i := range v.tracks {
		t := &v.tracks[i]
		p := v.nextPart(t, now)
		if p == nil || !p.complete && v.play.deadline(v.nextPDT(t), now) <= now {
			return false
		}
	}
	stood := now - v.play.stallAt
	v.stats.Stalls++
	v.stats.StallMS += uint64(stood)
	v.play.at += stood
	v.play.stallAt, v.play.calmAt = 0, now+calmAfter
	v.renewDeadlines(now)
	return true
}

// catchUp plays a little faster while a stall has left playback behind.
func (v *viewer) catchUp(now int64) {
	b := &v.play
	passed := now - b.lastAt
	b.lastAt = now
	if now < b.calmAt || b.latency(v.c.t.now, now) < b.target+catchUpTolerance || v.buffered(now) < 2*v.c.partMS() {
		return
	}
	b.at -= (passed*catchUpPercent + 50) / 100
	v.renewDeadlines(now)
}

func (v *viewer) renewDeadlines(now int64) {
	for i := range v.tracks {
		t := &v.tracks[i]
		for _, p := range t.parts {
			if p != nil && !p.complete {
				v.exists(t, p.n)
			}
		}
	}
}

// buffered is the media ahead of the playhead in ms: the least of the tracks.
func (v *viewer) buffered(now int64) int64 {
	least := int64(-1)
	for i := range v.tracks {
		t := &v.tracks[i]
		n := t.next()
		for p := t.part(n); p != nil && p.complete; p = t.part(n) {
			n++
		}
		ms := max(v.play.deadline(v.c.stream.pdt(n), now)-now, 0)
		if least < 0 || ms < least {
			least = ms
		}
	}
	return max(least, 0)
}

// jump leaves out the media up to the newest segment that every track has
// begun and that is a hold-back behind live.
func (v *viewer) jump(now int64) bool {
	if v.play.latency(v.c.t.now, now) < v.play.target+jumpDistance {
		return false
	}
	to, ok := v.jumpTarget()
	if !ok {
		return false
	}
	v.play.pdt = v.c.stream.pdt(to)
	for i := range v.tracks {
		t := &v.tracks[i]
		t.from, t.any, t.missingAt = to, false, 0
	}
	if v.play.stallAt != 0 {
		v.stats.Stalls++
		v.stats.StallMS += uint64(now - v.play.stallAt)
	}
	v.stats.Jumps++
	v.play.started, v.play.from, v.play.stallAt, v.play.calmAt = false, now, 0, now+calmAfter
	v.renewDeadlines(now)
	return true
}

func (v *viewer) jumpTarget() (int32, bool) {
	s, lead := v.c.stream, &v.tracks[0]
	first := max(lead.next(), lead.from+1)
	for n := lead.newest - lead.newest%s.perSeg; n >= first; n -= s.perSeg {
		ok := true
		for i := range v.tracks {
			t := &v.tracks[i]
			ok = ok && t.part(n) != nil && s.pdt(t.newest+1)-s.pdt(n) >= v.c.holdBack()
		}
		if ok {
			return n, true
		}
	}
	return 0, false
}

// watch asks for a playlist when pushes bring no news of a track.
func (v *viewer) watch(now int64) {
	for i := range v.tracks {
		t := &v.tracks[i]
		if now-t.progressAt > 2*v.c.partMS()+playlistGrace {
			v.refresh(t, max(t.newest+1, t.from), now)
		}
		if v.open > 0 && v.ticks%linksEvery == 0 {
			for _, p := range t.parts {
				if p != nil && len(p.early) > 0 {
					v.dropEarly(t, p, now)
				}
			}
		}
	}
}
