#!/usr/bin/env bash
# Installs what a build, a demo or a test run needs and does not find. It says
# one line for each thing it installs, and nothing when all is there.
#   deploy/setup.sh run     ffmpeg, a font, the client's npm packages
#   deploy/setup.sh build   the client's npm packages
#   deploy/setup.sh test    all of run, and browsers and network tools
#   deploy/setup.sh browsers  all of run, Chromium, the packages of bench/browsers
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

what=${1:-run}
say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# apt PACKAGE WHY: installs a Debian package as root or through sudo.
apt() {
  local package=$1 why=$2 log as=()
  have apt-get || fail "$package is missing ($why) and there is no apt-get: install it by hand and run this again"
  if [ "$(id -u)" -ne 0 ]; then
    have sudo || fail "$package is missing ($why): run 'apt-get install $package' as root, then this again"
    as=(sudo)
  fi
  say "installing $package ($why)"
  log=$(mktemp)
  # A fresh system has no package lists, an old one may have stale ones: they
  # are fetched when they are missing, and again if the package is not found.
  if ! compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; then
    "${as[@]}" apt-get -qq update >"$log" 2>&1 || { cat "$log" >&2; fail "apt-get update failed"; }
  fi
  install() { "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$package" >"$log" 2>&1; }
  if ! install; then
    "${as[@]}" apt-get -qq update >>"$log" 2>&1 || true
    install || { cat "$log" >&2; fail "apt-get install $package failed"; }
  fi
  rm -f "$log"
}

have_font() {
  compgen -G '/usr/share/fonts/truetype/dejavu/*.ttf' >/dev/null || compgen -G '/System/Library/Fonts/Menlo*' >/dev/null
}

need_tools() {
  have go || fail "Go is missing: install 1.26 or newer from https://go.dev/dl/"
  have node && have npm || fail "Node.js is missing: install version 20 or newer (apt-get install nodejs npm)"
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge 20 ] || fail "Node.js $major is too old: 20 or newer is needed"
}

# The stamp is a copy of the lock file that was installed from. "npm ci" is not
# used: it wants the lock file to list the packages of every platform, and not
# every registry has them all. This keeps to the lock file just as well, since
# package.json names exact versions.
npm_packages() {
  local dir=$1 what=$2 stamp=$1/node_modules/.starling-installed
  if [ -f "$stamp" ] && cmp -s "$dir/package-lock.json" "$stamp"; then return; fi
  say "installing the npm packages of $what"
  (cd "$dir" && npm install --no-save --no-progress --loglevel=error >/dev/null) || fail "npm install failed in $dir"
  cp "$dir/package-lock.json" "$stamp"
}

client_packages() { npm_packages peerjs-client "the client"; }

chromium_browser() {
  have chromium || have chromium-browser || have google-chrome || apt chromium "$1"
}

media_tools() {
  have ffmpeg && have ffprobe || apt ffmpeg "encodes the ladder and the test broadcast"
  have_font || apt fonts-dejavu-core "the clock in the test broadcast"
}

need_tools
case $what in
  build) client_packages ;;
  run) media_tools; client_packages ;;
  test)
    media_tools
    chromium_browser "plays the stream in the end-to-end tests"
    have firefox || have firefox-esr || apt firefox-esr "plays the stream in the end-to-end tests"
    have ip || apt iproute2 "network namespaces in the end-to-end tests"
    client_packages
    ;;
  browsers)
    media_tools
    chromium_browser "plays the streams that are compared"
    client_packages
    npm_packages bench/browsers "the comparison in browsers"
    ;;
  *) fail "unknown request $what: want run, build, test or browsers" ;;
esac
