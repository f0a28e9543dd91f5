package tracker

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const networksFile = `network,asn,region
# documentation ranges
203.0.113.0/24,64500,de
203.0.113.128/25,AS64501,"de"
198.51.100.0/24,,fr

2001:db8::/32, 64502 , at
2001:db8:1::/48,64503,
0.0.0.0/0,,elsewhere
`

func TestNetworks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "networks.csv")
	if err := os.WriteFile(path, []byte(networksFile), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := LoadNetworks(path)
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]network{
		"203.0.113.5": {64500, "de"}, "203.0.113.200": {64501, "de"}, "198.51.100.9": {0, "fr"}, "9.9.9.9": {0, "elsewhere"},
		"2001:db8:7::1": {64502, "at"}, "2001:db8:1::1": {64503, ""}, "2001:db9::1": {0, ""}, "::ffff:203.0.113.5": {64500, "de"},
	} {
		asn, region := n.Find(netip.MustParseAddr(addr))
		if (network{asn, region}) != want {
			t.Errorf("%s: AS%d, region %q, want %+v", addr, asn, region, want)
		}
	}
	if asn, region := (*Networks)(nil).Find(netip.MustParseAddr("203.0.113.5")); asn != 0 || region != "" {
		t.Error("no file knows something")
	}
}

func TestNetworksErrors(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.0/24,1,de\n203.0.113.0,1,de\n":            "line 2: \"203.0.113.0\" is not a network",
		"203.0.113.0/24,1,de\n203.0.113.0/24,x,de\n":         "autonomous system",
		"203.0.113.0/24,1,de\n203.0.113.0/24,4294967296,d\n": "autonomous system",
		"203.0.113.0/24,1,de\n203.0.113.0/24,1\n":            "2 fields",
		"203.0.113.0/24,1,de\n::ffff:1.2.3.0/120,1,de\n":     "IPv4",
		"\n203.0.113.0/24,1," + strings.Repeat("x", 33):      "33 bytes",
	} {
		if _, err := ReadNetworks(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := LoadNetworks(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error for a file that is not there")
	}
}

func FuzzReadNetworks(f *testing.F) {
	f.Add(networksFile)
	f.Add("203.0.113.0/24,1,de\n203.0.113.0/33,1,de\n")
	f.Add(",,\n,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ReadNetworks(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, a := range []string{"203.0.113.5", "2001:db8::1"} {
			if _, region := n.Find(netip.MustParseAddr(a)); len(region) > maxRegionName {
				t.Errorf("region of %d bytes", len(region))
			}
		}
	})
}
