//go:build unix

package relay

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"starling/internal/media"
	"starling/internal/relaywire"
	"starling/internal/store"
)

// benchPart is a part of 8 Mbit/s.
const benchPart = 333_000

// bareCopier copies segments over QUIC streams with the same socket, TLS and
// window settings as the relay, and nothing else.
type bareCopier struct {
	up, down *quic.Conn
	data     []byte
}

func newBareCopier(b *testing.B, c *cluster) *bareCopier {
	conf, err := relayTLS(c.id.ServerTLS(), true)
	if err != nil {
		b.Fatal(err)
	}
	var transports [2]*quic.Transport
	for i := range transports {
		udp, err := listenUDP("127.0.0.1:0", testLog(b))
		if err != nil {
			b.Fatal(err)
		}
		transports[i] = &quic.Transport{Conn: udp}
		b.Cleanup(func() { closeTransport(transports[i], testLog(b)) })
	}
	ln, err := transports[0].Listen(conf, serverQUIC(DefaultIdleTimeout))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	clientConf := c.id.ClientTLS(relaywire.ALPN)
	clientConf.ServerName = "127.0.0.1"
	down, err := transports[1].Dial(timeout(b), transports[0].Conn.LocalAddr(), clientConf, clientQUIC(DefaultIdleTimeout))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { down.CloseWithError(0, "") })
	up, err := ln.Accept(timeout(b))
	if err != nil {
		b.Fatal(err)
	}
	return &bareCopier{up, down, payload("v720", media.PartID{MSN: 1}, benchPart)}
}

func (bc *bareCopier) copy(b *testing.B, parts int) {
	ctx := context.Background()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for range parts / partsPerSegment {
			str, err := bc.up.OpenUniStreamSync(ctx)
			if err != nil {
				b.Error(err)
				return
			}
			for range partsPerSegment {
				if _, err := str.Write(bc.data); err != nil {
					b.Error(err)
					return
				}
			}
			str.Close()
		}
	})
	buf := make([]byte, media.MaxChunkSize)
	for range parts / partsPerSegment {
		str, err := bc.down.AcceptUniStream(ctx)
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = io.ReadFull(str, buf)
		}
	}
}

// relayCopier carries signed parts from an origin's store to an edge's,
// verified.
type relayCopier struct {
	pub        *publisher
	source, tr *store.Track
	data       []byte
	hashes     [][media.HashSize]byte
	next       uint64
	at         media.PartID
}

func newRelayCopier(b *testing.B, c *cluster) *relayCopier {
	rc := &relayCopier{pub: newPublisher(), next: 100 * partsPerSegment, data: payload("v720", media.PartID{MSN: 1}, benchPart)}
	origin, dir := rc.pub.originDir(), &store.Directory{}
	_, addr, _ := c.serve(b, ServerConfig{Node: "origin"}, origin)
	cl := c.dial(b, ClientConfig{Upstreams: []string{addr}, Node: "edge"}, dir)
	rc.tr, rc.source = acquire(b, cl, dir, "v720"), trackOf(b, origin, "v720")
	rc.hashes = media.HashChunks(rc.data, media.ChunkSize(benchPart, 6))
	return rc
}

// prepare signs parts: the origin's work is not what is measured.
func (rc *relayCopier) prepare(n int) []*store.Part {
	parts := make([]*store.Part, n)
	for i := range parts {
		h, _, _ := rc.pub.signed("v720", media.PartID{MSN: rc.next / partsPerSegment, Index: rc.next % partsPerSegment}, 0)
		h.Size, h.ChunkSize, h.Hashes = benchPart, media.ChunkSize(benchPart, 6), rc.hashes
		parts[i] = store.CompletePart(h, h.Sign(rc.pub.key), rc.data)
		rc.next++
	}
	return parts
}

