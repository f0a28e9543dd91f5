package network

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
)

// pionOn makes a peer connection whose UDP is that of a host.
func pionOn(t *testing.T, h *Host) *webrtc.PeerConnection {
	t.Helper()
	var se webrtc.SettingEngine
	se.SetNet(h.Net())
	se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	se.LoggerFactory = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(se), webrtc.WithMediaEngine(&webrtc.MediaEngine{}))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	return pc
}

// connect exchanges descriptions with all candidates.
func connect(t *testing.T, a, b *webrtc.PeerConnection) {
	t.Helper()
	offer, err := a.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(a)
	if err := a.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	if err := b.SetRemoteDescription(*a.LocalDescription()); err != nil {
		t.Fatal(err)
	}
	answer, err := b.CreateAnswer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered = webrtc.GatheringCompletePromise(b)
	if err := b.SetLocalDescription(answer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	if err := a.SetRemoteDescription(*b.LocalDescription()); err != nil {
		t.Fatal(err)
	}
}

func TestPionCarriesAMegabyte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, message = 1 << 20, 16 << 10
		n := New(Config{Seed: 1, Path: func(_, _ *Host) Path {
			return Path{RTT: 40 * time.Millisecond, Jitter: 2 * time.Millisecond, Loss: 0.005, Reachable: true}
		}})
		defer n.Close()
		from, to := n.Host(Line{Uplink: 20e6, Downlink: 50e6}), n.Host(Line{Uplink: 20e6, Downlink: 50e6})
		a, b := pionOn(t, from), pionOn(t, to)
		begin := time.Now()
		var opened, ended time.Duration
		got := 0
		var once sync.Once
		done := make(chan struct{})
		b.OnDataChannel(func(dc *webrtc.DataChannel) {
			dc.OnMessage(func(m webrtc.DataChannelMessage) {
				if got += len(m.Data); got == size {
					ended = time.Since(begin)
					once.Do(func() { close(done) })
				}
			})
		})
		dc, err := a.CreateDataChannel("data", nil)
		if err != nil {
			t.Fatal(err)
		}
		dc.OnOpen(func() {
			opened = time.Since(begin)
			for range size / message {
				if err := dc.Send(make([]byte, message)); err != nil {
					t.Error(err)
				}
			}
		})
		connect(t, a, b)
		<-done
		for _, pc := range []*webrtc.PeerConnection{a, b} {
			if err := pc.GracefulClose(); err != nil {
				t.Error(err)
			}
		}
		t.Logf("opened after %v, 1 MiB after %v; %+v", opened, ended, from.Stats())
		// 1 MiB on 20 Mbit/s takes 0.42 s at least; a handshake four round trips.
		if opened < 4*20*time.Millisecond || ended-opened < 420*time.Millisecond {
			t.Errorf("faster than the path: open after %v, all there after %v", opened, ended)
		}
		if s := from.Stats(); s.SentBytes < size || s.Lost == 0 {
			t.Errorf("%+v", s)
		}
	})
}
