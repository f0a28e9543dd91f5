package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Figure names a figure. Those below are known by title and unit; any other
// name may be used too and is shown as it is.
type Figure string

// Unit says how a value is shown.
type Unit string

// Units. Shares are 0 to 1 in receipts and percent in reports.
const (
	Share   Unit = "share"
	Points  Unit = "points" // of a share: 0.05 is shown as 5 points
	Millis  Unit = "ms"
	Seconds Unit = "s"
	Count   Unit = ""
	Bytes   Unit = "bytes"
	BitRate Unit = "bit/s"
	MB      Unit = "MB"
	KB      Unit = "KB"
	Cores   Unit = "cores"
)

// The known figures. A byte count is of media payload unless it says otherwise.
const (
	Offload     Figure = "offload"     // peer bytes ÷ (peer bytes + bytes that left the edge)
	Bound       Figure = "bound"       // min(1 − k/N, ΣU/(N·r))
	BoundShare  Figure = "boundShare"  // offload ÷ bound
	EdgeCopies  Figure = "edgeCopies"  // how often the edge sent each part, by cell
	PeerBytes   Figure = "peerBytes"   // useful, from peers
	FeedBytes   Figure = "feedBytes"   // from the edge's feed, by the viewers' count
	HTTPBytes   Figure = "httpBytes"   // from the edge by HTTP, by the viewers' count
	EdgeBytes   Figure = "edgeBytes"   // that left the edge, by its own count
	StreamBytes Figure = "streamBytes" // of the parts played, each once

	Lateness      Figure = "lateness"      // quantiles: end of a part's media to complete at a viewer
	Latency       Figure = "latency"       // quantiles: glass to glass, or wall clock less playhead
	Startup       Figure = "startup"       // quantiles: start to first picture, or to a full buffer
	FirstPeerByte Figure = "firstPeerByte" // quantiles: join to first verified byte of a peer
	ParentGap     Figure = "parentGap"     // quantiles: parent lost to slice flowing again
	Depth         Figure = "depth"         // quantiles: hops from the edge

	Stalls              Figure = "stalls"
	StallTime           Figure = "stallTime" // of all viewers together
	StallsPerViewerHour Figure = "stallsPerViewerHour"
	Parts               Figure = "parts" // completed, all viewers
	LateParts           Figure = "lateParts"
	SkippedParts        Figure = "skippedParts"

	Duplicates    Figure = "duplicates" // share of the media received
	Control       Figure = "control"    // frames without media, share of the media received
	RejectedBytes Figure = "rejectedBytes"
	BadBytes      Figure = "badBytes" // altered bytes that reached the decoder

	RepairsNeighbour Figure = "repairsNeighbour" // chunk ranges asked of neighbours
	RepairsHTTP      Figure = "repairsHttp"      // and of the edge, by HTTP
	RepairsFeed      Figure = "repairsFeed"      // and of the edge, by its feed
	Playlists        Figure = "playlists"        // playlist requests
	RequestRate      Figure = "requestRate"      // HTTP requests a viewer and second

	Connections     Figure = "connections" // a viewer
	ConnectFailures Figure = "connectFailures"
	CPU             Figure = "cpu"      // cores a viewer
	Memory          Figure = "memory"   // MB a viewer
	CoreSize        Figure = "coreSize" // the client's core, gzipped

	// Of bench/browsers: the whole page, with hls.js and the probes in it.
	PageThread   Figure = "pageThread"   // CPU time of the page's main thread ÷ time
	PageScript   Figure = "pageScript"   // time in scripts ÷ time
	PageCPU      Figure = "pageCpu"      // cores of the page's process
	Heap         Figure = "heap"         // JavaScript heap, MB a viewer
	ServerCores  Figure = "serverCores"  // cores of the server's process
	MachineIdle  Figure = "machineIdle"  // share of the machine that was idle
	MachineSteal Figure = "machineSteal" // and that its host took
	OwnOffload   Figure = "ownOffload"   // offload by the player's own count

	// Shares of a page's main thread, and what its heap holds after a collection.
	MainThread      Figure = "mainThread" // our code: engine and player
	ThreadEngine    Figure = "threadEngine"
	ThreadPlayer    Figure = "threadPlayer"
	ThreadHLS       Figure = "threadHls"
	ThreadCollector Figure = "threadCollector"
	ThreadBrowser   Figure = "threadBrowser"
	HeapBuffers     Figure = "heapBuffers"
	HeapGrowth      Figure = "heapGrowth"      // MB an hour
	HeapAfterJoins  Figure = "heapAfterJoins"  // what joins and leaves of neighbours left in it
	Joins           Figure = "joins"           // neighbours that came and went
	ConnectionsLeft Figure = "connectionsLeft" // of them

	Roots        Figure = "roots"
	Leaves       Figure = "leaves"
	Liars        Figure = "liars"
	Banned       Figure = "banned"
	HonestBanned Figure = "honestBanned"

	// Filled by Judge from Swarm and EdgeOnly of the same receipt.
	LatencyTax    Figure = "latencyTax"    // p95 of Latency, else of Lateness, less that of EdgeOnly
	StartupTaxP50 Figure = "startupTaxP50" // the same for Startup
	StartupTaxP95 Figure = "startupTaxP95"
)

