import type { Clock } from '../clock.js';
import type { ByteCounters } from './counters.js';
import type { HttpRate } from './edge-fetch.js';
import type { ByteSource, LoadOptions, LoadResult } from './engine-types.js';
import type { PartEntry } from './part-entry.js';
import type { TrackState } from './track-state.js';

/** Without header or chunk of a part for so long, the player's own HTTP request is better. */
const SIGN_MS = 150;
/** The answer comes at least so long before the deadline. */
const MARGIN_MS = 20;

interface Waiter {
  readonly entry: PartEntry;
  readonly track: TrackState;
  readonly options: LoadOptions;
  /** Until then a sign of the part is waited for. */
  readonly signAt: number;
  readonly resolve: (result: LoadResult | undefined) => void;
  readonly onAbort: () => void;
}

export interface LoaderOptions {
  readonly clock: Clock;
  readonly rate: HttpRate;
  readonly counters: ByteCounters;
  /** Whether a chunk or header of the part waits to be verified. */
  hasSign(entry: PartEntry): boolean;
  /** Whether a byte range of the part is on its way. */
  isFetching(entry: PartEntry): boolean;
  /** Nobody waits for the part any more. */
  onLeft(entry: PartEntry): void;
}

/** The player's waits for parts: each ends with the bytes, or with undefined while there is time for HTTP. */
export class Loader {
  private waiters: Waiter[] = [];

  constructor(private readonly o: LoaderOptions) {}

  get isIdle(): boolean {
    return this.waiters.length === 0;
  }

  isWaiting(entry: PartEntry): boolean {
    return this.waiters.some((w) => w.entry === entry);
  }

  /** The earliest deadline of those that wait for the part. */
  deadline(entry: PartEntry): number | undefined {
    let earliest: number | undefined;
    for (const w of this.waiters) {
      if (w.entry === entry) earliest = Math.min(w.options.deadline, earliest ?? Infinity);
    }
    return earliest;
  }

  wait(track: TrackState, entry: PartEntry, options: LoadOptions): Promise<LoadResult | undefined> {
    if (entry.isComplete) return Promise.resolve(this.hand(entry));
    if (options.signal?.aborted === true) return Promise.resolve(undefined);
    const now = this.o.clock.now();
    entry.isLeft = false;
    return new Promise((resolve) => {
      const waiter: Waiter = {
        entry, track, options, resolve, signAt: now + Math.min(SIGN_MS, Math.max(0, (options.deadline - now) / 4)),
        onAbort: () => this.finish(waiter, undefined),
      };
      options.signal?.addEventListener('abort', waiter.onAbort, { once: true });
      this.waiters.push(waiter);
      this.examine(waiter, now);
    });
  }

  /** Verified bytes of the part came. */
  progress(entry: PartEntry): void {
    for (const w of [...this.waiters]) {
      if (w.entry !== entry) continue;
      w.options.onProgress?.(entry.loaded, entry.header?.size ?? entry.loaded);
      if (entry.isComplete) this.finish(w, this.hand(entry));
    }
  }

  /** Ends the waits whose last moment has come. */
  tick(now: number): void {
    for (const w of [...this.waiters]) this.examine(w, now);
  }

  /** The player got the part by its own HTTP request: what peers and the feed sent of it was of no use. */
  settleByHttp(entry: PartEntry): void {
    if (entry.isSettled) return;
    entry.isSettled = true;
    this.o.counters.duplicateBytes += entry.bytes.peer + entry.bytes.feed;
  }

  /** The parts of a segment as one result. */
  handAll(entries: readonly PartEntry[]): LoadResult {
    const size = entries.reduce((sum, e) => sum + (e.data?.length ?? 0), 0);
    const data = new Uint8Array(size);
    const bytes: Record<ByteSource, number> = { peer: 0, feed: 0, edge: 0 };
    let at = 0;
    for (const entry of entries) {
      this.settle(entry);
      if (entry.data !== undefined) data.set(entry.data, at);
      at += entry.data?.length ?? 0;
      for (const s of SOURCES) bytes[s] += entry.bytes[s];
    }
    const used = SOURCES.filter((s) => bytes[s] > 0);
    return {
      data, bytes, source: used.length === 1 ? used[0] ?? 'mixed' : 'mixed',
      firstByte: Math.min(...entries.map((e) => e.firstAt)), end: Math.max(...entries.map((e) => e.completeAt)),
    };
  }

  close(): void {
    for (const w of [...this.waiters]) this.finish(w, undefined);
  }

  private hand(entry: PartEntry): LoadResult {
    return this.handAll([entry]);
  }

  private settle(entry: PartEntry): void {
    if (entry.isSettled) return;
    entry.isSettled = true;
    this.o.counters.peerBytes += entry.bytes.peer;
  }

  private examine(w: Waiter, now: number): void {
    const { entry, options } = w;
    const isSeen = entry.header !== undefined || this.o.hasSign(entry);
    const size = entry.header?.size ?? (w.track.info.bitrate / 8_000) * 333;
    const isLastMoment = now >= options.deadline - this.o.rate.reserveMs(size) && !this.o.isFetching(entry);
    if (isLastMoment || (!isSeen && now >= w.signAt) || now >= options.deadline - MARGIN_MS) this.finish(w, undefined);
  }

  private finish(w: Waiter, result: LoadResult | undefined): void {
    if (!this.waiters.includes(w)) return;
    this.waiters = this.waiters.filter((other) => other !== w);
    w.options.signal?.removeEventListener('abort', w.onAbort);
    if (result === undefined && !this.isWaiting(w.entry)) {
      w.entry.isLeft = true;
      this.o.onLeft(w.entry);
    }
    w.resolve(result);
  }
}

const SOURCES: readonly ByteSource[] = ['peer', 'feed', 'edge'];
