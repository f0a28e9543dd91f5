package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func file(t *testing.T, doc string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "starling.yaml")
	if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	path := file(t, "edge:\n  listen: ':1'\n  tls_listen: ':2'\nstun:\n  listen: ':3'\norigin:\n  part_duration: 200ms\n")
	c, warnings, err := Load(Source{
		File: path,
		Env:  []string{"STARLING_EDGE_TLS_LISTEN=:22", "STARLING_STUN_LISTEN=:33", "STARLING_ADMIN_PUBLIC=true", "STARLING_RELAY_UPSTREAMS=a:1,b:2", "PATH=/bin"},
		Set:  []string{"stun.listen=off", "demo.frame_rate=25"},
	})
	if err != nil || len(warnings) != 0 {
		t.Fatal(err, warnings)
	}
	for _, got := range []struct{ key, got, want string }{
		{"the file over the default", c.Edge.Listen, ":1"},
		{"the environment over the file", c.Edge.TLSListen, ":22"},
		{"the command line over both", c.STUN.Listen, Off},
		{"a list from the environment", strings.Join(c.Relay.Upstreams, " "), "a:1 b:2"},
		{"untouched", c.Tracker.Listen, ":8081"},
	} {
		if got.got != got.want {
			t.Errorf("%s: %q, want %q", got.key, got.got, got.want)
		}
	}
	if !c.Admin.Public || c.Demo.FrameRate != 25 || c.Origin.PartDuration != 200*time.Millisecond {
		t.Errorf("typed values: %+v", c)
	}
}

func TestAListReplacesTheDefault(t *testing.T) {
	c, _, err := Load(Source{File: file(t, "origin:\n  ladder:\n    - height: 360\n      bitrate: 700000\n")})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Origin.Ladder) != 1 || c.Origin.Ladder[0] != (Rung{360, 700000}) {
		t.Fatalf("%+v", c.Origin.Ladder)
	}
}

func TestEmptySectionsAndValuesKeepTheDefault(t *testing.T) {
	for _, doc := range []string{"", "# nothing\n", "edge:\n", "edge:\n  # listen: ':1'\n", "bind:\n", "---\nbind: localhost\n"} {
		c, _, err := Load(Source{File: file(t, doc)})
		if err != nil || c.Edge.Listen != ":8080" || c.Bind != Localhost {
			t.Errorf("%q: %v, %+v", doc, err, c)
		}
	}
}

func TestFaultsNameLineKeyAndCure(t *testing.T) {
	for _, c := range []struct {
		name, doc string
		env, set  []string
		want      []string
	}{
		{name: "unknown key", doc: "bind: all\nedge:\n  lissen: ':80'\n", want: []string{":3:3: unknown key edge.lissen", "did you mean edge.listen?"}},
		{name: "unknown section", doc: "edgee:\n  listen: x\n", want: []string{":1:1: unknown key edgee", "did you mean edge?"}},
		{name: "key without its section", doc: "tls_listen: ':1'\n", want: []string{"unknown key tls_listen, did you mean edge.tls_listen?"}},
		{name: "nothing near", doc: "zzzzzzzzzz: 1\n", want: []string{"unknown key zzzzzzzzzz"}},
		{name: "two faults at once", doc: "bnd: x\nlog:\n  levle: x\n", want: []string{"did you mean bind?", "did you mean log.level?"}},
		{name: "unknown key of a rung", doc: "origin:\n  ladder:\n    - {heigth: 3}\n", want: []string{"origin.ladder", "heigth"}},
		{name: "duplicate key", doc: "bind: all\nbind: all\n", want: []string{"bind", "already"}},
		{name: "not YAML", doc: "bind: [\n", want: []string{"starling.yaml: "}},
		{name: "not a mapping", doc: "- a\n", want: []string{"want keys and values"}},
		{name: "two documents", doc: "bind: all\n---\nbind: all\n", want: []string{"2 documents"}},
		{name: "tag", doc: "origin:\n  ladder: !!binary x\n", want: []string{"origin.ladder", "line 2:11", "write the value out"}},
		{name: "alias", doc: "node: &n x\nstate_dir: *n\n", want: []string{"node", "state_dir", "not supported"}},
		{name: "scalar for a section", doc: "edge: ':80'\n", want: []string{"edge is a section"}},
		{name: "bad duration", doc: "origin:\n  part_duration: 333\n", want: []string{":2:3: origin.part_duration: want a duration such as 2s or 333ms"}},
		{name: "bad number", doc: "demo:\n  frame_rate: fast\n", want: []string{"demo.frame_rate: want a whole number"}},
		{name: "bad boolean", set: []string{"admin.public=maybe"}, want: []string{"admin.public", "want true or false"}},
		{name: "bad duration in a variable", env: []string{"STARLING_ORIGIN_PART_DURATION=333"}, want: []string{"STARLING_ORIGIN_PART_DURATION", "want a duration"}},
		{name: "empty number", set: []string{"demo.frame_rate="}, want: []string{"is empty"}},
		{name: "setting without a value", set: []string{"edge.listen"}, want: []string{"want KEY=VALUE"}},
		{name: "unknown setting", set: []string{"edge.listn=:1"}, want: []string{"did you mean edge.listen?"}},
		{name: "address", set: []string{"edge.listen=8080"}, want: []string{"edge.listen", "want HOST:PORT"}},
		{name: "port", set: []string{"relay.listen=:99999"}, want: []string{"relay.listen", "0 to 65535"}},
		{name: "name for a host", set: []string{"edge.listen=example.org:80"}, want: []string{"edge.listen", "IP address"}},
		{name: "bind", set: []string{"bind=everywhere"}, want: []string{`bind: "everywhere" is not localhost, all or an IP address`}},
		{name: "off where it cannot be", set: []string{"relay.listen=off"}, want: []string{"relay.listen: cannot be off"}},
		{name: "no way to the edge", set: []string{"edge.listen=off", "edge.tls_listen=off"}, want: []string{"both off"}},
		{name: "public admin", set: []string{"admin.listen=0.0.0.0:9090"}, want: []string{"admin.public: true"}},
		{name: "certificate alone", set: []string{"edge.tls_cert=a.pem"}, want: []string{"edge.tls_cert", "set both or neither"}},
		{name: "part", set: []string{"origin.part_duration=20ms"}, want: []string{"origin.part_duration: 20ms is not from 100ms to 1s"}},
		{name: "ladder", set: []string{"origin.ladder=[{height: 101}, {height: 100, bitrate: 7}, {height: 100}]"}, want: []string{"origin.ladder[0]: height 101", "origin.ladder[1]: bitrate 7", "origin.ladder[2]: height 100 is there twice"}},
		{name: "preset", set: []string{"origin.preset=quick"}, want: []string{`origin.preset: "quick" is not one of ultrafast`}},
		{name: "upstream", set: []string{"relay.upstreams=origin"}, want: []string{`"origin" is not HOST:PORT`}},
		{name: "tracker address", set: []string{"edge.tracker_url=http://x/"}, want: []string{"wss://"}},
		{name: "stun address", set: []string{"stun.announce=example.org"}, want: []string{"stun:stun.example.org:3478"}},
		{name: "proxies", set: []string{"tracker.trusted_proxies=10.0.0.1,proxy"}, want: []string{"tracker.trusted_proxies", `"proxy" is neither an address nor a network`}},
		{name: "reserved stream", set: []string{"demo.stream=watch/x"}, want: []string{"reserved"}},
		{name: "size", set: []string{"demo.size=big"}, want: []string{"WIDTHxHEIGHT"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Load(Source{File: file(t, c.doc), Env: c.env, Set: c.set})
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), " | ") {
				t.Errorf("%q draws the source", err)
			}
		})
	}
}

