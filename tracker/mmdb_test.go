package tracker

import (
	"bytes"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// databaseOf makes a MaxMind DB of a kind.
func databaseOf(t *testing.T, kind string, records map[string]mmdbtype.Map) []byte {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, cidr := range slices.Sorted(maps.Keys(records)) { // wide networks first: later ones replace
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Insert(network, records[cidr]); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := w.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func asnRecord(number uint32) mmdbtype.Map {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(number), "autonomous_system_organization": mmdbtype.String("Example")}
}

func countryRecord(key, code string) mmdbtype.Map {
	return mmdbtype.Map{mmdbtype.String(key): mmdbtype.Map{"iso_code": mmdbtype.String(code), "geoname_id": mmdbtype.Uint32(1)}}
}

// file writes a file of networks and gives its path.
func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustFind(t *testing.T, paths string, want map[string]network) {
	t.Helper()
	n, err := LoadNetworks(paths)
	if err != nil {
		t.Fatal(err)
	}
	for addr, w := range want {
		if asn, region := n.Find(netip.MustParseAddr(addr)); (network{asn, region}) != w {
			t.Errorf("%s: AS%d, region %q, want %+v", addr, asn, region, w)
		}
	}
}

func TestDatabases(t *testing.T) {
	asn := file(t, "GeoLite2-ASN.mmdb", databaseOf(t, "GeoLite2-ASN", map[string]mmdbtype.Map{
		"203.0.113.0/24": asnRecord(64500), "203.0.113.128/25": asnRecord(64501), "2001:db8::/32": asnRecord(4200000000),
	}))
	country := file(t, "country.MMDB", databaseOf(t, "GeoLite2-Country", map[string]mmdbtype.Map{
		"203.0.113.0/24": countryRecord("country", "DE"), "198.51.100.0/24": countryRecord("registered_country", "FR"), "2001:db8:1::/48": countryRecord("country", "AT"),
	}))
	mustFind(t, asn, map[string]network{
		"203.0.113.5": {64500, ""}, "203.0.113.200": {64501, ""}, "::ffff:203.0.113.5": {64500, ""}, "2001:db8::1": {4200000000, ""}, "198.51.100.1": {}, "2001:db9::1": {},
	})
	both := map[string]network{
		"203.0.113.5": {64500, "de"}, "198.51.100.1": {0, "fr"}, "2001:db8:1::1": {4200000000, "at"}, "2001:db8:2::1": {4200000000, ""}, "192.0.2.1": {},
	}
	mustFind(t, asn+","+country, both)
	mustFind(t, country+", "+asn, both)
	// A table beside a database: the first that knows counts.
	table := file(t, "own.csv", []byte("203.0.113.0/25,,munich\n192.0.2.0/24,64510,\n"))
	mustFind(t, table+","+asn+","+country, map[string]network{
		"203.0.113.5": {64500, "munich"}, "203.0.113.200": {64501, "de"}, "192.0.2.1": {64510, ""},
	})
}

// Makers name the same things differently.
func TestDatabaseRecords(t *testing.T) {
	path := file(t, "a.mmdb", databaseOf(t, "ipinfo lite", map[string]mmdbtype.Map{
		"203.0.113.0/26":   {"asn": mmdbtype.String("AS64500"), "country_code": mmdbtype.String("DE"), "country": mmdbtype.String("Germany")},
		"203.0.113.64/26":  {"asn": mmdbtype.String("64501"), "country": mmdbtype.String("FR")},
		"203.0.113.128/26": {"asn": mmdbtype.String("none"), "country": mmdbtype.String(strings.Repeat("x", maxRegionName+1))},
		"203.0.113.192/26": {"asn": mmdbtype.Uint32(7), "country": mmdbtype.Uint32(7), "autonomous_system_number": mmdbtype.String("7")},
	}))
	mustFind(t, path, map[string]network{"203.0.113.1": {64500, "de"}, "203.0.113.65": {64501, "fr"}, "203.0.113.129": {}, "203.0.113.193": {}})
}

func TestDatabaseErrors(t *testing.T) {
	good := databaseOf(t, "GeoLite2-ASN", map[string]mmdbtype.Map{"203.0.113.0/24": asnRecord(64500), "198.51.100.0/24": asnRecord(64501)})
	other := databaseOf(t, "Example-Connection-Type", map[string]mmdbtype.Map{"203.0.113.0/24": {"connection_type": mmdbtype.String("Cable/DSL")}})
	empty := databaseOf(t, "GeoLite2-ASN", nil)
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"text.mmdb":  {[]byte("203.0.113.0/24,64500,de\n"), "not a MaxMind database"},
		"none.mmdb":  {nil, "not a MaxMind database"},
		"cut.mmdb":   {good[len(good)/2:], ""},
		"other.mmdb": {other, "Example-Connection-Type database: it says nothing of autonomous systems or countries"},
		"empty.mmdb": {empty, "says nothing"},
		"db.csv":     {good, "want CIDR,ASN,REGION"},
	} {
		path := file(t, name, c.content)
		_, err := LoadNetworks(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q and the path", name, err, c.want)
		}
	}
	for _, paths := range []string{filepath.Join(t.TempDir(), "absent.mmdb"), file(t, "ok.mmdb", good) + ",", ","} {
		if _, err := LoadNetworks(paths); err == nil {
			t.Errorf("no error for %q", paths)
		}
	}
}
