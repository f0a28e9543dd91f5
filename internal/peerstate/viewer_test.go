package peerstate

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"starling/internal/media"
	"starling/internal/peerwire"
)

func id(msn, index uint64) media.PartID { return media.PartID{MSN: msn, Index: index} }

func key(msn, index uint64) Key { return Key{1, id(msn, index)} }

// show writes actions in a short form that tests can read.
func show(as []Action) string {
	var out []string
	for _, a := range as {
		at := a.Key.ID.String()
		switch a.Kind {
		case ForwardHeader:
			out = append(out, fmt.Sprintf("header %s>%s", at, a.Peer))
		case Forward:
			out = append(out, fmt.Sprintf("push %s[%d+%d]>%s", at, a.First, a.Count, a.Peer))
		case Subscribe:
			only := ""
			if a.Flags == peerwire.NoHeaders {
				only = " chunks"
			}
			out = append(out, fmt.Sprintf("sub %s %b%s from %s", a.Peer, a.Slices, only, at))
		case Unsubscribe:
			out = append(out, fmt.Sprintf("unsub %s %b", a.Peer, a.Slices))
		case Request:
			out = append(out, fmt.Sprintf("request %s[%d+%d]<%s in %d", at, a.First, a.Count, a.Peer, a.DeadlineMS))
		case Cancel:
			out = append(out, fmt.Sprintf("cancel %s[%d+%d]<%s", at, a.First, a.Count, a.Peer))
		case Fetch:
			out = append(out, fmt.Sprintf("fetch %s[%d+%d]", at, a.First, a.Count))
		case FetchAll:
			out = append(out, "fetch all "+at)
		case Refuse:
			if a.Slices != 0 {
				out = append(out, fmt.Sprintf("refuse %s %b %s", a.Peer, a.Slices, a.Reason))
			} else {
				out = append(out, fmt.Sprintf("refuse %s[%d+%d]>%s %s", at, a.First, a.Count, a.Peer, a.Reason))
			}
		case ReportBad:
			out = append(out, fmt.Sprintf("bad %s %s[%d]", a.Peer, at, a.First))
		case ReportLost:
			out = append(out, fmt.Sprintf("lost %s %s", a.Peer, a.Lost))
		case Deliver:
			out = append(out, "deliver "+at)
		case Ping:
			out = append(out, "ping "+a.Peer)
		case WantHeader:
			out = append(out, fmt.Sprintf("want %s<%s", at, a.Peer))
		case Announce:
			out = append(out, fmt.Sprintf("have %s %d", at, a.Count))
		case GiveUp:
			out = append(out, "give up "+at)
		case Drop:
			out = append(out, "drop "+at)
		}
	}
	return strings.Join(out, ", ")
}

