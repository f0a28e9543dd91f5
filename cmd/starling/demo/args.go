// Package demo publishes a test broadcast: a real ffmpeg that makes a moving
// picture with a clock and a beep and sends it by RTMP, as a broadcaster does.
package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Config describes the broadcast.
type Config struct {
	FFmpeg    string        // program
	URL       string        // where to publish, rtmp://HOST:PORT/APP/NAME
	Size      string        // WIDTHxHEIGHT
	FrameRate int           // frames/s
	Bitrate   int           // video, bit/s
	KeyFrames time.Duration // distance of key frames; the ladder keeps it
}

// Names in ffmpeg's working directory. Plain relative names need no escaping
// in a filter graph, whatever the directory is called.
const (
	fontName  = "font.ttf"
	clockName = "clock.txt"
)

// clockText is drawtext's template: the frame's time of day in UTC to the
// millisecond. The graph makes frame times Unix time before it is drawn.
const clockText = `%{pts:gmtime:0:%H\:%M\:%S}.%{eif:floor(1000*mod(t,1)):d:3} UTC`

// args is ffmpeg's command line. Both sources are read at their native rate,
// so that ffmpeg is as live as a camera.
func (c Config) args(clock bool) []string {
	rate := strconv.Itoa(c.FrameRate)
	video := "[0:v]null[v]"
	if clock {
		video = "[0:v]settb=1/1000000," +
			"setpts=PTS+RTCSTART/1000000/TB," +
			"drawtext=fontfile=" + fontName + ":textfile=" + clockName +
			":fontsize=h/12:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=12:x=(w-tw)/2:y=h*0.82," +
			"setpts=PTS-STARTPTS[v]"
	}
	gop := strconv.Itoa(max(1, int(c.KeyFrames.Seconds()*float64(c.FrameRate)+0.5)))
	bitrate := strconv.Itoa(c.Bitrate)
	args := strings.Fields("-hide_banner -nostdin -nostats -loglevel warning")
	args = append(args,
		"-re", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%s:rate=%s", c.Size, rate),
		"-re", "-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4:sample_rate=48000",
		"-filter_complex", video+";[1:a]volume=-18dB[a]",
		"-map", "[v]", "-map", "[a]",
		"-r", rate, "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p",
		"-g", gop, "-keyint_min", gop, "-sc_threshold", "0",
		"-b:v", bitrate, "-maxrate", bitrate, "-bufsize", bitrate,
		"-c:a", "aac", "-b:a", "128k", "-ac", "2",
		"-f", "flv", c.URL)
	return args
}
