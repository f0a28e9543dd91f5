package peer

import (
	"fmt"
	"time"

	"starling/internal/peerstate"
	"starling/internal/peerwire"
	"starling/internal/wait"
)

// Behaviour is how a peer treats what it is to pass on.
type Behaviour uint8

// The behaviours. All but Honest exist to test the swarm's defences.
const (
	Honest Behaviour = iota
	// Alter changes a byte of every chunk that is passed on.
	Alter
	// Withhold takes children and answers no request, and sends nothing.
	Withhold
	// WithholdSome leaves out three chunks in ten.
	WithholdSome
	// Lie announces every part when its header comes, and sends nothing that it
	// is asked for.
	Lie
	// Slow sends everything slowDelay late.
	Slow
)

const slowDelay = 800 * time.Millisecond

var behaviours = []string{"honest", "alter", "withhold", "withhold-some", "lie", "slow"}

// String names the behaviour as ParseBehaviour takes it.
func (b Behaviour) String() string {
	if int(b) < len(behaviours) {
		return behaviours[b]
	}
	return fmt.Sprintf("behaviour-%d", uint8(b))
}

// ParseBehaviour gives the behaviour of a name: honest, alter, withhold,
// withhold-some, lie or slow.
func ParseBehaviour(name string) (Behaviour, error) {
	for i, n := range behaviours {
		if n == name {
			return Behaviour(i), nil
		}
	}
	return Honest, fmt.Errorf("behaviour %q: want one of %q", name, behaviours)
}

// misbehave decides what becomes of a chunk about to be sent; true means that
// it is not sent now.
func (p *Peer) misbehave(l *link, x peerstate.QueuedChunk, frame []byte) bool {
	switch p.cfg.Behaviour {
	case Alter:
		frame[len(frame)-1] ^= 0x55
	case Withhold:
		return true
	case WithholdSome:
		n := x.Key.ID.MSN*31 + x.Key.ID.Index*7 + uint64(x.Chunk)*13 + uint64(x.Key.Track)
		return n%10 < 3
	case Slow:
		p.spawn(func() {
			if wait.For(p.ctx, slowDelay) != nil {
				return
			}
			p.post(func() {
				if !l.closed {
					p.transmit(l, x, frame)
				}
			})
		})
		return true
	}
	return false
}

// announceLie tells the neighbours of a part that is not there yet.
func (p *Peer) announceLie(k peerstate.Key, chunks int) {
	if p.cfg.Behaviour != Lie {
		return
	}
	all := peerstate.NewBitmap(chunks)
	for i := range chunks {
		all.Set(i)
	}
	for _, l := range p.order {
		if l.up {
			p.send(l, peerwire.Have{Track: k.Track, Part: k.ID, Chunks: chunks, Bitmap: all.Bytes()})
		}
	}
}
