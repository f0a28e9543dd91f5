// Package pki keeps the certificates of a cluster: its own authority, the
// certificates that relay nodes show each other, and a self-signed one for the
// public listener of a first run. All keys are ECDSA P-256.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Names of the authority's files in its directory.
const (
	AuthorityCert = "ca.crt"
	AuthorityKey  = "ca.key"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// nodeLife outlasts any usual run; IssueFiles renews in the last third.
	nodeLife = 365 * 24 * time.Hour
	// backdate lets nodes with clocks that differ a little accept a new
	// certificate.
	backdate = time.Hour
)

// Authority signs the certificates of one cluster's nodes.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// OpenAuthority loads the authority of dir, or creates it there: ca.key (mode
// 0600, to be kept on one machine) and ca.crt (for every node).
func OpenAuthority(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("creating the state directory: %w", err)
	}
	key, err := openKey(filepath.Join(dir, AuthorityKey))
	if err != nil {
		return nil, err
	}
	certPath := filepath.Join(dir, AuthorityCert)
	data, err := os.ReadFile(certPath)
	if errors.Is(err, os.ErrNotExist) {
		if data, err = newAuthorityCert(key); err != nil {
			return nil, fmt.Errorf("making the cluster authority: %w", err)
		}
		// Two processes that start at once must end with the same file.
		if err = writeAtomic(certPath, data, certMode, true); errors.Is(err, os.ErrExist) {
			data, err = os.ReadFile(certPath)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the cluster authority: %w", err)
	}
	cert, err := decodeCert(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", certPath, err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%s does not belong to %s: restore the pair, or remove both to make a new authority and issue all node certificates again", certPath, AuthorityKey)
	}
	if !cert.IsCA || time.Now().After(cert.NotAfter) {
		return nil, fmt.Errorf("%s is no valid authority (expires %s): remove it to make a new one", certPath, cert.NotAfter.Format(time.DateOnly))
	}
	return &Authority{cert: cert, key: key}, nil
}

// openKey loads or creates a private key.
func openKey(path string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key, genErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if genErr != nil {
			return nil, genErr
		}
		if data, err = encodeKey(key); err != nil {
			return nil, err
		}
		if err = writeAtomic(path, data, keyMode, true); errors.Is(err, os.ErrExist) {
			data, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the key: %w", err)
	}
	key, err := decodeKey(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return key, nil
}

func newAuthorityCert(key *ecdsa.PrivateKey) ([]byte, error) {
	n, err := serial()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          n,
		Subject:               pkix.Name{CommonName: "Starling cluster authority"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return encodeCert(der), nil
}

// Issue makes an identity in memory for the node called name, reachable at
// hosts: DNS names and IP addresses, to which "localhost" and the loopback
// addresses are not added by itself.
func (a *Authority) Issue(name string, hosts []string) (*Identity, error) {
	certPEM, keyPEM, err := a.issue(name, hosts)
	if err != nil {
		return nil, err
	}
	return a.identity(certPEM, keyPEM)
}

// IssueFiles is Issue with the result kept in dir as node.pem; it
// loads them as long as they are valid for another third of their life and
// for name and hosts, and replaces them otherwise.
func (a *Authority) IssueFiles(dir, name string, hosts []string) (*Identity, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("creating the state directory: %w", err)
	}
	path := filepath.Join(dir, "node.pem")
	if data, err := os.ReadFile(path); err == nil {
		if id, err := a.identity(data, data); err == nil && a.fits(id.Certificate.Leaf, name, hosts) {
			return id, nil
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading the node certificate: %w", err)
	}
	certPEM, keyPEM, err := a.issue(name, hosts)
	if err != nil {
		return nil, err
	}
	// One file, so that certificate and key cannot fall apart.
	if err := writeAtomic(path, append(certPEM, keyPEM...), keyMode, false); err != nil {
		return nil, err
	}
	return a.identity(certPEM, keyPEM)
}

// fits reports whether an existing certificate can go on being used.
func (a *Authority) fits(leaf *x509.Certificate, name string, hosts []string) bool {
	if leaf.CheckSignatureFrom(a.cert) != nil || leaf.Subject.CommonName != name {
		return false
	}
	return time.Until(leaf.NotAfter) > nodeLife/3 && coversHosts(leaf, hosts)
}

func coversHosts(leaf *x509.Certificate, hosts []string) bool {
	for _, h := range hosts {
		if leaf.VerifyHostname(h) != nil {
			return false
		}
	}
	return true
}

func (a *Authority) issue(name string, hosts []string) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("issuing a certificate for %s: %w", name, err)
	}
	n, err := serial()
	if err != nil {
		return nil, nil, fmt.Errorf("issuing a certificate for %s: %w", name, err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          n,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              earlier(now.Add(nodeLife), a.cert.NotAfter),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	addHosts(template, hosts)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("issuing a certificate for %s: %w", name, err)
	}
	if keyPEM, err = encodeKey(key); err != nil {
		return nil, nil, err
	}
	return encodeCert(der), keyPEM, nil
}

func (a *Authority) identity(certPEM, keyPEM []byte) (*Identity, error) {
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("loading the node certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &Identity{Certificate: cert, Roots: roots}, nil
}

// addHosts sorts hosts into DNS names and IP addresses.
func addHosts(template *x509.Certificate, hosts []string) {
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
