package main

import (
	"fmt"
	"os"
	"path/filepath"

	"starling/cmd/starling/stack"
	"starling/internal/config"
	"starling/internal/media"
	"starling/internal/pki"
)

type certCmd struct {
	Issue issueCmd `cmd:"" help:"Make the certificate of a node on another machine, signed by this cluster's authority."`
}

type issueCmd struct {
	settings
	Name string   `arg:"" help:"The node's name: 1 to 64 letters, digits, dots, dashes or underscores."`
	Host []string `placeholder:"NAME" help:"DNS name or IP address under which other nodes reach it. Needed for a node that is an upstream of others. May be repeated."`
	Out  string   `placeholder:"DIR" help:"Where to put node.pem and ca.crt. Default: ./NAME-pki"`
}

func (c *issueCmd) Run(e *env) error {
	if !media.ValidName(c.Name) {
		return usageError{fmt.Errorf("node name %q: %w", c.Name, media.ErrName)}
	}
	cfg, _, err := c.load(e, config.Default())
	if err != nil {
		return err
	}
	out := c.Out
	if out == "" {
		out = c.Name + "-pki"
	}
	dir := stack.PKIDir(cfg)
	authority, err := pki.OpenAuthority(dir)
	if err != nil {
		return err
	}
	if _, err := authority.IssueFiles(out, c.Name, c.Host); err != nil {
		return err
	}
	ca, err := os.ReadFile(filepath.Join(dir, pki.AuthorityCert))
	if err != nil {
		return fmt.Errorf("reading the authority's certificate: %w", err)
	}
	if err := os.WriteFile(filepath.Join(out, pki.AuthorityCert), ca, 0o644); err != nil {
		return fmt.Errorf("writing the authority's certificate: %w", err)
	}
	fmt.Fprintf(e.stdout, `Made %s/node.pem (certificate and private key, keep it secret) and %s/ca.crt.
On the machine of %s, put both files into STATE_DIR/pki/ (./var/pki by default)
and start it there, for example:
  starling edge --set node=%s --set relay.upstreams=THIS_MACHINE:4443
`, out, out, c.Name, c.Name)
	return nil
}
