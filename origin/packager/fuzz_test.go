package packager

import (
	"encoding/binary"
	"testing"
	"time"

	"starling/internal/cmaf"
	"starling/internal/media"
)

// FuzzAccessUnits feeds times and losses of any kind: no panic, no endless
// output, and the numbering stays whole.
func FuzzAccessUnits(f *testing.F) {
	step := func(kind byte, delta int16, offset int8) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{kind}, uint16(delta)), byte(offset))
	}
	var normal []byte
	for i := range 200 {
		k := byte(0)
		if i%60 == 0 {
			k = 1
		}
		normal = append(normal, step(k, 33, 0)...)
		normal = append(normal, step(k|2, 33, 0)...)
		normal = append(normal, step(4, 33, 0)...)
	}
	f.Add(normal)
	f.Add([]byte{1, 0, 0, 0, 6, 0, 0, 0, 0, 0x7f, 0xff, 0, 1, 0x80, 0, 0x80})
	f.Fuzz(drive)
}

func drive(t *testing.T, in []byte) {
	next := map[int]media.PartID{}
	parts, total := 0, 0
	cfg := scene{fps: 30, rungs: 1, rate: 48_000}.config(func(p Part) {
		parts++
		total += len(p.Payload)
		if want, ok := next[p.Track]; ok && p.ID != want && p.ID != (media.PartID{MSN: want.MSN + 1}) {
			t.Fatalf("track %d: part %s, want %s", p.Track, p.ID, want)
		}
		next[p.Track] = media.PartID{MSN: p.ID.MSN, Index: p.ID.Index + 1}
		if p.Flags.Has(media.FlagLast) {
			next[p.Track] = media.PartID{MSN: p.ID.MSN + 1}
		}
		if p.Duration <= 0 || p.Duration > time.Minute {
			t.Fatalf("part of %v", p.Duration)
		}
	})
	p := New(cfg)
	var now [3]int64
	steps := 0
	for ; len(in) >= 4; in = in[4:] {
		steps++
		delta := int64(int16(binary.BigEndian.Uint16(in[1:])))
		track := int(in[0]>>1) & 3
		if track == 3 {
			p.Lost(0)
			continue
		}
		now[track] += delta
		au := cmaf.AccessUnit{DTS: now[track], PTS: now[track] + int64(int8(in[3])), Key: in[0]&1 != 0, Data: in[:4]}
		switch track {
		case 0:
			if p.Source(au) != nil {
				p.EndSource()
			}
		case 1:
			p.Rung(0, au)
		case 2:
			p.Audio(cmaf.AudioFrame{PTS: now[2], Data: in[:4]})
		}
	}
	p.Finish()
	// Gaps cover no more than the longest forward steps.
	if limit := 1000 + steps*120; parts > limit {
		t.Fatalf("%d parts of %d bytes for %d steps", parts, total, steps)
	}
}
