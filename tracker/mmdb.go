package tracker

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Bounds of a MaxMind database.
const (
	// maxDatabase is its size in bytes: the largest that are sold are a third of it.
	maxDatabase = 1 << 30
	// maxProbed is how many records are looked at to tell whether it knows
	// anything of use: in those that do, the first few say so.
	maxProbed = 1000
)

// errNothingKnown says that a database is of another kind.
var errNothingKnown = errors.New("it says nothing of autonomous systems or countries: use one of the kinds ASN, Country, City or ISP")

// database is a MaxMind DB. Makers differ in what their records are called: see
// asnOf and regionOf.
type database struct{ reader *maxminddb.Reader }

// loadDatabase reads a whole MaxMind DB, so that replacing the file cannot change
// what is read from it.
func loadDatabase(path string) (*database, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxDatabase {
		return nil, fmt.Errorf("it has %d bytes, at most %d", info.Size(), maxDatabase)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseDatabase(raw)
}

func parseDatabase(raw []byte) (*database, error) {
	r, err := maxminddb.OpenBytes(raw)
	if err != nil {
		return nil, fmt.Errorf("not a MaxMind database: %w", err)
	}
	d := &database{reader: r}
	probed := 0
	for x := range r.Networks() {
		if err := x.Err(); err != nil {
			return nil, fmt.Errorf("read the %s database: %w", r.Metadata.DatabaseType, err)
		}
		if asnOf(x) != 0 || regionOf(x) != "" {
			return d, nil
		}
		if probed++; probed == maxProbed {
			break
		}
	}
	return nil, fmt.Errorf("%s database: %w", r.Metadata.DatabaseType, errNothingKnown)
}

// find gives what the database says of an address; what it cannot read it does
// not know.
func (d *database) find(a netip.Addr) (asn uint32, region string) {
	x := d.reader.Lookup(a)
	if x.Err() != nil || !x.Found() {
		return 0, ""
	}
	return asnOf(x), regionOf(x)
}

// asnOf reads the number of the autonomous system as MaxMind and DB-IP have it,
// or as IPinfo does ("AS64500").
func asnOf(x maxminddb.Result) uint32 {
	var number uint32
	if x.DecodePath(&number, "autonomous_system_number") == nil && number != 0 {
		return number
	}
	var name string
	if x.DecodePath(&name, "asn") != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "AS"), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// regionPaths are where the code of a country is, by maker: the first that is
// there counts. Where a network is registered says less than where it is used.
var regionPaths = [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}, {"registered_country", "iso_code"}}

func regionOf(x maxminddb.Result) string {
	for _, path := range regionPaths {
		var code string
		if x.DecodePath(&code, path...) == nil && code != "" && len(code) <= maxRegionName {
			return strings.ToLower(code)
		}
	}
	return ""
}
