import type { Clock } from '../clock.js';
import type { WebSocketFactory } from '../socket.js';
import type { PartHeader } from '../wire/part-header.js';
import type { Subtle } from '../wire/verifier.js';
import type { PartId } from './part-id.js';

/** Who brought bytes: another viewer, the edge's feed, or the edge by HTTP. */
export type ByteSource = 'peer' | 'feed' | 'edge';

/** What the engine needs of the page; every field has a default in browsers. */
export interface EngineOptions {
  /** Address of the stream at the edge, ending in `/APP/NAME/`. */
  readonly baseUrl: string;
  /** `APP/NAME`. */
  readonly stream: string;
  /** ws(s) or http(s) address of the tracker. Default: what the catalog names, else `/tracker` at the edge. */
  readonly trackerUrl?: string;
  /** bit/s that this viewer may upload; 0: never. Default 8,000,000. */
  readonly uplink?: number;
  /** Whether roots use the WebSocket feed. Default true. */
  readonly feed?: boolean;
  /** Whether parts are shared with other viewers. Default true; false: edge only. */
  readonly peers?: boolean;
  /** Admission token for the tracker. Default none. */
  readonly token?: string;
  /** Default: `performance.now` and the page's timers. */
  readonly clock?: Clock;
  /** Default: the page's `fetch`. */
  readonly fetch?: typeof fetch;
  /** Default: the page's `RTCPeerConnection`; undefined where there is none. */
  readonly createPeerConnection?: ((configuration: RTCConfiguration) => RTCPeerConnection) | undefined;
  /** Default: the page's `WebSocket`. */
  readonly createSocket?: WebSocketFactory;
  /** Default: `crypto.subtle`; undefined in an insecure context. */
  readonly subtle?: Subtle | undefined;
  /** Numbers from 0 to 1 for jitter. Default `Math.random`. */
  readonly random?: () => number;
}

export interface LoadOptions {
  /** `performance.now()` at which the player needs the part. */
  readonly deadline: number;
  /** The edge was asked for what is missing: the answer may come up to a second after the deadline. May be called again. */
  readonly onRequested?: () => void;
  /** Ends the wait with undefined; bytes received stay. */
  readonly signal?: AbortSignal;
  /** Called with verified bytes and size as they grow. */
  readonly onProgress?: (loaded: number, total: number) => void;
}

/** How a request of the player's own went, in milliseconds from its start. */
export interface RequestTiming {
  readonly firstByteMs: number;
  readonly totalMs: number;
}

export interface LoadResult {
  /** A copy that belongs to the caller: it may be transferred to a worker. */
  readonly data: Uint8Array<ArrayBuffer>;
  readonly source: ByteSource | 'mixed';
  /** `performance.now()` of the first byte; before the request when the part was pushed. */
  readonly firstByte: number;
  /** `performance.now()` of the last byte. */
  readonly end: number;
  readonly bytes: Readonly<Record<ByteSource, number>>;
}

/**
 * `off`: not started. `starting`: the catalog is awaited. `edge-only`: HTTP only, `reason` says why.
 * `feed`: no peers, but the feed. `swarm`: peers may assist. `closed`: for good.
 */
export type EngineState = 'off' | 'starting' | 'edge-only' | 'feed' | 'swarm' | 'closed';

/** Cumulative counters of the session, as in the tracker's `beacon`; bytes of media unless said otherwise. */
export interface Counters {
  /** From peers, verified and handed to the player. */
  readonly peerBytes: number;
  /** All that the feed sent. */
  readonly feedBytes: number;
  /** All that came by HTTP: the player's own requests and repairs. */
  readonly httpBytes: number;
  readonly sentBytes: number;
  /** Of no use: they were there already, the player fetched them meanwhile, or the part was never played. */
  readonly duplicateBytes: number;
  /** Failed verification. */
  readonly rejectedBytes: number;
  /** Frames other than chunks, both directions. */
  readonly controlBytes: number;
  readonly connectFailures: number;
}

export interface NeighbourStats {
  readonly id: string;
  readonly role: 'parent' | 'child' | 'both' | 'idle';
  readonly state: 'connecting' | 'ready';
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly rttMs: number | undefined;
  /** Time from the first signal to ready. */
  readonly connectMs: number | undefined;
}

export interface EngineStats {
  readonly state: EngineState;
  readonly reason: string;
  readonly stream: string;
  readonly viewerId: string | undefined;
  readonly trackerConnected: boolean;
  readonly feedState: 'off' | 'connecting' | 'ready';
  readonly tracks: readonly string[];
  /** Source of each slice, by track: a viewer id, `edge` (the feed), or empty. */
  readonly sources: Readonly<Record<string, readonly string[]>>;
  readonly counters: Counters;
  /** peerBytes ÷ (peerBytes + feedBytes + httpBytes); 0 before the first byte. */
  readonly offload: number;
  readonly neighbours: readonly NeighbourStats[];
  readonly banned: readonly string[];
  readonly repairs: { readonly edgeRequests: number; readonly peerRequests: number; readonly switches: number };
  /** Bytes and parts in memory. */
  readonly heldBytes: number;
  readonly heldParts: number;
  readonly stalls: number;
  readonly stallMs: number;
  readonly startupMs: number | undefined;
  readonly latencyMs: number | undefined;
  readonly bufferMs: number;
  readonly droppedFrames: number;
  /** Milliseconds from start() to the first verified byte of a peer. */
  readonly firstPeerByteMs: number | undefined;
}

/** Events of the engine and what their listeners get. */
export interface EngineEvents {
  /** Once a second while running. */
  stats: EngineStats;
  /** A header was verified: the part exists, wherever its bytes are. */
  header: { readonly track: string; readonly header: PartHeader };
  /** A neighbour came, or went and why. */
  peer: { readonly id: string; readonly state: 'ready' | 'closed'; readonly why: string };
  /** A peer sent bytes that fail verification, or the tracker banned it. */
  ban: { readonly id: string; readonly why: string };
  state: { readonly state: EngineState; readonly reason: string };
  log: { readonly level: 'debug' | 'info' | 'warn'; readonly message: string };
}

export type { PartId };
