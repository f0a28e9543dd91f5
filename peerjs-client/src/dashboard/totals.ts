/** Sums over all streams, and what the peers' share is worth. */
import type { StreamRow } from './api';

/** Figures of the whole node. */
export interface Totals {
  readonly liveStreams: number;
  readonly viewers: number;
  /** 0 to 1, over the last 10 s; undefined when nothing moves. */
  readonly offload: number | undefined;
  readonly peerBitrate: number;
  readonly edgeBitrate: number;
  readonly peerBytes: number;
  readonly edgeBytes: number;
  readonly stalls: number;
  readonly banned: number;
}

/** Adds the rows. Offload is weighted by traffic, not averaged over streams. */
export function totalsOf(rows: readonly StreamRow[]): Totals {
  const sum = (pick: (row: StreamRow) => number) => rows.reduce((total, row) => total + pick(row), 0);
  const peerBitrate = sum((row) => row.peerBitrate);
  const edgeBitrate = sum((row) => row.edgeBitrate);
  return {
    liveStreams: rows.filter((row) => row.live).length,
    viewers: sum((row) => row.viewers),
    offload: peerBitrate + edgeBitrate > 0 ? peerBitrate / (peerBitrate + edgeBitrate) : undefined,
    peerBitrate,
    edgeBitrate,
    peerBytes: sum((row) => row.peerBytes),
    edgeBytes: sum((row) => row.edgeBytes),
    stalls: sum((row) => row.stalls),
    banned: sum((row) => row.banned),
  };
}

/** What the bytes from peers would have cost as egress; CDNs bill by 10^9 bytes. */
export function moneySaved(peerBytes: number, pricePerGigabyte: number): number {
  return (peerBytes / 1e9) * pricePerGigabyte;
}

/** Reads a price as typed, with a point or a comma; undefined for anything else. */
export function parsePrice(typed: string): number | undefined {
  const normal = typed.trim().replace(',', '.');
  if (!/^\d{1,6}(\.\d{0,6})?$/.test(normal)) return undefined;
  return Number(normal);
}
