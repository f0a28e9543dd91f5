/** The figures that the player reports: by `player.stats`, the `starling-stats` event and the overlay. */
import type { Rung } from '../hls/session';

/** What the player is doing. */
export type PlayerState = 'idle' | 'loading' | 'playing' | 'paused' | 'stalled' | 'waiting' | 'ended' | 'failed';

/** One neighbour in the swarm. */
export interface PeerRow {
  readonly id: string;
  /** `parent`, `child`, `backup`, or several. */
  readonly role: string;
  /** Milliseconds; undefined before it is measured. */
  readonly rtt: number | undefined;
}

/** Media bytes by where they came from, and what was given on. */
export interface ByteCounts {
  readonly peer: number;
  readonly feed: number;
  readonly edge: number;
  /** Sent to other viewers. */
  readonly sent: number;
}

/** The swarm's side of the figures. */
export interface SwarmStats {
  readonly bytes: ByteCounts;
  readonly peers: readonly PeerRow[];
  /** A short word on where the swarm stands, such as `joined`; empty when unknown. */
  readonly state: string;
}

/** All figures of one player. Counters are since the source was loaded. */
export interface PlayerStats {
  readonly state: PlayerState;
  /** Seconds from capture to screen; undefined while unknown. */
  readonly latency: number | undefined;
  readonly targetLatency: number | undefined;
  /** Seconds buffered ahead. */
  readonly buffer: number;
  readonly playbackRate: number;
  readonly rung: Rung | undefined;
  readonly isAutomatic: boolean;
  /** Estimated bandwidth, bit/s. */
  readonly bandwidth: number | undefined;
  /** Milliseconds from loading to the first moving picture; undefined before it. */
  readonly startup: number | undefined;
  readonly stalls: number;
  readonly stallMs: number;
  readonly droppedFrames: number;
  readonly bytes: ByteCounts;
  /** bit/s by source over the last seconds. */
  readonly rates: ByteCounts;
  /** Share of the media bytes that came from other viewers, 0 to 1; undefined before any. */
  readonly offload: number | undefined;
  /** Playlists that the viewer wrote itself, and those that it asked the edge for. */
  readonly playlists: { readonly written: number; readonly loaded: number };
  readonly p2p: 'on' | 'off' | 'unavailable';
  readonly swarmState: string;
  readonly peers: readonly PeerRow[];
}

/** Share of the bytes that came from other viewers. */
export function offloadOf(bytes: ByteCounts): number | undefined {
  const total = bytes.peer + bytes.feed + bytes.edge;
  return total > 0 ? bytes.peer / total : undefined;
}
