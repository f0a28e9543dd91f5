import type { Link } from './link.js';
import { isUplinkNews, Uplink } from './uplink.js';
import { recallUplink, rememberUplink, type UplinkStore } from './uplink-memory.js';

/** The tracker is told between two beacons at most so often. */
const NEWS_MS = 1_000;
/** A tick that comes so long after the one before shows that the page was held up. */
const LATE_MS = 150;
/** A session shorter than this has seen too little to be remembered. */
const REMEMBER_MS = 30_000;

export interface UplinkKeeperOptions {
  /** bit/s, the most that may be used. */
  readonly limit: number;
  readonly now: number;
  readonly store: UplinkStore | undefined;
  /** Unix time in ms. */
  readonly wallClock: () => number;
  /** The rate of the token bucket and of admission changed. */
  setPace(bitsPerSecond: number): void;
  /** The tracker should hear of the estimate before the next beacon. */
  tell(): void;
}

/** Feeds the estimate of the uplink (docs/uplink.md) with what the links show, and lets what follows from it take effect. */
export class UplinkKeeper {
  private readonly uplink: Uplink;
  private readonly sentBytes = new Map<string, number>();
  private told: number;
  private toldAt: number;
  private stalls = 0;
  private tickedAt: number;
  private remembered = 0;

  constructor(private readonly o: UplinkKeeperOptions) {
    this.uplink = new Uplink(o.limit, recallUplink(o.store, o.wallClock()), o.now);
    this.told = this.uplink.rate;
    this.toldAt = this.tickedAt = o.now;
  }

  /** bit/s, for the tracker. */
  get rate(): number {
    return this.uplink.rate;
  }

  /** bit/s, for the token bucket. */
  get pace(): number {
    return this.uplink.pace;
  }

  roundTrip(link: Link, ms: number, now: number): void {
    if (link.kind === 'peer') this.uplink.roundTrip(link.id, ms, now);
  }

  /** To be called many times a second with the links that are ready. `stalls` is how often playback has stalled so far. */
  tick(now: number, links: readonly Link[], stalls: number): void {
    if (now - this.tickedAt > LATE_MS) this.uplink.heldUp(now);
    this.tickedAt = now;
    for (const link of links) {
      const sent = link.sentBytes - (this.sentBytes.get(link.id) ?? 0);
      this.sentBytes.set(link.id, link.sentBytes);
      if (sent > 0) this.uplink.sent(link.id, sent);
      this.uplink.buffered(link.id, link.bufferedBytes);
      if (this.uplink.wantsPing(link.id, now)) link.probe(now);
    }
    this.forgetAllBut(links);
    if (stalls > this.stalls) this.uplink.behind();
    this.stalls = stalls;
    if (this.uplink.tick(now)) this.o.setPace(this.pace);
    this.remember(now);
    if (isUplinkNews(this.told, this.rate) && now - this.toldAt >= NEWS_MS) {
      this.told = this.rate;
      this.toldAt = now;
      this.o.tell();
    }
  }

  private remember(now: number): void {
    if (!this.uplink.isMeasured || this.rate === this.remembered || now - this.o.now < REMEMBER_MS) return;
    this.remembered = this.rate;
    rememberUplink(this.o.store, this.rate, this.o.wallClock());
  }

  /** A link that ended; another one to the same viewer counts from 0 again. */
  private forgetAllBut(links: readonly Link[]): void {
    for (const id of this.sentBytes.keys()) {
      if (links.some((link) => link.id === id && link.sentBytes >= (this.sentBytes.get(id) ?? 0))) continue;
      this.sentBytes.delete(id);
      this.uplink.gone(id);
    }
  }
}
