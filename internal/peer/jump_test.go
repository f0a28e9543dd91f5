package peer

import (
	"log/slog"
	"testing"
	"time"

	"starling/internal/media"
	"starling/internal/peerstate"
)

// behindLive is a viewer of two tracks whose parts of 333 ms are known from
// msn 10 on, 6 a segment, while playback stands at the beginning.
func behindLive(t *testing.T, segments int) *Peer {
	t.Helper()
	start := time.Now().Add(-time.Duration(segments) * 2 * time.Second)
	p := &Peer{log: slog.New(slog.DiscardHandler), info: &catalog{StreamInfo: media.StreamInfo{PartMS: 334, TargetMS: 4000}},
		parts: map[peerstate.Key]*partData{}, state: peerstate.New(peerstate.Rules{}, 0), start: start}
	p.state.SetTracks([]peerstate.Track{{Number: 1, Slices: 1, From: media.PartID{MSN: 10}}, {Number: 2, Slices: 1, From: media.PartID{MSN: 10}}}, 0)
	for n := range uint8(2) {
		tr := &trackState{info: &media.TrackInfo{Number: n + 1, Slices: 1}, from: media.PartID{MSN: 10}, refreshedAt: -1}
		p.tracks = append(p.tracks, tr)
		for i := range segments * 6 {
			id := media.PartID{MSN: 10 + uint64(i/6), Index: uint64(i % 6)}
			p.learn(peerstate.Key{Track: tr.info.Number, ID: id}, start.Add(time.Duration(i)*time.Second/3), time.Second/3)
		}
	}
	p.stats.StartupMS = 1
	p.play = playback{started: true, pdt: start, target: time.Second, at: p.now(), stallAt: p.now()}
	return p
}

func TestAViewerFarBehindJumpsToTheNewestWholeStart(t *testing.T) {
	p := behindLive(t, 10)
	if !p.jump(p.now()) {
		t.Fatal("20 s behind and no jump")
	}
	for _, tr := range p.tracks {
		if want := (media.PartID{MSN: 19}); tr.from != want || tr.ids[0] != want || tr.any {
			t.Errorf("track %d goes on from %s, first of %v", tr.info.Number, tr.from, tr.ids[0])
		}
	}
	if p.play.started || p.play.stallAt != 0 || p.stats.Jumps != 1 || p.stats.Stalls != 1 {
		t.Errorf("after the jump: %+v, %d jumps, %d stalls", p.play, p.stats.Jumps, p.stats.Stalls)
	}
	if p.jump(p.now()) {
		t.Error("jumps again at once")
	}
}

func TestNoJumpWithoutNeedOrPlace(t *testing.T) {
	near := behindLive(t, 1) // 2 s behind, less than target and distance
	if near.jump(near.now()) {
		t.Error("a jump over what catching up can close")
	}
	alone := behindLive(t, 10)
	alone.tracks[1].ids = alone.tracks[1].ids[:1]
	for k := range alone.parts {
		if k.Track == 2 && k.ID.MSN > 10 {
			delete(alone.parts, k)
		}
	}
	if alone.jump(alone.now()) {
		t.Error("a jump to where one track has nothing")
	}
}
