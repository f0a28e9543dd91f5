#!/usr/bin/env bash
# Builds bin/mediamtx, so that bench/browsers can set it beside Starling. It is
# built from its source by the Go module proxy; the two files that its makers
# generate are added: hls.js, from here, and its version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

version=v1.20.1
root=$(cd ../.. && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

cd "$work"
printf 'module build\n' >go.mod
dir=$(go mod download -json "github.com/bluenviron/mediamtx@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
cp -r "$dir" source
chmod -R u+w source
cp "$root/bench/browsers/node_modules/hls.js/dist/hls.min.js" source/internal/servers/hls/
printf '%s\n' "$version" >source/internal/core/VERSION
cd source
go build -o "$root/bin/mediamtx" .
echo "built bin/mediamtx $version"
