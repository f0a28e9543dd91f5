package tracker

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a file of networks: the whole Internet has about 1.2 million.
const (
	maxNetworks   = 4_000_000
	maxRegionName = 32
)

// Networks tells the autonomous system and the region of an address. Nil knows
// nothing. It is immutable.
type Networks struct {
	sources []networkSource // each says what those before it do not
}

// networkSource is one file: a table or a database. 0 and "" are unknown.
type networkSource interface {
	find(a netip.Addr) (asn uint32, region string)
}

// table is a file of networks in memory.
type table struct {
	levels []level // longest prefixes first
}

// level holds the networks of one prefix length, by their first address.
type level struct {
	bits int
	is4  bool
	of   map[netip.Addr]network
}

type network struct {
	asn    uint32
	region string
}

// LoadNetworks reads files of networks whose names are separated by commas:
// MaxMind databases where they end in .mmdb, else lines as ReadNetworks has them.
// What one file does not say of an address is looked for in the next.
func LoadNetworks(paths string) (*Networks, error) {
	out := &Networks{}
	for path := range strings.SplitSeq(paths, ",") {
		path = strings.TrimSpace(path)
		source, err := loadSource(path)
		if err != nil {
			return nil, fmt.Errorf("file of networks %s: %w", path, err)
		}
		out.sources = append(out.sources, source)
	}
	return out, nil
}

func loadSource(path string) (networkSource, error) {
	if strings.EqualFold(filepath.Ext(path), ".mmdb") {
		return loadDatabase(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readTable(f)
}

// ReadNetworks reads lines of CIDR,ASN,REGION: "203.0.113.0/24,64500,de". ASN and
// REGION may be empty. Empty lines, those that begin with #, and a first line
// of column names are passed over.
func ReadNetworks(r io.Reader) (*Networks, error) {
	t, err := readTable(r)
	if err != nil {
		return nil, err
	}
	return &Networks{sources: []networkSource{t}}, nil
}

func readTable(r io.Reader) (*table, error) {
	type key struct {
		bits int
		is4  bool
	}
	of := map[key]map[netip.Addr]network{}
	regions := map[string]string{} // each name is kept once
	lines, number := bufio.NewScanner(r), 0
	for lines.Scan() {
		number++
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		if number > maxNetworks {
			return nil, fmt.Errorf("more than %d lines", maxNetworks)
		}
		p, n, err := parseNetwork(text)
		if err != nil {
			if number == 1 {
				continue
			}
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if name, ok := regions[n.region]; ok {
			n.region = name
		} else {
			n.region = strings.Clone(n.region)
			regions[n.region] = n.region
		}
		k := key{p.Bits(), p.Addr().Is4()}
		if of[k] == nil {
			of[k] = map[netip.Addr]network{}
		}
		of[k][p.Addr()] = n
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", number+1, err)
	}
	out := &table{}
	for k, m := range of {
		out.levels = append(out.levels, level{k.bits, k.is4, m})
	}
	slices.SortFunc(out.levels, func(a, b level) int { return -cmp.Compare(a.bits, b.bits) })
	return out, nil
}

func parseNetwork(text string) (netip.Prefix, network, error) {
	fields := strings.Split(text, ",")
	if len(fields) != 3 {
		return netip.Prefix{}, network{}, fmt.Errorf("%d fields, want CIDR,ASN,REGION", len(fields))
	}
	for i, f := range fields {
		fields[i] = strings.Trim(strings.TrimSpace(f), `"`)
	}
	p, err := netip.ParsePrefix(fields[0])
	if err != nil {
		return netip.Prefix{}, network{}, fmt.Errorf("%q is not a network such as 203.0.113.0/24", fields[0])
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, network{}, fmt.Errorf("%q: write IPv4 networks as such", fields[0])
	}
	var n network
	if number := strings.TrimPrefix(strings.ToUpper(fields[1]), "AS"); number != "" {
		v, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return netip.Prefix{}, network{}, fmt.Errorf("%q is not the number of an autonomous system", fields[1])
		}
		n.asn = uint32(v)
	}
	if n.region = fields[2]; len(n.region) > maxRegionName {
		return netip.Prefix{}, network{}, fmt.Errorf("the region's name has %d bytes, at most %d", len(n.region), maxRegionName)
	}
	return p.Masked(), n, nil
}

// Find gives what is known of an address; 0 and "" are unknown.
func (n *Networks) Find(a netip.Addr) (asn uint32, region string) {
	if n == nil {
		return 0, ""
	}
	a = a.Unmap()
	for _, source := range n.sources {
		number, name := source.find(a)
		asn, region = cmp.Or(asn, number), cmp.Or(region, name)
		if asn != 0 && region != "" {
			break
		}
	}
	return asn, region
}

// find gives what the longest network that contains the address says.
func (t *table) find(a netip.Addr) (asn uint32, region string) {
	for _, l := range t.levels {
		if l.is4 != a.Is4() {
			continue
		}
		if x, ok := l.of[netip.PrefixFrom(a, l.bits).Masked().Addr()]; ok {
			return x.asn, x.region
		}
	}
	return 0, ""
}
