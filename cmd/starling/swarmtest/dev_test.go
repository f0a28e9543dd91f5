package swarmtest
import ("testing";"os";"strconv";"time";"context";"fmt";"starling/bench";"runtime/metrics")
func TestDev(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("DEVN"))
	if err != nil { t.Log("off"); return }
	s := start(t)
	go func(){ last := time.Now(); var worst time.Duration; for i:=0;;i++ { time.Sleep(20*time.Millisecond); d := time.Since(last)-20*time.Millisecond; last=time.Now(); if d>worst {worst=d}; if i%100==99 { fmt.Println("worst oversleep", worst); worst=0 } } }()
	r, err := bench.Swarm(context.Background(), bench.SwarmOptions{URL: s.base + "/live/test", Peers: n, Ramp: 5 * time.Second, Reference: os.Getenv("DEVREF")!="",
		Warmup: 5 * time.Second, Duration: 15 * time.Second, EdgeBytes: func() (uint64, error) { return s.edgeBytes(), nil }})
	if err != nil { t.Fatal(err) }
	r.Write(os.Stdout)
	sm := []metrics.Sample{{Name:"/sched/latencies:seconds"},{Name:"/sched/goroutines:goroutines"}}
	metrics.Read(sm)
	h := sm[0].Value.Float64Histogram()
	var tot uint64; for _, c := range h.Counts { tot += c }
	for _, q := range []float64{0.5,0.9,0.99,0.999} { var acc uint64; for i, c := range h.Counts { acc += c; if float64(acc) >= q*float64(tot) { fmt.Printf("sched q%v %.3fms\n", q, 1000*h.Buckets[i+1]); break } } }
	fmt.Println("goroutines", sm[1].Value.Uint64())
}
