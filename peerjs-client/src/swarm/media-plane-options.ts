import type { Clock } from '../clock.js';
import type { PartHeader } from '../wire/part-header.js';
import type { Verifier } from '../wire/verifier.js';
import type { ByteCounters } from './counters.js';
import type { Link } from './link.js';
import type { PartId } from './part-id.js';
import type { Sender } from './receiver.js';

/** The links that the plane may use. */
export interface LinkDirectory {
  link(id: string): Link | undefined;
  /** Connected. For `edge`: the feed. */
  isUp(id: string): boolean;
  /** Connected, or for the feed: may be opened. */
  usable(id: string): boolean;
  readyPeers(): readonly Link[];
}

export interface MediaPlaneOptions {
  readonly clock: Clock;
  readonly stream: string;
  readonly uplink: number;
  /** 32 bits that spread the viewers of a swarm in time. */
  readonly seed: number;
  readonly fetch: typeof fetch;
  readonly counters: ByteCounters;
  readonly links: LinkDirectory;
  /** Address of a part, under the stream's base. */
  partUrl(track: string, id: PartId): string;
  partMs(): number;
  verifier(): Verifier | undefined;
  /** Whether the tracker could move a left track's children. */
  hasTracker(): boolean;
  /** The neighbour may subscribe. */
  mayServe(id: string): boolean;
  /** Bytes failed verification; `chunk` is -1 for a header. */
  onBad(sender: Sender, track: string, id: PartId, chunk: number): void;
  /** A source was left as silent too often. */
  onSlow(id: string): void;
  onPeerByte(now: number): void;
  /** A header was verified. */
  onHeader(track: string, header: PartHeader): void;
}
