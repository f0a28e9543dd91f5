package ladder

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starling/internal/cmaf"
)

func TestPlan(t *testing.T) {
	hd := SourceInfo{1280, 720, 30, 2_500_000}
	for _, c := range []struct {
		name   string
		src    SourceInfo
		wanted []Rung
		source bool
		want   []Rung
	}{
		{"two thirds and a third", hd, nil, false, []Rung{{480, 1_360_000}, {240, 480_000}}},
		{"full HD", SourceInfo{1920, 1080, 30, 6_000_000}, nil, false, []Rung{{720, 3_270_000}, {360, 1_150_000}}},
		{"unknown bitrate", SourceInfo{1280, 720, 30, 0}, nil, false, []Rung{{480, 1_350_000}, {240, 480_000}}},
		{"none", hd, []Rung{}, false, nil},
		{"never larger, best first", hd, []Rung{{240, 1}, {1080, 5}, {720, 4}, {480, 2}}, false, []Rung{{480, 2}, {240, 1}}},
		{"the source as well", hd, []Rung{{360, 9}}, true, []Rung{{720, 2_500_000}, {360, 9}}},
		{"the source at a given bitrate", hd, []Rung{{720, 2_000_000}}, true, []Rung{{720, 2_000_000}}},
		{"odd", SourceInfo{640, 359, 25, 1_000_000}, []Rung{{233, 5}}, false, []Rung{{234, 5}}},
		{"odd source encoded", SourceInfo{640, 359, 25, 1_000_000}, []Rung{}, true, []Rung{{360, 1_000_000}}},
		{"tiny source", SourceInfo{64, 48, 25, 100_000}, nil, false, nil},
	} {
		if got := Plan(c.src, c.wanted, c.source); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTheFeedNeverGrowsAndHandsOutWholeBeginnings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFeed(2*time.Second, 50_000)
		gop := rapid.IntRange(1, 60).Draw(t, "gop")
		n, last := 0, -1
		for range rapid.IntRange(0, 600).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "put") < 7 {
				f.put(cmaf.AccessUnit{DTS: int64(n * 33), Key: n%gop == 0, Data: make([]byte, rapid.IntRange(1, 3000).Draw(t, "size"))})
				n++
				continue
			}
			au, ok, more := f.take()
			if !more {
				t.Fatal("ended")
			}
			if ok {
				i := int(au.DTS / 33)
				if i != last+1 && !au.Key {
					t.Fatalf("frame %d after %d is not decodable", i, last)
				}
				last = i
			}
			if f.bytes > 50_000 || f.bytes < 0 {
				t.Fatalf("%d bytes", f.bytes)
			}
		}
	})
}

func TestAFullFeedDropsTheNewestGroup(t *testing.T) {
	f := newFeed(2*time.Second, 1<<20)
	for n := range 300 { // 10 s without anybody taking
		f.put(cmaf.AccessUnit{DTS: int64(n * 33), Key: n%30 == 0, Data: []byte{1}})
	}
	var got []int64
	for {
		au, ok, _ := f.take()
		if !ok {
			break
		}
		got = append(got, au.DTS/33)
	}
	if len(got) != 60 || got[0] != 0 || got[59] != 59 || f.droppedFrames() != 240 {
		t.Fatalf("%d frames from %v, %d dropped", len(got), got, f.droppedFrames())
	}
	f.put(cmaf.AccessUnit{DTS: 10_000, Data: []byte{1}})
	if _, ok, _ := f.take(); ok {
		t.Fatal("goes on in the middle of a group")
	}
	f.put(cmaf.AccessUnit{DTS: 10_033, Key: true, Data: []byte{1}})
	if au, ok, _ := f.take(); !ok || au.DTS != 10_033 {
		t.Fatal("does not go on at a keyframe")
	}
}
