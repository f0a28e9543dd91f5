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
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// selfSignedLife with the backdating stays under the 14 days that
	// browsers allow with serverCertificateHashes (WebTransport section 3.2,
	// "custom certificate requirements").
	selfSignedLife = 13 * 24 * time.Hour
	// selfSignedRenew leaves players that already know the hash time to end.
	selfSignedRenew = 24 * time.Hour
)

// SelfSigned gives the certificate for the public listener of a first run: for
// localhost, the loopback addresses and hosts, valid for less than 14 days. It
// is kept in dir as public.pem (mode 0600) and made anew in the last day of
// its life or when hosts are not covered.
func SelfSigned(dir string, hosts []string) (tls.Certificate, error) {
	return selfSignedAt(dir, hosts, time.Now())
}

func selfSignedAt(dir string, hosts []string, now time.Time) (tls.Certificate, error) {
	all := []string{"localhost", "127.0.0.1", "::1"}
	for _, h := range hosts {
		if h != "" && !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return tls.Certificate{}, fmt.Errorf("creating the state directory: %w", err)
	}
	path := filepath.Join(dir, "public.pem")
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return tls.Certificate{}, fmt.Errorf("reading the public certificate: %w", err)
	}
	if err == nil {
		cert, err := tls.X509KeyPair(data, data)
		if err == nil && fresh(cert.Leaf, now) && coversHosts(cert.Leaf, all) {
			return cert, nil
		}
	}
	if data, err = newSelfSigned(all, now); err != nil {
		return tls.Certificate{}, fmt.Errorf("making the public certificate: %w", err)
	}
	if err := writeAtomic(path, data, keyMode, false); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(data, data)
}

func fresh(leaf *x509.Certificate, now time.Time) bool {
	return now.After(leaf.NotBefore) && leaf.NotAfter.Sub(now) > selfSignedRenew
}

func newSelfSigned(hosts []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	n, err := serial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          n,
		Subject:               pkix.Name{CommonName: "Starling"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(selfSignedLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	addHosts(template, hosts)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return append(encodeCert(der), keyPEM...), nil
}

// Renewing serves the certificate of SelfSigned in a process that outlives
// it. It is safe for concurrent use.
type Renewing struct {
	dir   string
	hosts []string
	now   func() time.Time

	mu   sync.Mutex
	cert *tls.Certificate
}

// NewRenewing makes or loads the first certificate.
func NewRenewing(dir string, hosts []string) (*Renewing, error) {
	r := &Renewing{dir: dir, hosts: hosts, now: time.Now}
	_, err := r.Get(nil)
	return r, err
}

// Get is for tls.Config.GetCertificate.
func (r *Renewing) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cert != nil && fresh(r.cert.Leaf, r.now()) {
		return r.cert, nil
	}
	cert, err := selfSignedAt(r.dir, r.hosts, r.now())
	if err != nil {
		return nil, err
	}
	r.cert = &cert
	return r.cert, nil
}
