package peerstate

import "starling/internal/media"

// judge takes a part that is over: which of its slices were late, in general
// and by their sources.
func (v *Viewer) judge(t *track, p *part, now int64) {
	for s := range t.slices {
		src := &t.slices[s]
		if p.Header {
			if first, end := media.SliceChunks(p.Have.Len(), t.Slices, s); first == end {
				continue
			}
		}
		if p.Slices[s].Since > p.SeenAt || before(p.key.ID, src.from) {
			continue // it changed its source meanwhile: that says nothing about either
		}
		late := p.late>>s&1 == 1
		v.strain.Note(late)
		v.fairness.Note(src.id == Edge, late)
		src.late += (levelOf(late) - src.late) / 8
		if late && src.id != Edge && !src.resigned && !v.fairness.EdgeIsLate() {
			v.retreat.Relapse(now)
		}
		if src.id == Edge || v.strain.Active() {
			continue
		}
		if src.damage = Damaged(src.damage, late, p.had>>s&1 == 1); src.damage >= damageLimit && v.usable(src, src.id, now) {
			v.depart(src, p.had>>s&1 == 1, now)
		}
	}
}

func levelOf(late bool) int64 {
	if late {
		return One
	}
	return 0
}

// shed gives slices up to the edge, or takes them back, as strain demands.
func (v *Viewer) shed(now int64) {
	all, taken := 0, 0
	for _, t := range v.tracks {
		for s := range t.slices {
			if src := &t.slices[s]; src.parent != Edge && src.parent != "" {
				all++
				if !src.resigned {
					taken++
				}
			} else {
				src.resigned = false
			}
		}
	}
	for quota := v.retreat.Update(v.fairness.Level(taken), taken, all, now); taken != quota; {
		src := v.extreme(taken > quota)
		if src == nil {
			return
		}
		if src.resigned = taken > quota; src.resigned {
			taken--
		} else {
			taken++
		}
	}
}

// extreme is the slice from a peer that is late most often, or of those given
// up the one that was late least often; the first of equals.
func (v *Viewer) extreme(latest bool) *source {
	var found *source
	for _, t := range v.tracks {
		for s := range t.slices {
			src := &t.slices[s]
			if src.parent == Edge || src.parent == "" || src.resigned == latest {
				continue
			}
			if found == nil || latest && src.late > found.late || !latest && src.late < found.late {
				found = src
			}
		}
	}
	return found
}

// Strain is the share of late slices in millionths, for reports.
func (v *Viewer) Strain() int64 { return v.strain.Level() }
