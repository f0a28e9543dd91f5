/** Comma-separated values of what the dashboard shows (RFC 4180). */
import type { History, StreamRow } from './api';

type Cell = string | number | boolean;

/** Quotes a cell where needed. A leading = + - @ would be a formula in spreadsheets, so it is prefixed. */
function cell(value: Cell): string {
  if (typeof value !== 'string') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Rows to text, with CRLF. */
export function toCsv(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [header, ...rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}

/** All streams as they are now. */
export function streamsCsv(rows: readonly StreamRow[], at: Date): string {
  const header = ['time', 'stream', 'live', 'viewers', 'peers', 'offload', 'offload_total', 'peer_bit_s', 'edge_bit_s', 'peer_bytes', 'edge_bytes',
    'latency_p50_ms', 'latency_p95_ms', 'startup_p50_ms', 'stalls', 'stall_ms', 'roots', 'banned'];
  const time = at.toISOString();
  return toCsv(header, rows.map((row) => [time, row.id, row.live, row.viewers, row.peers, row.offload, row.offloadTotal, Math.round(row.peerBitrate), Math.round(row.edgeBitrate),
    row.peerBytes, row.edgeBytes, row.latencyP50Ms, row.latencyP95Ms, row.startupP50Ms, row.stalls, row.stallMs, row.roots, row.banned]));
}

/** The history of one stream. */
export function historyCsv(id: string, history: History): string {
  const header = ['time', 'stream', 'viewers', 'offload', 'peer_bit_s', 'edge_bit_s', 'latency_p50_ms', 'stalls_total'];
  return toCsv(header, history.t.map((t, i) => [new Date(t).toISOString(), id, history.viewers[i] ?? 0, history.offload[i] ?? 0, Math.round(history.peerBitrate[i] ?? 0),
    Math.round(history.edgeBitrate[i] ?? 0), history.latencyP50Ms[i] ?? 0, history.stalls[i] ?? 0]));
}
