package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"starling/internal/media"
)

// Bounds of what the packager and players can work with.
const (
	minPart    = 100 * time.Millisecond // fewer frames than three a part is mostly overhead
	maxPart    = time.Second
	minSegment = time.Second
	maxSegment = 10 * time.Second
	maxRungs   = 8
)

var sizePattern = regexp.MustCompile(`^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$`)

// Validate checks every key and reports all faults, each with its key.
func (c *Config) Validate() error {
	v := &validator{}
	v.bind(c.Bind)
	if c.StateDir == "" {
		v.fault("state_dir", "is empty: name the directory of keys and certificates")
	}
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	for _, l := range []struct {
		key, value string
		mayBeOff   bool
	}{
		{"origin.rtmp_listen", c.Origin.RTMPListen, false},
		{"relay.listen", c.Relay.Listen, false},
		{"edge.listen", c.Edge.Listen, true},
		{"edge.tls_listen", c.Edge.TLSListen, true},
		{"tracker.listen", c.Tracker.Listen, false},
		{"stun.listen", c.STUN.Listen, true},
	} {
		v.listen(l.key, c.Bind, l.value)
		if l.value == Off && !l.mayBeOff {
			v.fault(l.key, "cannot be off: the role does not run without it")
		}
	}
	if _, err := c.AdminAddrs(); err != nil {
		v.fault("admin.listen", "%v", err)
	}
	c.Origin.validate(v)
	c.Relay.validate(v)
	c.Edge.validate(v)
	for _, u := range c.STUN.Announce {
		if !strings.HasPrefix(u, "stun:") && !strings.HasPrefix(u, "stuns:") {
			v.fault("stun.announce", "%q is not a STUN address such as stun:stun.example.org:3478", u)
		}
	}
	v.notNegative("edge.sockets_per_address", c.Edge.SocketsPerAddress)
	v.notNegative("tracker.sockets_per_address", c.Tracker.SocketsPerAddress)
	if _, err := c.Tracker.Proxies(); err != nil {
		v.fault("tracker.trusted_proxies", "%s", err)
	}
	c.Demo.validate(v)
	return errors.Join(v.errs...)
}

func (o *Origin) validate(v *validator) {
	v.between("origin.part_duration", o.PartDuration, minPart, maxPart)
	v.between("origin.segment_duration", o.SegmentDuration, minSegment, maxSegment)
	if o.PartDuration > o.SegmentDuration/2 {
		v.fault("origin.part_duration", "%s is more than half of origin.segment_duration %s", o.PartDuration, o.SegmentDuration)
	}
	if o.FFmpeg == "" {
		v.fault("origin.ffmpeg", "is empty: name the ffmpeg program or its path")
	}
	v.oneOf("origin.preset", o.Preset, "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")
	if n := len(o.Ladder); n > maxRungs {
		v.fault("origin.ladder", "has %d rungs, at most %d work", n, maxRungs)
	}
	var heights []int
	for i, r := range o.Ladder {
		key := fmt.Sprintf("origin.ladder[%d]", i)
		if r.Height < 64 || r.Height > 4320 || r.Height%2 != 0 {
			v.fault(key, "height %d is not an even number from 64 to 4320", r.Height)
		}
		if slices.Contains(heights, r.Height) {
			v.fault(key, "height %d is there twice", r.Height)
		}
		heights = append(heights, r.Height)
		if r.Bitrate != 0 && (r.Bitrate < 50_000 || r.Bitrate > 100_000_000) {
			v.fault(key, "bitrate %d bit/s is not from 50000 to 100000000, nor 0 for one that follows the source's", r.Bitrate)
		}
	}
}

func (r *Relay) validate(v *validator) {
	for _, u := range r.Upstreams {
		host, port, err := net.SplitHostPort(u)
		if err != nil || host == "" || port == "" || port == "0" {
			v.fault("relay.upstreams", "%q is not HOST:PORT", u)
		}
	}
	if (r.Cert == "") != (r.Key == "") {
		v.fault("relay.cert", "and relay.key belong together: set both or neither")
	}
}

func (e *Edge) validate(v *validator) {
	if e.Listen == Off && e.TLSListen == Off {
		v.fault("edge.listen", "and edge.tls_listen are both off: an edge needs one of them")
	}
	if (e.TLSCert == "") != (e.TLSKey == "") {
		v.fault("edge.tls_cert", "and edge.tls_key belong together: set both or neither")
	}
	if e.TrackerURL != "" {
		u, err := url.Parse(e.TrackerURL)
		if err != nil || (u.Scheme != "ws" && u.Scheme != "wss") || u.Host == "" {
			v.fault("edge.tracker_url", "%q is not a WebSocket address such as wss://tracker.example.org/tracker", e.TrackerURL)
		}
	}
}

func (d *Demo) validate(v *validator) {
	if _, err := media.ParseStreamID(d.Stream); err != nil {
		v.fault("demo.stream", "%v", err)
	}
	if !sizePattern.MatchString(d.Size) {
		v.fault("demo.size", "%q is not WIDTHxHEIGHT such as 1280x720", d.Size)
	}
	if d.FrameRate < 1 || d.FrameRate > 120 {
		v.fault("demo.frame_rate", "%d is not from 1 to 120", d.FrameRate)
	}
	if d.Bitrate < 100_000 || d.Bitrate > 50_000_000 {
		v.fault("demo.bitrate", "%d bit/s is not from 100000 to 50000000", d.Bitrate)
	}
}

// validator collects faults, so that a file is mended in one round.
type validator struct{ errs []error }

func (v *validator) fault(key, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf(key+": "+format, args...))
}

func (v *validator) bind(bind string) {
	if bind == Localhost || bind == All {
		return
	}
	if _, err := netip.ParseAddr(bind); err != nil {
		v.fault("bind", "%q is not %s, %s or an IP address of this machine", bind, Localhost, All)
	}
}

func (v *validator) listen(key, bind, listen string) {
	if _, err := Addrs(bind, listen); err != nil && !(listen != "" && listen[0] == ':' && v.has("bind")) {
		v.fault(key, "%v", err)
	}
}

// has reports a fault of that key, so that one slip is not told many times.
func (v *validator) has(key string) bool {
	return slices.ContainsFunc(v.errs, func(err error) bool { return strings.HasPrefix(err.Error(), key+": ") })
}

func (v *validator) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.fault(key, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
}

func (v *validator) notNegative(key string, n int) {
	if n < 0 {
		v.fault(key, "%d is negative: 0 means any number", n)
	}
}

func (v *validator) between(key string, d, low, high time.Duration) {
	if d < low || d > high {
		v.fault(key, "%s is not from %s to %s", d, low, high)
	}
}