func (rc *relayCopier) copy(b *testing.B, parts []*store.Part) {
	tokens := make(chan struct{}, 16) // parts in flight, inside both windows
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for _, p := range parts {
			tokens <- struct{}{}
			if err := rc.source.Add(p); err != nil {
				b.Error(err)
			}
		}
	})
	ctx := context.Background()
	for range parts {
		p, err := rc.tr.Next(ctx, rc.at)
		if err != nil {
			b.Fatal(err)
		}
		if b2, err := p.Wait(ctx, p.Header.Size-1); err != nil || len(b2) != benchPart {
			b.Fatal(len(b2), err)
		}
		rc.at = p.ID()
		<-tokens
	}
}

// BenchmarkRelayAgainstBareStream moves the same bytes both ways in turns, so
// that a busy machine disturbs both alike, and reports relay throughput as a
// fraction of the bare copy's by wall clock and by CPU time (both ends of the
// copy run in this process). One operation is a batch of each.
func BenchmarkRelayAgainstBareStream(b *testing.B) {
	const batch = 64
	c := newCluster(b)
	bare, relay := newBareCopier(b, c), newRelayCopier(b, c)
	var wall, cpu [2]time.Duration
	measure := func(i int, f func()) {
		w, c := time.Now(), cpuTime(b)
		f()
		wall[i] += time.Since(w)
		cpu[i] += cpuTime(b) - c
	}
	bare.copy(b, batch)
	relay.copy(b, relay.prepare(batch))
	wall, cpu = [2]time.Duration{}, [2]time.Duration{}
	n := 0
	for b.Loop() {
		parts := relay.prepare(batch)
		measure(0, func() { bare.copy(b, batch) })
		measure(1, func() { relay.copy(b, parts) })
		n++
	}
	mb := float64(n*batch*benchPart) / 1e6
	b.ReportMetric(mb/wall[0].Seconds(), "bare-MB/s")
	b.ReportMetric(mb/wall[1].Seconds(), "relay-MB/s")
	b.ReportMetric(mb/cpu[0].Seconds(), "bare-MB/cpu-s")
	b.ReportMetric(mb/cpu[1].Seconds(), "relay-MB/cpu-s")
	b.ReportMetric(wall[0].Seconds()/wall[1].Seconds(), "wall-ratio")
	b.ReportMetric(cpu[0].Seconds()/cpu[1].Seconds(), "cpu-ratio")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPartDelay measures from the last byte written at the origin to the
// part being complete at an edge one and two hops away, for parts that are
// written in chunks as an encoder's packager does.
func BenchmarkPartDelay(b *testing.B) {
	for hops := 1; hops <= 2; hops++ {
		b.Run(fmt.Sprintf("hops=%d", hops), func(b *testing.B) { benchDelay(b, hops) })
	}
}

func benchDelay(b *testing.B, hops int) {
	c, pub := newCluster(b), newPublisher()
	origin, dir := pub.originDir(), &store.Directory{}
	_, addr, _ := c.serve(b, ServerConfig{Node: "origin"}, origin)
	if hops == 2 {
		_, addr = c.edge(b, "near", addr, &store.Directory{})
	}
	cl := c.dial(b, ClientConfig{Upstreams: []string{addr}, Node: "edge"}, dir)
	tr := acquire(b, cl, dir, "v720")
	source := trackOf(b, origin, "v720")
	const size = 125_000 // 3 Mbit/s
	var delays []time.Duration
	var at media.PartID
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; b.Loop(); i++ {
		h, raw, data := pub.signed("v720", media.PartID{MSN: 100 + uint64(i)/partsPerSegment, Index: uint64(i) % partsPerSegment}, size)
		<-tick.C
		p := store.NewPart(h, raw)
		if err := source.Begin(p); err != nil {
			b.Fatal(err)
		}
		for len(data) > 0 {
			n := min(len(data), h.ChunkSize)
			if _, err := p.Write(data[:n]); err != nil {
				b.Fatal(err)
			}
			data = data[n:]
		}
		closed := time.Now()
		source.Finish(p)
		at = nextPart(b, tr, at).ID()
		delays = append(delays, time.Since(closed))
	}
	slices.Sort(delays)
	b.ReportMetric(float64(delays[len(delays)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(delays[len(delays)*99/100].Microseconds())/1000, "ms-p99")
}
