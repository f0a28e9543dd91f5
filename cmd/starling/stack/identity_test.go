package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starling/internal/config"
	"starling/internal/pki"
)

func testConfig(t *testing.T) *config.Config {
	t.Helper()
	c := config.Default()
	c.StateDir = t.TempDir()
	return c
}

func TestRolesOnOneMachineHaveDifferentNames(t *testing.T) {
	c := config.Default()
	if a, b := nodeName(c, Origin), nodeName(c, Edge); a == b {
		t.Errorf("both are %s", a)
	}
	c.Node = "chosen"
	if got := nodeName(c, Edge); got != "chosen" {
		t.Errorf("got %s", got)
	}
}

func TestACertificateIssuedForAnotherMachineIsUsedThere(t *testing.T) {
	here := testConfig(t)
	authority, err := pki.OpenAuthority(PKIDir(here))
	if err != nil {
		t.Fatal(err)
	}
	there := testConfig(t)
	there.Relay.Upstreams = []string{"origin.example.org:4443"}
	if _, err := relayIdentity(there, "edge1"); err == nil || !strings.Contains(err.Error(), "starling cert issue edge1") {
		t.Fatalf("without a certificate: %v", err)
	}
	if entries, _ := os.ReadDir(PKIDir(there)); len(entries) != 0 {
		t.Error("an authority of its own was made, which the other machine would never accept")
	}
	if _, err := authority.IssueFiles(PKIDir(there), "edge1", nil); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(PKIDir(here), pki.AuthorityCert))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(PKIDir(there), pki.AuthorityCert), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	id, err := relayIdentity(there, "edge1")
	if err != nil || id.Certificate.Leaf.Subject.CommonName != "edge1" {
		t.Fatalf("with it: %v", err)
	}
}

func TestNodesOfOneStateDirectoryKeepTheirCertificates(t *testing.T) {
	c := testConfig(t)
	c.Hosts = []string{"edge.example.org"}
	first, err := relayIdentity(c, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := relayIdentity(c, "b"); err != nil {
		t.Fatal(err)
	}
	again, err := relayIdentity(c, "a")
	if err != nil || !again.Certificate.Leaf.Equal(first.Certificate.Leaf) {
		t.Errorf("b replaced a's certificate: %v", err)
	}
	for _, h := range []string{"localhost", "127.0.0.1", "edge.example.org"} {
		if err := first.Certificate.Leaf.VerifyHostname(h); err != nil {
			t.Error(err)
		}
	}
}

func TestConfiguredFilesThatAreNotThereAreAnError(t *testing.T) {
	c := testConfig(t)
	c.Relay.Cert, c.Relay.Key = "/nonexistent/a", "/nonexistent/b"
	if _, err := relayIdentity(c, "a"); err == nil {
		t.Error("the relay's files: no error")
	}
	c.Edge.TLSCert, c.Edge.TLSKey = "/nonexistent/a", "/nonexistent/b"
	if _, err := publicTLS(c); err == nil || !strings.Contains(err.Error(), "edge.tls_cert") {
		t.Errorf("the edge's files: %v", err)
	}
}
