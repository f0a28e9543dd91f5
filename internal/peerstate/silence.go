package peerstate

// Times of a probe, ms.
const (
	probeAfterMS = 25 // after something was due
	// restMS after a chunk the next of its slice is due: what the sender's other
	// children may take in between.
	restMS       = 100
	probeSlackMS = 50 // that an answer may take beyond the round trip
	minProbeMS   = 60
	maxProbeMS   = 100 // unless the round trip alone takes longer
)

// Probe is what is known of whether a neighbour is there. Times are ms; 0 means
// never.
type Probe struct {
	Heard int64 // its latest frame of any kind
	Asked int64 // the latest PING for want of one
	RTT   int64 // 0: not known, and then it is not probed
}

// WaitMS is how long an answer is waited for.
func (p Probe) WaitMS() int64 {
	return max(min(2*p.RTT+probeSlackMS, max(maxProbeMS, p.RTT+probeSlackMS)), minProbeMS)
}

// Ask reports whether the neighbour is to be sent a PING: something of it was
// due, and nothing at all has come since. One PING is enough: what else becomes
// due before it is answered must not put off the end of the wait.
func (p Probe) Ask(due, now int64) bool {
	return p.RTT != 0 && due != 0 && p.Heard < due && p.Asked <= p.Heard && now >= due+probeAfterMS
}

// Mute reports whether it has not answered in time. Who answers is merely slow,
// and waited for as long as there is slack.
func (p Probe) Mute(now int64) bool {
	return p.Asked > p.Heard && now >= p.Asked+p.WaitMS()
}

// dueOf is the newest time, if it has passed for long enough, at which a
// neighbour should have begun to push something: a slice of a known part, or the
// rest of it, or by the cadence the part after the newest that it pushed; 0 when nothing was due.
func (v *Viewer) dueOf(id string, now int64) int64 {
	due := int64(0)
	note := func(at int64) {
		if at > due && at+probeAfterMS <= now {
			due = at
		}
	}
	for _, t := range v.tracks {
		for s := range t.slices {
			src := &t.slices[s]
			if src.id != id || src.old != "" {
				continue
			}
			if src.pushedAt != 0 && t.PartMS != 0 {
				note(src.pushedAt + t.PartMS)
			}
			for _, p := range t.open() {
				if p.delivered || before(p.key.ID, src.from) {
					continue
				}
				if sl := &p.Slices[s]; sl.First == 0 {
					note(max(p.SeenAt, sl.Since))
				} else if !p.sliceHeld(t, s) {
					note(max(sl.Last, sl.Since) + restMS)
				}
			}
		}
	}
	return due
}

// probe asks sources from which nothing comes for a sign of life, and reports
// whether one of them gave none.
func (v *Viewer) probe(now int64) (mute bool) {
	for _, n := range v.neighbours {
		if !n.up || n.banned || n.mute {
			continue
		}
		if n.probe.RTT != 0 && n.probe.Heard < now-probeAfterMS && n.probe.Ask(v.dueOf(n.id, now), now) {
			n.probe.Asked = now
			v.emit(Action{Kind: Ping, Peer: n.id})
		}
		if n.probe.Mute(now) && !v.strain.Active() {
			v.silence(n, now)
			mute = true
		}
	}
	return mute
}

// silence takes a neighbour for gone, until it is heard.
func (v *Viewer) silence(n *neighbour, now int64) {
	n.mute = true
	v.stale()
	var wait int64
	report := false
	for _, t := range v.tracks {
		for s := range t.slices {
			if src := &t.slices[s]; src.id == n.id {
				if wait == 0 {
					wait, report = n.trust.Strike(now)
				}
				src.shun(n.id, avoided{until: now + wait, leftAt: now})
			}
		}
	}
	if report {
		v.emit(Action{Kind: ReportLost, Peer: n.id, Lost: LostSlow})
	}
}

// Mute reports whether a neighbour is taken for gone until it is heard.
func (v *Viewer) Mute(id string) bool {
	n := v.known(id)
	return n != nil && n.mute
}

// Heard tells that any frame came from a neighbour.
func (v *Viewer) Heard(id string, now int64) {
	n := v.known(id)
	if n == nil {
		return
	}
	n.probe.Heard = now
	if !n.mute {
		return
	}
	n.mute = false
	v.stale()
	excused := false
	for _, t := range v.tracks {
		for s := range t.slices {
			src := &t.slices[s]
			if a, left := src.avoid[id]; left && a.leftAt != 0 && now < min(a.until, a.leftAt+excuseMS) {
				delete(src.avoid, id)
				excused = true
			}
		}
	}
	if excused { // it was only away for a moment
		n.trust.Excuse()
	}
}

// RoundTrip tells how long a neighbour takes to answer, in ms. One whose round
// trip is not known is not probed.
func (v *Viewer) RoundTrip(id string, ms int64) {
	if n := v.known(id); n != nil {
		n.probe.RTT = max(ms, 1)
	}
}
