package pki

import (
	"crypto/tls"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// handshake lets a client and a server meet over an in-memory connection.
func handshake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() {
		s := tls.Server(a, server)
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte{1})
		} else {
			a.Close()
		}
		done <- err
	}()
	c := tls.Client(b, client)
	_, err := c.Read(make([]byte, 1)) // in TLS 1.3 the server's verdict comes after the client's handshake
	if serverErr := <-done; serverErr != nil {
		return serverErr
	}
	return err
}

func clientTLS(id *Identity, host string) *tls.Config {
	c := id.ClientTLS("x/1")
	c.ServerName = host
	return c
}

func TestNodesOfOneClusterTrustEachOtherOnly(t *testing.T) {
	ours, err := OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	origin, err := ours.Issue("origin", []string{"origin.example", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	edge, _ := ours.Issue("edge", []string{"::1"})
	stranger, _ := theirs.Issue("edge", []string{"::1"})

	if err := handshake(t, origin.ServerTLS("x/1"), clientTLS(edge, "127.0.0.1")); err != nil {
		t.Errorf("same cluster: %v", err)
	}
	if err := handshake(t, origin.ServerTLS("x/1"), clientTLS(edge, "origin.example")); err != nil {
		t.Errorf("by name: %v", err)
	}
	if err := handshake(t, origin.ServerTLS("x/1"), clientTLS(edge, "other.example")); err == nil {
		t.Error("wrong host name accepted")
	}
	if err := handshake(t, origin.ServerTLS("x/1"), clientTLS(stranger, "127.0.0.1")); err == nil {
		t.Error("a client of another cluster was accepted")
	}
	mixed := clientTLS(stranger, "127.0.0.1")
	mixed.RootCAs = origin.Roots
	if err := handshake(t, origin.ServerTLS("x/1"), mixed); err == nil {
		t.Error("a client certificate of another authority was accepted")
	}
	none := clientTLS(edge, "127.0.0.1")
	none.Certificates = nil
	if err := handshake(t, origin.ServerTLS("x/1"), none); err == nil {
		t.Error("a client without a certificate was accepted")
	}
	if err := handshake(t, origin.ServerTLS("x/2"), clientTLS(edge, "127.0.0.1")); err == nil {
		t.Error("no common protocol, yet accepted")
	}
}

func TestAuthorityPersistsAndKeysArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	// Several processes may start at once on an empty directory.
	var wg sync.WaitGroup
	all := make([]*Authority, 8)
	for i := range all {
		wg.Go(func() {
			a, err := OpenAuthority(dir)
			if err != nil {
				t.Error(err)
			}
			all[i] = a
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, a := range all[1:] {
		if !a.cert.Equal(all[0].cert) {
			t.Fatal("two authorities in one directory")
		}
	}
	first, err := all[0].IssueFiles(dir, "edge", []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	same, err := all[1].IssueFiles(dir, "edge", []string{"127.0.0.1"})
	if err != nil || !same.Certificate.Leaf.Equal(first.Certificate.Leaf) {
		t.Fatalf("a valid node certificate was replaced: %v", err)
	}
	other, err := all[0].IssueFiles(dir, "edge", []string{"127.0.0.1", "edge.example"})
	if err != nil || other.Certificate.Leaf.VerifyHostname("edge.example") != nil {
		t.Fatalf("a new host is not covered: %v", err)
	}
	loaded, err := Load(filepath.Join(dir, "node.pem"), filepath.Join(dir, "node.pem"), filepath.Join(dir, AuthorityCert))
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, loaded.ServerTLS(), clientTLS(other, "edge.example")); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if name := d.Name(); name != AuthorityCert && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		switch d.Name() {
		case AuthorityCert, AuthorityKey, "node.pem":
		default:
			t.Errorf("left over: %s", d.Name())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedAuthorityIsReportedNotReplaced(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenAuthority(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, AuthorityKey)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(dir); err == nil {
		t.Fatal("an authority whose key was lost was opened with another key")
	}
	if err := os.WriteFile(filepath.Join(dir, AuthorityKey), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(dir); err == nil {
		t.Fatal("a garbage key was accepted")
	}
}

func TestSelfSignedCertificateLivesUnderFourteenDays(t *testing.T) {
	dir := t.TempDir()
	r, err := NewRenewing(dir, []string{"live.example", "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	first, _ := r.Get(nil)
	leaf := first.Leaf
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life >= 14*24*time.Hour {
		t.Errorf("valid for %v", life)
	}
	for _, h := range []string{"localhost", "127.0.0.1", "::1", "live.example", "192.0.2.7"} {
		if err := leaf.VerifyHostname(h); err != nil {
			t.Error(err)
		}
	}
	again, err := SelfSigned(dir, []string{"live.example"})
	if err != nil || !again.Leaf.Equal(leaf) {
		t.Fatalf("a fresh certificate was replaced: %v", err)
	}
	later, err := selfSignedAt(dir, nil, leaf.NotAfter.Add(-selfSignedRenew/2))
	if err != nil || later.Leaf.Equal(leaf) {
		t.Fatalf("an old certificate was not renewed: %v", err)
	}
	start := time.Now()
	r.now = func() time.Time { return start.Add(selfSignedLife) }
	renewed, err := r.Get(nil)
	if err != nil || renewed.Leaf.Equal(leaf) || !renewed.Leaf.NotAfter.After(start.Add(selfSignedLife)) {
		t.Fatalf("a running process keeps an expired certificate: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "public.pem"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := SelfSigned(dir, nil); err != nil {
		t.Fatalf("a damaged file is not replaced: %v", err)
	}
}
