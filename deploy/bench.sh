#!/usr/bin/env bash
# Measures a swarm of headless viewers on this machine: starts a node with the
# test broadcast on ports of its own, and runs `starling bench swarm` on it.
# Arguments go to the benchmark: deploy/bench.sh --peers 50 --duration 1m
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=bin/starling
front=127.0.0.1:18080
admin=127.0.0.1:19090
state=$(mktemp -d)
"$bin" up --demo --state-dir "$state" \
  --set edge.listen=$front --set edge.tls_listen=off --set admin.listen=$admin --set stun.listen=127.0.0.1:13478 \
  --set origin.rtmp_listen=127.0.0.1:11935 --set relay.listen=127.0.0.1:14443 >"$state/log" 2>&1 &
node=$!
trap 'kill "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; rm -rf "$state"' EXIT

for _ in $(seq 1 300); do
  grep -q 'Starling is live' "$state/log" && break
  kill -0 "$node" 2>/dev/null || { cat "$state/log" >&2; exit 1; }
  sleep 0.1
done
"$bin" bench swarm "http://$front/watch/live/demo" --admin "http://$admin" "$@"