// Definition is how a figure is shown.
type Definition struct {
	Figure Figure
	Title  string
	Unit   Unit
	Better int // 1: higher is better, -1: lower is, 0: neither
}

// definitions are in the order in which reports show figures.
var definitions = []Definition{
	{Offload, "Offload", Share, 1},
	{Bound, "Bound of offload", Share, 0},
	{BoundShare, "Offload ÷ bound", Share, 1},
	{EdgeCopies, "Edge copies of a part", Count, -1},
	{Latency, "Latency", Millis, -1},
	{Lateness, "Part lateness", Millis, -1},
	{LatencyTax, "Latency added by the swarm, p95", Millis, -1},
	{Stalls, "Stalls", Count, -1},
	{StallTime, "Stall time", Millis, -1},
	{StallsPerViewerHour, "Stalls a viewer and hour", Count, -1},
	{Startup, "Start-up", Millis, -1},
	{StartupTaxP50, "Start-up added by the swarm, p50", Millis, -1},
	{StartupTaxP95, "Start-up added by the swarm, p95", Millis, -1},
	{FirstPeerByte, "Join to first verified peer byte", Millis, -1},
	{ParentGap, "Parent lost to slice flowing", Millis, -1},
	{Depth, "Hops from the edge", Count, -1},
	{Duplicates, "Duplicate bytes", Share, -1},
	{Control, "Control bytes", Share, -1},
	{RequestRate, "Requests a viewer and second", Count, -1},
	{Playlists, "Playlist requests", Count, -1},
	{RepairsNeighbour, "Repairs by neighbours", Count, 0},
	{RepairsFeed, "Repairs by the feed", Count, 0},
	{RepairsHTTP, "Repairs by HTTP", Count, 0},
	{Parts, "Parts completed", Count, 0},
	{LateParts, "Parts late", Count, -1},
	{SkippedParts, "Parts skipped", Count, -1},
	{BadBytes, "Altered bytes to the decoder", Bytes, -1},
	{RejectedBytes, "Bytes rejected", Bytes, 0},
	{Liars, "Liars", Count, 0},
	{Banned, "Banned", Count, 0},
	{HonestBanned, "Honest viewers banned", Count, -1},
	{Roots, "Roots", Count, 0},
	{Leaves, "Leaves", Count, 0},
	{Connections, "Connections a viewer", Count, 0},
	{ConnectFailures, "Connections failed", Count, -1},
	{CPU, "CPU a viewer", Cores, -1},
	{Memory, "Memory a viewer", MB, -1},
	{MainThread, "Main thread, our code", Share, -1},
	{ThreadEngine, "Main thread, swarm engine", Share, -1},
	{ThreadPlayer, "Main thread, player", Share, -1},
	{ThreadHLS, "Main thread, hls.js", Share, -1},
	{ThreadCollector, "Main thread, garbage collector", Share, -1},
	{ThreadBrowser, "Main thread, browser", Share, -1},
	{HeapBuffers, "Array buffers", MB, -1},
	{HeapGrowth, "Heap and buffers, growth an hour", MB, -1},
	{HeapAfterJoins, "Heap and buffers, growth by joins", MB, -1},
	{Joins, "Neighbours that came and went", Count, 0},
	{ConnectionsLeft, "Connections left of them", Count, -1},
	{CoreSize, "Client core, gzipped", KB, -1},
	{PageThread, "Main thread of the page", Share, -1},
	{PageScript, "Scripts of the page", Share, -1},
	{PageCPU, "CPU of the page's process", Cores, -1},
	{Heap, "JavaScript heap a viewer", MB, -1},
	{ServerCores, "CPU of the server", Cores, -1},
	{MachineIdle, "Machine idle", Share, 0},
	{MachineSteal, "Taken by the machine's host", Share, 0},
	{OwnOffload, "Offload by the player's own count", Share, 0},
	// Of bench/audience and bench/simulation, which name them.
	{"leftGap", "Parent said goodbye to slice flowing", Millis, -1},
	{"controlHeaders", "Control bytes: part headers", Share, -1},
	{"controlHaves", "Control bytes: HAVE", Share, -1},
	{"controlPings", "Control bytes: PING and PONG", Share, -1},
	{"lostSince", "Parent lost to slice flowing, from the loss itself", Millis, -1},
	{"lostFound", "Parent lost to another source asked", Millis, -1},
	{"lostFilled", "Another source asked to slice flowing", Millis, -1},
	{"lostDelay", "Parent lost, worst delay of a part beyond usual", Millis, -1},
	{"lostSlice", "Slices whose parent was lost", Count, 0},
	{"lostNever", "Of these, not flowing after 4 s", Count, -1},
	{"lostStall", "Children of a lost parent that stalled", Count, -1},
	{"lostPairs", "Pairs that could not connect", Count, 0},
	{"neverOn", "Viewers that never played", Count, -1},
	{"jumps", "Jumps to live", Count, -1},
	{"switches", "Slices moved to another source", Count, 0},
	{"refusals", "Subscriptions refused", Count, 0},
	{"behind", "Behind live at the end", Millis, -1},
	{"uplink", "Uplink of the line", BitRate, 0},
	{"watchTime", "Watched", Seconds, 0},
	{"cells", "Cells", Count, 0},
	{"edgeCopiesWorstCell", "Edge copies of a part, worst cell", Count, -1},
	{"controlSent", "Control bytes, counted once", Share, -1},
	{"countMismatch", "Viewers' count of edge bytes over the edge's", Share, 0},
	{"wallSeconds", "The run took", Seconds, 0},
	{"cpuSeconds", "Processor time of the run", Seconds, 0},
	{"sentBytes", "Sent to other viewers", Bytes, 0},
	{PeerBytes, "From peers", Bytes, 0},
	{FeedBytes, "From the feed", Bytes, 0},
	{HTTPBytes, "From the edge by HTTP", Bytes, 0},
	{EdgeBytes, "Left the edge, its count", Bytes, 0},
	{StreamBytes, "Stream, each part once", Bytes, 0},
}

