package peer

import (
	"encoding/binary"

	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

// uplinkNewsMS is the least time between beacons for the sake of the uplink.
const uplinkNewsMS = 1000

// startUplink begins the estimate, and what runs at its pace.
func (p *Peer) startUplink() {
	limit := int64(max(p.cfg.Uplink, 0))
	p.uplink = peerstate.NewUplink(limit, int64(p.cfg.UplinkStart), 0)
	p.bucket = peerstate.NewBucket(int(p.uplink.Pace()), 0)
	p.state = peerstate.New(p.cfg.Rules, int(p.uplink.Pace()))
	p.stats.Uplink = p.uplink.Rate()
}

// tendUplink feeds the estimate of the uplink (docs/uplink.md) with what the
// channels show, and lets what follows from it take effect.
func (p *Peer) tendUplink(now int64) {
	for _, l := range p.order {
		if !l.up {
			continue
		}
		p.uplink.Buffered(l.id, int64(l.chunks.BufferedAmount()))
		if p.uplink.WantsPing(l.id, now) {
			p.ping(l, now)
		}
	}
	if late := p.stats.Late + p.stats.Stalls; late > p.lateParts {
		p.lateParts = late
		p.uplink.Behind()
	}
	if p.uplink.Tick(now) {
		p.bucket.SetRate(p.uplink.Pace(), now)
		p.do(p.state.SetUplink(int(p.uplink.Pace())))
		p.stats.Uplink = p.uplink.Rate()
	}
}

// ping asks a neighbour for a sign of life; the token is when.
func (p *Peer) ping(l *link, now int64) {
	l.pinged = now
	var f peerwire.Ping
	binary.BigEndian.PutUint64(f.Token[:], uint64(now))
	p.send(l, f)
}

// onPong takes the round trip to a neighbour. While this machine is busy it
// measures too much: that makes the policy wait longer, which is right; the
// estimate of the uplink is told of it (HeldUp).
func (p *Peer) onPong(l *link, f peerwire.Pong) {
	now := p.now()
	sent := int64(binary.BigEndian.Uint64(f.Token[:]))
	if sent < 0 || sent > now {
		return
	}
	p.state.RoundTrip(l.id, now-sent)
	p.uplink.RoundTrip(l.id, now-sent, now)
}

// uplinkNews reports whether the tracker should hear of the estimate before the
// next beacon is due.
func (p *Peer) uplinkNews(now int64) bool {
	return peerstate.UplinkNews(p.told, p.uplink.Rate()) && now-p.tracker.beaconAt >= uplinkNewsMS
}