func TestStrangeVariablesAreToldNotRefused(t *testing.T) {
	_, warnings, err := Load(Source{Env: []string{"STARLING_EDGE_LISSEN=:1", "STARLING_CONFIG=x", "STARLINGS=7"}})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "did you mean STARLING_EDGE_LISTEN?") {
		t.Fatal(err, warnings)
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ bind, listen, want string }{
		{"localhost", ":80", "127.0.0.1:80 [::1]:80"},
		{"localhost", ":0", "127.0.0.1:0"},
		{"localhost", "0.0.0.0:80", "0.0.0.0:80"},
		{"localhost", "all:80", ":80"},
		{"all", ":80", ":80"},
		{"all", "localhost:80", "127.0.0.1:80 [::1]:80"},
		{"all", "127.0.0.1:80", "127.0.0.1:80"},
		{"192.0.2.1", ":80", "192.0.2.1:80"},
		{"2001:db8::1", ":80", "[2001:db8::1]:80"},
		{"all", "off", ""},
	} {
		got, err := Addrs(c.bind, c.listen)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("Addrs(%q, %q) = %v, %v, want %s", c.bind, c.listen, got, err, c.want)
		}
	}
}

func TestAdminStaysOnLoopback(t *testing.T) {
	c := Default()
	c.Bind = All
	got, err := c.AdminAddrs()
	if err != nil || strings.Join(got, " ") != "127.0.0.1:9090 [::1]:9090" {
		t.Fatalf("bound with everything: %v, %v", got, err)
	}
	for _, listen := range []string{"all:9090", "192.0.2.1:9090", "[::]:9090"} {
		c.Admin.Listen = listen
		c.Admin.Public = false
		if _, err := c.AdminAddrs(); err == nil {
			t.Errorf("%s accepted without admin.public", listen)
		}
		c.Admin.Public = true
		if _, err := c.AdminAddrs(); err != nil {
			t.Errorf("%s refused with admin.public: %v", listen, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("edge:\n  listen: ':1'\n"))
	f.Add([]byte("a: &x\n  <<: *x\n"))
	f.Add([]byte("origin: {ladder: [{height: 1}]}"))
	f.Add([]byte("? [a, b]\n: c\n"))
	f.Add([]byte("origin:\n  ladder: !!binary x\n"))
	f.Add([]byte("---\n...\n---\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		c := Default()
		if parse(c, "f", doc) == nil {
			_ = c.Validate()
		}
	})
}
