package simulation

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"starling/bench/network"
)

// A slice of a part as a parent sends it.
const (
	chunks     = 2
	burstSize  = 10_400
	burstEvery = 333 * time.Millisecond
)

// onPion sends n bursts over pion and the packet network and gives the time
// that each chunk took, in ms.
func onPion(t *testing.T, rtt time.Duration, loss float64, up int64, n int) []float64 {
	var out []float64
	synctest.Test(t, func(t *testing.T) {
		net := network.New(network.Config{Seed: 1, Path: func(_, _ *network.Host) network.Path {
			return network.Path{RTT: rtt, Jitter: 2 * time.Millisecond, Loss: loss, Reachable: true}
		}})
		defer net.Close()
		pcs := []*webrtc.PeerConnection{}
		for range 2 {
			var se webrtc.SettingEngine
			se.SetNet(net.Host(network.Line{Uplink: up, Downlink: 50e6}).Net())
			se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
			se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
			se.SetSCTPMinCwnd(32 << 10) // as internal/peer does
			se.LoggerFactory = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}
			pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(se), webrtc.WithMediaEngine(&webrtc.MediaEngine{})).NewPeerConnection(webrtc.Configuration{})
			if err != nil {
				t.Fatal(err)
			}
			pcs = append(pcs, pc)
		}
		open := make(chan struct{})
		var mu sync.Mutex
		var sent []time.Time
		got := 0
		done := make(chan struct{})
		no, yes, id := false, true, uint16(1)
		var out1 *webrtc.DataChannel
		for i, pc := range pcs {
			dc, err := pc.CreateDataChannel("chunks", &webrtc.DataChannelInit{Negotiated: &yes, ID: &id, Ordered: &no})
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				out1 = dc
				dc.OnOpen(func() { close(open) })
				continue
			}
			dc.OnMessage(func(m webrtc.DataChannelMessage) {
				mu.Lock()
				defer mu.Unlock()
				k := int(m.Data[0])<<8 | int(m.Data[1])
				out = append(out, float64(time.Since(sent[k]).Microseconds())/1000)
				if got++; got == n*chunks {
					close(done)
				}
			})
		}
		connectPion(t, pcs[0], pcs[1])
		<-open
		for range n {
			mu.Lock()
			now := time.Now()
			for range chunks {
				b := make([]byte, burstSize)
				b[0], b[1] = byte(len(sent)>>8), byte(len(sent))
				sent = append(sent, now)
				if err := out1.Send(b); err != nil {
					t.Error(err)
				}
			}
			mu.Unlock()
			time.Sleep(burstEvery)
		}
		<-done
		for _, pc := range pcs {
			if err := pc.GracefulClose(); err != nil {
				t.Error(err)
			}
		}
	})
	return out
}

func connectPion(t *testing.T, a, b *webrtc.PeerConnection) {
	t.Helper()
	describe := func(pc *webrtc.PeerConnection, d webrtc.SessionDescription, err error) webrtc.SessionDescription {
		if err != nil {
			t.Fatal(err)
		}
		gathered := webrtc.GatheringCompletePromise(pc)
		if err := pc.SetLocalDescription(d); err != nil {
			t.Fatal(err)
		}
		<-gathered
		return *pc.LocalDescription()
	}
	offer, err := a.CreateOffer(nil)
	if err := b.SetRemoteDescription(describe(a, offer, err)); err != nil {
		t.Fatal(err)
	}
	answer, err := b.CreateAnswer(nil)
	if err := a.SetRemoteDescription(describe(b, answer, err)); err != nil {
		t.Fatal(err)
	}
}

// modelled does the same in the model.
func modelled(rtt time.Duration, loss float64, up int64, n int) []float64 {
	c := &cell{rand: rng{1}}
	a, b := line{up: float64(up) / 8e6, queue: 200_000}, line{up: float64(up) / 8e6, queue: 200_000}
	out := c.newAssociation(&sctp, &a, &b, rtt.Microseconds()/2, 2000, loss, event{do: evFrame})
	var ms []float64
	for i := range n {
		c.t.add(event{at: int64(i) * burstEvery.Microseconds(), do: evPublish})
	}
	for {
		e, ok := c.t.next()
		if !ok {
			return ms
		}
		switch e.do {
		case evPublish:
			for range chunks {
				m, _ := c.pool.put(frame{})
				c.pool.all[m].text = c.t.now
				c.transmit(&out, m, burstSize, true)
			}
		case evWake:
			e.a.waking = false
			c.pump(e.a)
		case evFrame:
			if m, ok := c.pool.take(e.m, e.gen); ok {
				ms = append(ms, float64(c.t.now-m.text.(int64))/1000)
			}
		}
	}
}

// TestAssociationIsLikePion compares the model of an association with pion's
// over the packet network that the lab uses. Without loss they are the same to
// the millisecond; with loss pion recovers more slowly now and then.
func TestAssociationIsLikePion(t *testing.T) {
	const n = 100
	for _, loss := range []float64{0, 0.005} {
		for _, rtt := range []time.Duration{20 * time.Millisecond, 80 * time.Millisecond} {
			for _, up := range []int64{2e6, 20e6} {
				t.Run(fmt.Sprintf("loss %g, RTT %v, %d Mbit/s", loss, rtt, up/1e6), func(t *testing.T) {
					p, m := onPion(t, rtt, loss, up, n), modelled(rtt, loss, up, n)
					at := func(x []float64, q float64) float64 {
						slices.Sort(x)
						return x[int(q*float64(len(x)-1))]
					}
					mean := func(x []float64) (sum float64) {
						for _, v := range x {
							sum += v / float64(len(x))
						}
						return sum
					}
					t.Logf("mean %.0f pion, %.0f model; p90 %.0f, %.0f; p99 %.0f, %.0f", mean(p), mean(m), at(p, 0.9), at(m, 0.9), at(p, 0.99), at(m, 0.99))
					allowed := 2.0
					if loss > 0 {
						allowed = 0.25 * mean(p)
					}
					if off := math.Abs(mean(m) - mean(p)); off > allowed {
						t.Errorf("the means differ by %.0f ms", off)
					}
					if a, b := at(m, 0.9), at(p, 0.9); loss == 0 && math.Abs(a-b) > 3 || a > 1.5*b {
						t.Errorf("p90: %.0f in the model, %.0f with pion", a, b)
					}
				})
			}
		}
	}
}
