import type { Clock } from '../clock.js';
import type { ByteCounters } from './counters.js';
import type { HttpRate } from './edge-fetch.js';
import type { ByteSource, LoadOptions, LoadResult } from './engine-types.js';
import type { PartEntry } from './part-entry.js';
import type { TrackState } from './track-state.js';

/** What the edge was asked for may come so long after the deadline: the whole part, asked for then, would take longer still. */
const LATE_MS = 1_000;

interface Waiter {
  readonly entry: PartEntry;
  readonly track: TrackState;
  readonly options: LoadOptions;
  readonly startedAt: number;
  readonly resolve: (result: LoadResult | undefined) => void;
  readonly onAbort: () => void;
}

export interface LoaderOptions {
  readonly clock: Clock;
  readonly rate: HttpRate;
  readonly counters: ByteCounters;
  /** Whether a chunk or header of the part waits to be verified. */
  hasSign(entry: PartEntry): boolean;
  /** Asks the edge for what is missing of a part with a header; false when that failed a moment ago. */
  fetchMissing(entry: PartEntry): boolean;
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
        entry, track, options, resolve, startedAt: now, onAbort: () => this.finish(waiter, undefined),
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

  /** No push of the part is to be expected in time (docs/repair.md, rule 4): the player's own HTTP request is better. */
  giveUp(entry: PartEntry): void {
    if (entry.header !== undefined || this.o.hasSign(entry)) return;
    for (const w of [...this.waiters]) {
      if (w.entry === entry) this.finish(w, undefined);
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

  /**
   * At the last moment a part without a header is left to the player's HTTP. Of one with a header the bytes that came
   * are kept: the edge is asked for the rest, and that is awaited.
   */
  private examine(w: Waiter, now: number): void {
    const { entry, options } = w;
    const size = entry.header?.size ?? (w.track.info.bitrate / 8_000) * 333;
    if (now < options.deadline - this.o.rate.reserveMs(size - entry.loaded)) return;
    const isOver = now >= Math.max(options.deadline, w.startedAt) + LATE_MS;
    if (entry.header === undefined || isOver || !this.o.fetchMissing(entry)) this.finish(w, undefined);
    else options.onRequested?.();
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
