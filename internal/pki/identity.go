package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Identity is what a node shows to others of its cluster, and whom it trusts.
type Identity struct {
	Certificate tls.Certificate
	Roots       *x509.CertPool // the cluster's authority
}

// Load reads an identity from PEM files: the node's certificate, its key, and
// the cluster authority's certificate. certFile and keyFile may be one file.
func Load(certFile, keyFile, authorityFile string) (*Identity, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("loading the node certificate: %w", err)
	}
	data, err := os.ReadFile(authorityFile)
	if err != nil {
		return nil, fmt.Errorf("loading the cluster authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("loading the cluster authority: %s has no certificate in PEM form", authorityFile)
	}
	return &Identity{Certificate: cert, Roots: roots}, nil
}

// ServerTLS is the configuration of a listener that accepts only nodes of the
// cluster (mutual TLS 1.3).
func (i *Identity) ServerTLS(alpn ...string) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{i.Certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    i.Roots,
		NextProtos:   alpn,
	}
}

// ClientTLS is the configuration for dialling a node of the cluster. The
// dialler sets ServerName.
func (i *Identity) ClientTLS(alpn ...string) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{i.Certificate},
		RootCAs:      i.Roots,
		NextProtos:   alpn,
	}
}