func expect(t *testing.T, what string, as []Action, want string) {
	t.Helper()
	if got := show(as); got != want {
		t.Fatalf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// pair makes a viewer of one track with two slices: p1 pushes slice 0, p2
// slice 1, and each is the other's backup.
func pair(t *testing.T) *Viewer {
	v := New(Rules{}, 10_000_000)
	expect(t, "tracks", v.SetTracks([]Track{{Number: 1, Slices: 2, Bitrate: 1_000_000, From: id(10, 0)}}, 0), "sub edge 11 from 10.0")
	expect(t, "p1 up", v.NeighbourUp("p1", 0), "")
	expect(t, "p2 up", v.NeighbourUp("p2", 0), "")
	expect(t, "assign", v.Assign(1, []SliceSource{{"p1", "p2"}, {"p2", "p1"}}, 0),
		"sub p1 1 from 10.0, unsub edge 11, sub p2 10 chunks from 10.0")
	return v
}

func push(t *testing.T, v *Viewer, k Key, from string, now int64, chunks ...int) {
	t.Helper()
	for _, c := range chunks {
		if verdict, _ := v.Chunk(k, c, from, true, now); verdict != Useful {
			t.Fatalf("chunk %d of %s from %s: verdict %d", c, k.ID, from, verdict)
		}
	}
}

func TestPartIsForwardedChunkByChunkAndDelivered(t *testing.T) {
	v := pair(t)
	v.NeighbourUp("c1", 0)
	expect(t, "child", v.Subscribed("c1", 1, 0b01, id(0, 0), 0), "")
	expect(t, "header", v.Header(key(10, 0), 4, "p1", 2000, 1000), "header 10.0>c1")
	_, as := v.Chunk(key(10, 0), 0, "p1", true, 1010)
	expect(t, "first chunk of the child's slice", as, "push 10.0[0+1]>c1")
	verdict, as := v.Chunk(key(10, 0), 0, "p2", true, 1011)
	if verdict != Duplicate {
		t.Fatalf("verdict %d", verdict)
	}
	expect(t, "duplicate", as, "")
	push(t, v, key(10, 0), "p1", 1012, 1)
	push(t, v, key(10, 0), "p2", 1013, 2)
	_, as = v.Chunk(key(10, 0), 3, "p2", true, 1014)
	expect(t, "last chunk", as, "deliver 10.0, have 10.0 4")
	expect(t, "a complete part needs nothing", v.Tick(3000), "")
	expect(t, "an old part is dropped", v.Tick(6000), "drop 10.0")
	if verdict, _ := v.Chunk(key(10, 0), 3, "p2", true, 6001); verdict != Unwanted {
		t.Fatalf("a chunk of a dropped part: verdict %d", verdict)
	}
}

func TestChildIsNotSentItsOwnChunks(t *testing.T) {
	v := pair(t)
	v.Subscribed("p2", 1, 0b11, id(0, 0), 0)
	expect(t, "header from the child", v.Header(key(10, 0), 2, "p2", 2000, 1000), "")
	_, as := v.Chunk(key(10, 0), 1, "p2", true, 1001)
	expect(t, "chunk from the child", as, "")
	_, as = v.Chunk(key(10, 0), 0, "p1", true, 1001)
	expect(t, "chunk from another", as, "push 10.0[0+1]>p2, deliver 10.0, have 10.0 2")
}

func TestLostParentIsReplacedAtOnce(t *testing.T) {
	v := pair(t)
	v.Header(key(10, 0), 4, "p1", 2000, 1000)
	push(t, v, key(10, 0), "p1", 1001, 0)
	expect(t, "p1 gone", v.NeighbourGone("p1", LostClosed, 1002), "cancel 10.0[0+1]<p2, sub p2 1 from 10.0, lost p1 closed")
	expect(t, "the backup gets its patience", v.Tick(1100), "")
	push(t, v, key(10, 0), "p2", 1101, 1, 2)
	_, as := v.Chunk(key(10, 0), 3, "p2", true, 1102)
	expect(t, "delivered", as, "deliver 10.0, have 10.0 4")
	expect(t, "p2 gone too", v.NeighbourGone("p2", LostTimeout, 1200), "sub edge 11 from 10.1, lost p2 timeout")
}

func TestSilentParentIsProbedLeftAndReportedWhenItStaysSo(t *testing.T) {
	v := pair(t)
	v.RoundTrip("p1", 40)
	v.RoundTrip("p2", 40)
	now := int64(1000)
	for i := range uint64(3) {
		k := key(10, i)
		v.Header(k, 4, "p2", now+1000, now)
		v.Heard("p2", now)
		push(t, v, k, "p2", now, 2, 3)
		expect(t, "within 25 ms", v.Tick(now+24), "")
		expect(t, "a sign of life is asked for", v.Tick(now+25), "ping p1")
		expect(t, "and awaited", v.Tick(now+124), "")
		want := fmt.Sprintf("unsub p1 1, sub p2 1 from 10.%d", i)
		if i == 2 {
			want = "lost p1 slow, " + want
		}
		expect(t, fmt.Sprintf("silence %d", i+1), v.Tick(now+125), want)
		push(t, v, k, "p2", now+160, 0, 1)
		v.Heard("p1", now+600) // too late for an excuse
		now += 125 + 2000<<i   // twice as long each time
		if got := show(v.Tick(now - 1)); strings.Contains(got, "sub") {
			t.Fatalf("too early: %s", got)
		}
		if got, want := show(v.Tick(now)), fmt.Sprintf("sub p1 1 chunks from 10.%d, unsub p2 1", i+1); !strings.HasSuffix(got, want) {
			t.Fatalf("not tried again: %s", got)
		}
	}
}

func TestParentThatAnswersIsAwaited(t *testing.T) {
	v := pair(t)
	v.RoundTrip("p1", 40)
	v.Header(key(10, 0), 4, "p2", 2000, 1000)
	push(t, v, key(10, 0), "p2", 1000, 2, 3)
	expect(t, "probe", v.Tick(1025), "ping p1")
	v.Heard("p1", 1070)
	expect(t, "it is there", v.Tick(1300), "")
	push(t, v, key(10, 0), "p1", 1500, 0, 1)
	if got := v.Sources(1); !reflect.DeepEqual(got, []string{"p1", "p2"}) {
		t.Fatalf("sources %v", got)
	}
}

func TestSilentParentOfAWholeTrackIsFoundByTheCadence(t *testing.T) {
	v := New(Rules{}, 0)
	v.SetTracks([]Track{{Number: 1, Slices: 1, Bitrate: 128_000, PartMS: 333, From: id(10, 0)}}, 0)
	v.NeighbourUp("p1", 0)
	v.RoundTrip("p1", 40)
	v.Assign(1, []SliceSource{{"p1", Edge}}, 0)
	v.Header(key(10, 0), 1, "p1", 2000, 1000)
	push(t, v, key(10, 0), "p1", 1000, 0)
	v.Heard("p1", 1000)
	expect(t, "the next part is not due", v.Tick(1357), "")
	expect(t, "it is", v.Tick(1358), "ping p1")
	expect(t, "no answer", v.Tick(1458), "unsub p1 1, sub edge 1 from 10.1")
	v.Heard("p1", 1500)
	expect(t, "it was away for a moment", v.Tick(1510), "sub p1 1 from 10.1, unsub edge 1")
}

func TestPlannedMoveLeavesNoGapAndNoOverlap(t *testing.T) {
	v := New(Rules{}, 0)
	v.SetTracks([]Track{{Number: 1, Slices: 1, Bitrate: 100_000, From: id(10, 0)}}, 0)
	v.Assign(1, []SliceSource{{"p1", Edge}}, 0)
	v.Header(key(10, 0), 2, Edge, 2000, 1000)
	push(t, v, key(10, 0), Edge, 1000, 0)
	expect(t, "the parent connects within a part", v.NeighbourUp("p1", 1001), "sub p1 1 from 10.1")
	_, as := v.Chunk(key(10, 0), 1, Edge, true, 1002)
	expect(t, "the old source ends with the part", as, "unsub edge 1, deliver 10.0, have 10.0 2")
	v.Header(key(10, 1), 1, "p1", 2333, 1333)
	_, as = v.Chunk(key(10, 1), 0, "p1", true, 1334)
	expect(t, "the new source goes on", as, "deliver 10.1, have 10.1 1")
	expect(t, "moved back to the feed", v.Assign(1, []SliceSource{{Edge, Edge}}, 1340), "sub edge 1 from 10.2, unsub p1 1")
}

func TestRepairAsksNeighbourThenEdge(t *testing.T) {
	v := pair(t)
	v.NeighbourUp("p3", 0)
	v.Header(key(10, 0), 4, "p1", 2000, 1000)
	push(t, v, key(10, 0), "p1", 1001, 0)
	push(t, v, key(10, 0), "p2", 1001, 2, 3)
	v.Have("p3", key(10, 0), 4, []byte{0x0f}, 1002)
	expect(t, "patience", v.Tick(1549), "")
	expect(t, "request", v.Tick(1550), "cancel 10.0[1+1]<p1, request 10.0[1+1]<p3 in 157")
	expect(t, "refused", v.RangeRefused("p3", key(10, 0), 1, 1, 1600), "fetch 10.0[1+1]")
	expect(t, "failed", v.EdgeDone(key(10, 0), 1, 1, false, 1700), "")
	expect(t, "before the retry", v.Tick(1799), "")
	expect(t, "retry", v.Tick(1800), "fetch 10.0[1+1]")
	_, as := v.Chunk(key(10, 0), 1, "p1", true, 1801)
	expect(t, "the parent was faster", as, "cancel 10.0[1+1]<edge, deliver 10.0, have 10.0 4")
}

func TestWithoutHeaderTheWholePartComesFromTheEdge(t *testing.T) {
	v := pair(t)
	v.NeighbourUp("c1", 0)
	v.Subscribed("c1", 1, 0b11, id(0, 0), 0)
	v.Exists(key(10, 0), 2000, 1000)
	expect(t, "fetch", v.Tick(1550), "cancel 10.0[0+8192]<p1, cancel 10.0[0+8192]<p2, fetch all 10.0")
	expect(t, "played, not passed on", v.Plain(key(10, 0), 1400), "deliver 10.0")
	expect(t, "its header comes", v.Header(key(10, 0), 1, "p1", 0, 1500), "header 10.0>c1")
	_, as := v.Chunk(key(10, 0), 0, Edge, true, 1500)
	expect(t, "now it is passed on", as, "push 10.0[0+1]>c1")
}

func TestBadChunkBansItsSender(t *testing.T) {
	v := pair(t)
	v.Header(key(10, 0), 4, "p1", 2000, 1000)
	verdict, as := v.Chunk(key(10, 0), 0, "p1", false, 1001)
	if verdict != Rejected {
		t.Fatalf("verdict %d", verdict)
	}
	expect(t, "ban", as, "bad p1 10.0[0], sub p2 1 from 10.0")
	expect(t, "it comes back", v.NeighbourUp("p1", 1002), "")
	expect(t, "and asks", v.Subscribed("p1", 1, 1, id(0, 0), 1003), "refuse p1 1 absent")
	expect(t, "and asks again", v.Requested("p1", key(10, 0), 0, 1), "refuse 10.0[0+1]>p1 absent")
	if got := v.Sources(1); !reflect.DeepEqual(got, []string{"p2", "p2"}) || !v.Banned("p1") {
		t.Fatalf("sources %v", got)
	}
}

func TestFanOutIsBoundedByTheUplink(t *testing.T) {
	v := New(Rules{}, 1_300_000) // two slices of 500 kbit/s and a quarter
	v.SetTracks([]Track{{Number: 1, Slices: 2, Bitrate: 1_000_000, From: id(10, 0)}}, 0)
	expect(t, "two fit", v.Subscribed("a", 1, 0b11, id(0, 0), 0), "")
	expect(t, "asking twice costs nothing", v.Subscribed("a", 1, 0b11, id(0, 0), 0), "")
	expect(t, "a third does not", v.Subscribed("b", 1, 0b10, id(0, 0), 0), "refuse b 10 busy")
	v.Unsubscribed("a", 1, 0b01)
	expect(t, "after one left", v.Subscribed("b", 1, 0b11, id(0, 0), 0), "refuse b 10 busy")
}

func TestNewChildGetsWhatIsThere(t *testing.T) {
	v := pair(t)
	v.Header(key(10, 0), 6, "p1", 2000, 1000)
	push(t, v, key(10, 0), "p1", 1001, 0, 1)
	push(t, v, key(10, 0), "p2", 1001, 3, 5)
	expect(t, "from an old part", v.Subscribed("c", 1, 0b11, id(9, 0), 1002), "header 10.0>c, push 10.0[0+2]>c, push 10.0[3+1]>c, push 10.0[5+1]>c")
	expect(t, "range", v.Requested("d", key(10, 0), 1, 4), "header 10.0>d, push 10.0[1+1]>d, refuse 10.0[2+1]>d absent, push 10.0[3+1]>d, refuse 10.0[4+1]>d absent")
	expect(t, "unknown part", v.Requested("d", key(11, 0), 0, 2), "refuse 11.0[0+2]>d absent")
}

func TestRefusedSubscriptionGoesToTheBackup(t *testing.T) {
	v := pair(t)
	expect(t, "busy", v.SubscriptionRefused("p1", 1, 0b01, 500), "unsub p1 1, sub p2 1 from 10.0")
	expect(t, "busy too", v.SubscriptionRefused("p2", 1, 0b11, 500), "unsub p2 11, sub edge 1 from 10.0, sub p1 10 chunks from 10.0")
}

func TestDroppedTrackEndsItsSubscriptions(t *testing.T) {
	v := pair(t)
	v.Header(key(10, 0), 4, "p1", 2000, 1000)
	got := show(v.SetTracks([]Track{{Number: 2, Slices: 1, From: id(10, 1)}}, 1001))
	if want := "sub edge 1 from 10.1, unsub p1 1, unsub p2 10, drop 10.0"; got != want {
		t.Fatalf("got %s\nwant %s", got, want)
	}
}

func TestUploadIsPacedAndBounded(t *testing.T) {
	b := NewBucket(8_000_000, 0) // 1000 bytes a ms, burst 33,333
	var q ChildQueue
	for i := range 40 {
		q.Push(QueuedChunk{Key: key(10, 0), Chunk: i, Size: 16_000, At: 0})
	}
	if q.Push(QueuedChunk{Key: key(10, 0), Chunk: 3, Size: 16_000, At: 0}) {
		t.Fatal("a chunk waits twice")
	}
	sent := func(now int64, buffered int) (n int) {
		for {
			if _, ok := q.Next(b, buffered, now); !ok {
				return n
			}
			n++
		}
	}
	if n := sent(0, 0); n != 3 { // 3 x 16,000 just overdraws 33,333
		t.Fatalf("%d chunks in the burst", n)
	}
	if w := b.Wait(0, 0); w != 15 {
		t.Fatalf("wait %d ms", w)
	}
	if n := sent(100, HighWater+1); n != 0 {
		t.Fatal("sent above the high mark")
	}
	if n := sent(100, LowWater+1); n != 0 {
		t.Fatal("resumed above the low mark")
	}
	if n := sent(100, LowWater); n != 3 {
		t.Fatalf("%d chunks after 100 ms", n)
	}
	q.Cancel(key(10, 0), 19, 2)
	if q.Len() != 32 || q.Bytes() != 32*16_000 {
		t.Fatalf("%d chunks, %d bytes after a cancel", q.Len(), q.Bytes())
	}
	if q.Expire(1499) != 0 || q.Expire(1500) != 32 || q.Bytes() != 0 {
		t.Fatal("chunks do not expire after 1.5 s")
	}
	if none := NewBucket(0, 0); none.Take(1, 1000) || none.Wait(0, 1000) >= 0 {
		t.Fatal("a viewer that must not upload did")
	}
}
