package simulation

import (
	"starling/internal/peerstate"
	"starling/internal/peerwire"
)

// uplinkNewsMS is the least time between beacons for the sake of the uplink,
// as internal/peer has it.
const uplinkNewsMS = 1000

// startUplink begins the estimate, and what runs at its pace.
func (v *viewer) startUplink() {
	start := int64(0)
	if v.c.o.KnownUplink {
		start = int64(v.uplink)
	}
	v.measured = peerstate.NewUplink(int64(v.uplink), start, 0)
	v.bucket = peerstate.NewBucket(int(v.measured.Pace()), 0)
	v.state = peerstate.New(v.c.o.Rules, int(v.measured.Pace()))
	v.state.Seed(uint32(mix(v.c.seed + uint64(v.i))))
}

// tendUplink feeds the estimate with what the channels show, and lets what
// follows from it take effect.
func (v *viewer) tendUplink(now int64) {
	if v.uplink <= 0 {
		return
	}
	for _, l := range v.links {
		if !l.up {
			continue
		}
		l.out.settleAcks(v.c.t.now)
		v.measured.Buffered(l.id, int64(l.out.buffered))
		if v.measured.WantsPing(l.id, now) {
			v.ping(l, now)
		}
	}
	if late := v.stats.Late + v.stats.Stalls; late > v.lateParts {
		v.lateParts = late
		v.measured.Behind()
	}
	if v.measured.Tick(now) {
		v.bucket.SetRate(v.measured.Pace(), now)
		v.do(v.state.SetUplink(int(v.measured.Pace())))
	}
}

// ping asks a neighbour for a sign of life; the answer brings the time back.
func (v *viewer) ping(l *link, now int64) {
	l.pinged = now
	v.send(l, frame{kind: uint8(peerwire.TypePing), sent: now}, peerwire.Ping{})
}

// beacon tells the tracker of the uplink and the open connections; the counters
// the simulation reads itself.
func (v *viewer) beacon(now int64) {
	if !v.joined || now-v.beaconAt < beaconEvery && !(now-v.beaconAt >= uplinkNewsMS && peerstate.UplinkNews(v.told, v.measured.Rate())) {
		return
	}
	v.beaconAt = now
	v.c.stats.beacons++
	v.told = v.measured.Rate()
	up := int32(0)
	for _, l := range v.links {
		if l.up {
			up++
		}
	}
	v.tell(word{kind: wordUplink, uplink: v.told, peer: up})
}