// DefinitionOf a figure. One that is not known is its own title and a count.
func DefinitionOf(f Figure) Definition {
	for _, d := range definitions {
		if d.Figure == f {
			return d
		}
	}
	return Definition{Figure: f, Title: string(f)}
}

// dash stands for what was not measured.
const dash = "–"

// Format shows a value with its unit; a missing one is a dash.
func (u Unit) Format(v Number) string {
	if v.Missing() {
		return dash
	}
	f := float64(v)
	switch u {
	case Share:
		return trim(100*f, 1) + " %"
	case Points:
		return trim(100*f, 1) + " points"
	case Millis:
		if math.Abs(f) < 10 {
			return trim(f, 1) + " ms"
		}
		return group(f) + " ms"
	case Bytes:
		return scaled(f, "B", "kB", "MB", "GB", "TB")
	case BitRate:
		return scaled(f, "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s")
	case Cores:
		return trim(f, 4)
	case Count:
		return number(f)
	}
	return number(f) + " " + string(u)
}

func scaled(f float64, units ...string) string {
	i := 0
	for math.Abs(f) >= 1000 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	return trim(f, 1) + " " + units[i]
}

// number has about three digits that count.
func number(f float64) string {
	switch a := math.Abs(f); {
	case f == math.Trunc(f) || a >= 1000:
		return group(f)
	case a >= 100:
		return trim(f, 1)
	case a >= 0.1:
		return trim(f, 2)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

// trim writes f with at most digits decimals and no zeros at the end. What is
// not 0 is not shown as 0.
func trim(f float64, digits int) string {
	s := strconv.FormatFloat(f, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if f != 0 && (s == "0" || s == "-0") {
		return strconv.FormatFloat(f, 'g', 2, 64)
	}
	return s
}

// group writes a whole number with its thousands apart.
func group(f float64) string {
	s := strconv.FormatFloat(math.Round(f), 'f', 0, 64)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	if len(s) > 18 {
		return fmt.Sprintf("%.3g", f)
	}
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return sign + b.String()
}
