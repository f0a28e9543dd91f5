package stack

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"starling/internal/config"
	"starling/internal/media"
	"starling/internal/pki"
)

// PKIDir is where the cluster's authority and this node's certificates are.
func PKIDir(c *config.Config) string { return filepath.Join(c.StateDir, "pki") }

// nodeName is the node's name in the cluster. Roles on one machine must have
// different names, or the relay takes two of them for a loop, so a name that
// was not chosen gets the role's.
func nodeName(c *config.Config, role Role) string {
	if c.Node != "" {
		return c.Node
	}
	host, err := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	if err != nil || !media.ValidName(host) {
		host = "node"
	}
	return host[:min(len(host), 48)] + "-" + string(role)
}

// hosts are the names under which this node can be reached.
func hosts(c *config.Config) []string {
	out := []string{"localhost", "127.0.0.1", "::1"}
	add := func(h string) {
		if h != "" && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	for _, h := range c.Hosts {
		add(h)
	}
	if name, err := os.Hostname(); err == nil {
		add(name)
	}
	if ip, err := netip.ParseAddr(c.Bind); err == nil {
		add(ip.String())
	}
	return out
}

// relayIdentity is what the node called name shows on the relay: the
// configured files; or else one made by the authority in the state directory;
// or else the files that `starling cert issue` made on the authority's machine.
func relayIdentity(c *config.Config, name string) (*pki.Identity, error) {
	dir := PKIDir(c)
	ca := c.Relay.CACert
	if ca == "" {
		ca = filepath.Join(dir, pki.AuthorityCert)
	}
	if c.Relay.Cert != "" {
		return pki.Load(c.Relay.Cert, c.Relay.Key, ca)
	}
	issued := filepath.Join(dir, "node.pem")
	switch {
	case exists(filepath.Join(dir, pki.AuthorityKey)):
	case exists(issued):
		return pki.Load(issued, issued, ca)
	case !allLoopback(c.Relay.Upstreams):
		return nil, fmt.Errorf("this node has no certificate that %s would accept: run `starling cert issue %s` there, and put node.pem and ca.crt into %s here",
			strings.Join(c.Relay.Upstreams, ", "), name, dir)
	}
	authority, err := pki.OpenAuthority(dir)
	if err != nil {
		return nil, err
	}
	// A directory for each name, since several nodes may share the authority.
	return authority.IssueFiles(filepath.Join(dir, "nodes", name), name, hosts(c))
}

// publicTLS is what browsers see on the edge's HTTPS listener.
func publicTLS(c *config.Config) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.Edge.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(c.Edge.TLSCert, c.Edge.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("loading edge.tls_cert and edge.tls_key: %w", err)
		}
		conf.Certificates = []tls.Certificate{cert}
		return conf, nil
	}
	renewing, err := pki.NewRenewing(PKIDir(c), hosts(c))
	if err != nil {
		return nil, err
	}
	conf.GetCertificate = renewing.Get
	return conf, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// allLoopback reports whether every HOST:PORT is on this machine.
func allLoopback(addrs []string) bool {
	for _, a := range addrs {
		host, _, err := net.SplitHostPort(a)
		if err != nil {
			return false
		}
		ip, err := netip.ParseAddr(host)
		if host != config.Localhost && (err != nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}
