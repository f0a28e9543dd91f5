package origin

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"starling/internal/media"
)

const (
	seedFile = "origin-seed"
	seedSize = 32
	// keyInfo separates stream keys from other uses of the seed.
	keyInfo = "starling stream key 1\x00"
)

// loadSeed reads the origin's secret, or makes it. Whoever has it can sign parts.
func loadSeed(dir string) ([]byte, error) {
	if dir == "" {
		seed := make([]byte, seedSize)
		rand.Read(seed) // never fails
		return seed, nil
	}
	path := filepath.Join(dir, seedFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSeed(dir, path)
	} else if err != nil {
		return nil, fmt.Errorf("reading the signing seed: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the signing seed %s can be read by others (mode %o): chmod 600 it", path, info.Mode().Perm())
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the signing seed: %w", err)
	}
	if len(seed) != seedSize {
		return nil, fmt.Errorf("the signing seed %s has %d bytes instead of %d: restore it, or remove it to sign with new keys", path, len(seed), seedSize)
	}
	return seed, nil
}

func makeSeed(dir, path string) ([]byte, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	seed := make([]byte, seedSize)
	rand.Read(seed)
	if err := writeFile(path, seed); err != nil {
		return nil, fmt.Errorf("writing the signing seed: %w", err)
	}
	return seed, nil
}

// streamKey derives a stream's signing key (HKDF, RFC 5869).
func streamKey(seed []byte, id media.StreamID) (ed25519.PrivateKey, error) {
	b, err := hkdf.Key(sha256.New, seed, nil, keyInfo+string(id), ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of %s: %w", id, err)
	}
	return ed25519.NewKeyFromSeed(b), nil
}

// writeFile replaces a file as a whole, readable by its owner only.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
