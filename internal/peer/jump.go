package peer

import (
	"slices"
	"time"

	"starling/internal/media"
	"starling/internal/peerstate"
)

// jumpDistance behind its target a viewer does not catch up any more: it
// leaves out what it missed, as players do (docs/player.md).
const jumpDistance = 2500 * time.Millisecond

// jump leaves out the media up to the newest segment that every track has
// begun and that is a hold-back behind live, and starts playback there. It
// reports false while there is no such segment ahead.
func (p *Peer) jump(now int64) bool {
	if p.play.latency(time.Now(), now) < p.play.target+jumpDistance {
		return false
	}
	msn, ok := p.jumpTarget()
	if !ok {
		return false
	}
	p.log.Debug("jumps to live", "msn", msn)
	p.play.pdt = time.Time{}
	for _, t := range p.tracks {
		t.from, t.any, t.missingAt = media.PartID{MSN: msn}, false, 0
		i, _ := slices.BinarySearchFunc(t.ids, t.from, media.PartID.Compare)
		t.ids = slices.Delete(t.ids, 0, i)
		if pd := p.parts[peerstate.Key{Track: t.info.Number, ID: t.from}]; pd.pdt.After(p.play.pdt) {
			p.play.pdt = pd.pdt
		}
	}
	if p.play.stallAt != 0 {
		p.stats.Stalls++
		p.stats.StallMS += uint64(now - p.play.stallAt)
	}
	p.stats.Jumps++
	p.play.started, p.play.from, p.play.stallAt, p.play.calmAt = false, now, 0, now+calmAfter
	p.renewDeadlines(now)
	return true
}

// jumpTarget is the newest segment whose first part every track knows, far
// enough behind live and ahead of the playhead.
func (p *Peer) jumpTarget() (uint64, bool) {
	lead := p.tracks[0]
	for i := len(lead.ids) - 1; i >= 0; i-- {
		id := lead.ids[i]
		if lead.any && id.MSN <= lead.cur.MSN || id.MSN <= lead.from.MSN {
			break
		}
		if id.Index == 0 && p.canStartAt(id) {
			return id.MSN, true
		}
	}
	return 0, false
}

func (p *Peer) canStartAt(id media.PartID) bool {
	for _, t := range p.tracks {
		pd := p.parts[peerstate.Key{Track: t.info.Number, ID: id}]
		if pd == nil || t.newestPDT.Add(t.newestDuration).Sub(pd.pdt) < p.holdBack() {
			return false
		}
	}
	return true
}

// holdBack is the distance from live at which playback starts.
func (p *Peer) holdBack() time.Duration {
	if p.cfg.HoldBack != 0 {
		return p.cfg.HoldBack
	}
	return 3 * p.info.PartTarget()
}
