// Package config reads a node's configuration: one YAML file, over which
// STARLING_* variables and then command-line settings are laid. Every role
// reads the same file and looks only at its own part. starling.example.yaml
// lists every key with its default; docs/config.md says how they combine.
package config

import (
	"fmt"
	"net/netip"
	"time"
)

// Off as the value of a listen key switches that listener off.
const Off = "off"

// Config is a node's whole configuration. Default gives the documented
// defaults; a Config that was not made by Default or Load is not usable.
type Config struct {
	Node     string   `yaml:"node"`      // name in the cluster; empty: the machine's host name
	StateDir string   `yaml:"state_dir"` // keys and certificates; relative to the working directory
	Bind     string   `yaml:"bind"`      // localhost, all, or an IP address: the host of every listen key that names none
	Hosts    []string `yaml:"hosts"`     // names and addresses of this node from elsewhere, for its certificates
	Log      Log      `yaml:"log"`
	Origin   Origin   `yaml:"origin"`
	Relay    Relay    `yaml:"relay"`
	Edge     Edge     `yaml:"edge"`
	Tracker  Tracker  `yaml:"tracker"`
	STUN     STUN     `yaml:"stun"`
	Admin    Admin    `yaml:"admin"`
	Demo     Demo     `yaml:"demo"`
}

// Log says what a node writes on its standard error.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text or json
}

// Origin takes a broadcast in and packages it.
type Origin struct {
	RTMPListen      string        `yaml:"rtmp_listen"`      // HOST:PORT or :PORT
	SegmentDuration time.Duration `yaml:"segment_duration"` // a key frame of the source begins each
	PartDuration    time.Duration `yaml:"part_duration"`
	Transcode       bool          `yaml:"transcode"`     // make the ladder; false: only the source is served
	FFmpeg          string        `yaml:"ffmpeg"`        // program that encodes the ladder
	Preset          string        `yaml:"preset"`        // of x264, for the rungs that are encoded
	Ladder          []Rung        `yaml:"ladder"`        // below the source; empty: two thirds and one third of its height
	EncodeSource    bool          `yaml:"encode_source"` // encode the top rung, too, instead of passing it through
}

// Rung is one video rendition of the ladder.
type Rung struct {
	Height  int `yaml:"height"`  // pixels; the width follows the source. A rung not below the source is left out
	Bitrate int `yaml:"bitrate"` // average, bit/s; 0: from the source's
}

// Relay carries parts between nodes over QUIC.
type Relay struct {
	Listen    string   `yaml:"listen"`    // UDP, HOST:PORT or :PORT
	Upstreams []string `yaml:"upstreams"` // HOST:PORT of the nodes to get streams from, first choice first
	Forward   bool     `yaml:"forward"`   // an edge gives its streams on to other nodes
	CACert    string   `yaml:"ca_cert"`   // PEM files; empty: STATE_DIR/pki/…
	Cert      string   `yaml:"cert"`
	Key       string   `yaml:"key"`
}

// Edge serves viewers.
type Edge struct {
	Listen     string `yaml:"listen"`      // HTTP
	TLSListen  string `yaml:"tls_listen"`  // HTTPS with HTTP/2; may be off
	TLSCert    string `yaml:"tls_cert"`    // PEM files; empty: a certificate of the cluster's authority
	TLSKey     string `yaml:"tls_key"`     //
	TrackerURL string `yaml:"tracker_url"` // ws:// or wss:// of a tracker elsewhere; empty: /tracker on this listener, if it is there
	// WebSockets that one address may have, the tracker's on this listener included; 0: any number
	SocketsPerAddress int `yaml:"sockets_per_address"`
}

// Tracker arranges viewers into swarms.
type Tracker struct {
	Listen            string `yaml:"listen"`              // HTTP, only where the tracker runs without an edge
	SocketsPerAddress int    `yaml:"sockets_per_address"` // there, as edge.sockets_per_address; 0: any number
	// NetworksFile is a CSV file of CIDR,ASN,REGION, a MaxMind database (.mmdb), or
	// several of them, with commas between; empty: none.
	NetworksFile string `yaml:"networks_file"`
	// TrustedProxies are addresses or networks whose X-Forwarded-For is believed.
	TrustedProxies []string `yaml:"trusted_proxies"`
}

// Proxies gives TrustedProxies as networks.
func (t *Tracker) Proxies() ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(t.TrustedProxies))
	for _, s := range t.TrustedProxies {
		p, err := netip.ParsePrefix(s)
		if a, addrErr := netip.ParseAddr(s); addrErr == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", s)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// STUN tells browsers their public address.
type STUN struct {
	Listen   string   `yaml:"listen"`   // UDP; may be off
	Announce []string `yaml:"announce"` // stun: URLs given to viewers; empty: this server's, where viewers can reach it
}

// Admin is the operators' listener: metrics, dashboard, API.
type Admin struct {
	Listen string   `yaml:"listen"` // HTTP; without a host always localhost; may be off
	Public bool     `yaml:"public"` // allows an address other than loopback. There is no login
	Hosts  []string `yaml:"hosts"`  // further Host names to answer to
}

// Demo is the test broadcast of `starling up --demo`.
type Demo struct {
	Stream    string `yaml:"stream"`     // APP/NAME
	Size      string `yaml:"size"`       // WIDTHxHEIGHT
	FrameRate int    `yaml:"frame_rate"` // frames/s
	Bitrate   int    `yaml:"bitrate"`    // video, bit/s
}

// Default is the configuration of a node that was told nothing.
func Default() *Config {
	return &Config{
		StateDir: "var",
		Bind:     Localhost,
		Hosts:    []string{},
		Log:      Log{Level: "info", Format: "text"},
		Origin: Origin{
			RTMPListen:      ":1935",
			SegmentDuration: 2 * time.Second,
			PartDuration:    333 * time.Millisecond,
			Transcode:       true,
			FFmpeg:          "ffmpeg",
			Preset:          "superfast",
			Ladder:          []Rung{},
		},
		Relay:   Relay{Listen: ":4443", Upstreams: []string{}},
		Edge:    Edge{Listen: ":8080", TLSListen: ":8443", SocketsPerAddress: 256},
		Tracker: Tracker{Listen: ":8081", SocketsPerAddress: 256, TrustedProxies: []string{}},
		STUN:    STUN{Listen: ":3478", Announce: []string{}},
		Admin:   Admin{Listen: ":9090", Hosts: []string{}},
		Demo:    Demo{Stream: "live/demo", Size: "1280x720", FrameRate: 30, Bitrate: 2_500_000},
	}
}
