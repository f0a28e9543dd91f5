package bench

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"starling/bench/report"
	"starling/internal/media"
)

func idOf(n uint64) media.PartID { return media.PartID{MSN: n} }

func TestQuantilesAreNearestRank(t *testing.T) {
	var s []float64
	for i := 100; i >= 1; i-- {
		s = append(s, float64(i))
	}
	if q := quantiles(s); q != (Quantiles{N: 100, P50: 51, P95: 96, P99: 100, Max: 100}) {
		t.Errorf("%+v", q)
	}
	if q := quantiles([]float64{7}); q != (Quantiles{N: 1, P50: 7, P95: 7, P99: 7, Max: 7}) {
		t.Errorf("%+v", q)
	}
	if q := quantiles(nil); q != (Quantiles{}) {
		t.Errorf("%+v", q)
	}
}

func TestReferenceUplinksAreRepeatableAndInProportion(t *testing.T) {
	o := SwarmOptions{Peers: 900, Liars: 1, Reference: true, Seed: 7}
	a, b := o.uplinks(), o.uplinks()
	count := map[int]int{}
	for i := range a {
		if a[i] != b[i] {
			t.Fatal("the same seed draws other uplinks")
		}
		count[a[i]]++
	}
	for uplink, share := range map[int]float64{-1: 0.2, 2_000_000: 0.3, 5_000_000: 0.3, 20_000_000: 0.2} {
		if got := float64(count[uplink]) / 900; got < share-0.06 || got > share+0.06 {
			t.Errorf("%.0f %% have %d bit/s, want %.0f %%", 100*got, uplink, 100*share)
		}
	}
}

func TestEdgeCountOfTheAdminAPI(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/streams" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte(`[{"id":"live/other","edgeBytes":1},{"id":"live/demo","edgeBytes":12345}]`))
	}))
	defer srv.Close()
	n, err := adminEdgeBytes(context.Background(), srv.URL+"/", "https://h/watch/live/demo")
	if err != nil || n != 12345 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := adminEdgeBytes(context.Background(), srv.URL, "https://h/watch/live/none"); err == nil {
		t.Error("a stream that is not there has a count")
	}
	if _, err := adminEdgeBytes(context.Background(), srv.URL+"/wrong", "https://h/live/demo"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("wrong address: %v", err)
	}
}

func TestSharesFollowTheEdgesCount(t *testing.T) {
	m := &meter{o: &SwarmOptions{}, parts: map[partKey]int{{"v", idOf(1)}: 600, {"v", idOf(2)}: 400}}
	r := Report{PeerBytes: 9000, FeedBytes: 800, HTTPBytes: 180, EdgeBytes: 1000}
	m.edge(&r)
	if r.StreamBytes != 1000 || r.Offload != 0.9 || r.EdgeCopies != 1 || r.EdgeMismatch > -0.0199 || r.EdgeMismatch < -0.0201 {
		t.Errorf("%+v", r)
	}
	r = Report{PeerBytes: 500, FeedBytes: 300, HTTPBytes: 200}
	m.edge(&r)
	if r.Offload != 0.5 || r.EdgeCopies != 0.5 || r.EdgeMismatch != 0 {
		t.Errorf("by the viewers' count: %+v", r)
	}
	var out bytes.Buffer
	if err := r.Write(&out); err != nil || !strings.Contains(out.String(), "offload          50.0 %") || !strings.Contains(out.String(), "not asked") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestReceiptHasTheFigures(t *testing.T) {
	r := Report{URL: "http://h/watch/live/demo", Viewers: 4, Seconds: 90, Offload: 0.75, EdgeCopies: 1, Stalls: 1, Playlists: 36, Lateness: Quantiles{N: 9, P95: 40}}
	got := r.Receipt()
	res := got.Results[0]
	if got.Kind != report.Live || res.Role != report.Swarm || res.Figures[report.Offload] != 0.75 || res.Figures[report.StallsPerViewerHour] != 10 ||
		res.Figures[report.RequestRate] != 0.1 || res.Quantiles[report.Lateness].P95 != 40 {
		t.Errorf("%+v", got)
	}
	if _, ok := res.Figures[report.EdgeBytes]; ok {
		t.Error("an edge that was not asked has a count")
	}
	r.EdgeOnly, r.EdgeBytes = true, 5
	if res := r.Receipt().Results[0]; res.Role != report.EdgeOnly || res.Figures[report.EdgeBytes] != 5 {
		t.Errorf("edge only: %+v", res)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []SwarmOptions{{}, {URL: "http://h/live/a", Peers: -1}, {URL: "http://h/live/a", Peers: 999, Liars: 2}, {URL: "live/a"}} {
		if _, err := Swarm(context.Background(), o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}
