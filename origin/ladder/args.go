package ladder

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
)

// firstPipe is the descriptor of the first rung's output in the child:
// descriptors 0 to 2 are the standard ones.
const firstPipe = 3

// largePicture is the number of pixels from which one decoding thread may not do.
const largePicture = 1920 * 1088

// args is the command line: FLV on standard input, one FLV pipe a rung out.
func args(src SourceInfo, rungs []Rung, preset string) []string {
	decoders := 1 // more add a frame of delay each
	if src.Width*src.Height > largePicture {
		decoders = 2
	}
	out := []string{
		"-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning",
		// The container says everything: nothing is probed, so the first
		// frame comes out at once, and with the timestamp it went in with.
		"-threads", strconv.Itoa(decoders), "-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0",
		"-copyts", "-f", "flv", "-i", "pipe:0",
		"-filter_complex", filter(rungs),
	}
	for i, r := range rungs {
		out = append(out,
			"-map", fmt.Sprintf("[o%d]", i), "-an",
			"-fps_mode", "passthrough", "-enc_time_base", "-1",
			"-c:v", "libx264", "-preset", preset, "-tune", "zerolatency",
			// An IDR where the source has one, and nowhere else.
			"-force_key_frames", "source", "-forced-idr", "1", "-sc_threshold", "0", "-g", "1000000",
			"-b:v", strconv.Itoa(r.Bitrate), "-maxrate", strconv.Itoa(r.Bitrate), "-bufsize", strconv.Itoa(r.Bitrate/2),
			"-threads", strconv.Itoa(threads(r.Height)),
			"-f", "flv", "-flvflags", "no_duration_filesize", "-flush_packets", "1", fmt.Sprintf("pipe:%d", firstPipe+i))
	}
	return out
}

// threads are slices of the picture with this tuning: small pictures suffer.
func threads(height int) int { return min(max(height/180, 1), runtime.NumCPU()) }

func filter(rungs []Rung) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[0:v]split=%d", len(rungs))
	for i := range rungs {
		fmt.Fprintf(&b, "[s%d]", i)
	}
	for i, r := range rungs {
		fmt.Fprintf(&b, ";[s%d]scale=-2:%d:flags=bicubic,format=yuv420p[o%d]", i, r.Height, i)
	}
	return b.String()
}
