// Package peerjsclient carries the browser client inside the program: pages,
// player and dashboard as `make client` builds them.
package peerjsclient

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

// dist holds at least .gitkeep, so that the program builds without Node.js.
//
//go:embed all:dist
var dist embed.FS

// ErrNotBuilt reports a program that was compiled without the client.
var ErrNotBuilt = errors.New("the browser client is not in this program: run `make client`, then build again")

// Assets gives the client's files: index.html, watch.html, embed.html,
// dashboard.html and what they load. The error is ErrNotBuilt when the program
// was compiled before the client was built.
func Assets() (fs.FS, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("opening the embedded client: %w", err)
	}
	return checked(files)
}

func checked(files fs.FS) (fs.FS, error) {
	if _, err := fs.Stat(files, "index.html"); err != nil {
		return nil, ErrNotBuilt
	}
	return files, nil
}
