import type { Counters } from './engine-types.js';

/** The session's byte counters, for stats and beacons. */
export class ByteCounters {
  peerBytes = 0;
  feedBytes = 0;
  httpBytes = 0;
  sentBytes = 0;
  duplicateBytes = 0;
  rejectedBytes = 0;
  controlBytes = 0;
  connectFailures = 0;

  /** A copy. */
  snapshot(): Counters {
    return { ...this };
  }

  /** Share of the useful bytes that peers brought, counting all that left the edge against it. */
  get offload(): number {
    const total = this.peerBytes + this.feedBytes + this.httpBytes;
    return total === 0 ? 0 : this.peerBytes / total;
  }
}
