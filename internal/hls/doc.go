// Package hls renders Low-Latency HLS playlists and parses what clients ask
// for, by draft-pantos-hls-rfc8216bis ("the draft" in comments). It is pure: no
// I/O, no clock, no goroutine. The rules that Starling adds are in docs/hls.md.
package hls
