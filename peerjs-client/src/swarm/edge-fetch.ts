import type { Clock } from '../clock.js';
import type { Bytes } from '../wire/bytes.js';

/** A repair by HTTP that brings nothing for so long is given up. */
const TIMEOUT_MS = 3_000;

/** Weights of a sample, as divisors. A busy page makes requests look slow, nothing makes them look fast: good samples count more. */
const BETTER = 2;
const WORSE = 4;

/** How fast the edge answers, by repairs and the player's own requests, for choosing the last moment of a request. */
export class HttpRate {
  /** Bytes per ms; begins at 2.5 Mbit/s, since the first guess must not be too good. */
  private bytesPerMs = 312.5;
  private firstByteMs = 50;
  /** By how much answers take longer than both say: a packet lost costs a round trip or a time-out now and then, which no mean shows. */
  private overrunMs = 0;

  /** Notes a request: its size, its time to the first byte and its whole time in ms. */
  note(bytes: number, firstByteMs: number, totalMs: number): void {
    // What a lost packet costs at most; more was the page.
    const overrun = Math.min(totalMs - this.firstByteMs - bytes / this.bytesPerMs, 2 * this.firstByteMs + 200);
    this.overrunMs += overrun > this.overrunMs ? (overrun - this.overrunMs) / 2 : -this.overrunMs / 16;
    this.firstByteMs += (firstByteMs - this.firstByteMs) / (firstByteMs < this.firstByteMs ? BETTER : WORSE);
    // A small answer tells nothing about the rate.
    if (bytes < 8_192) return;
    const rate = bytes / Math.max(totalMs - firstByteMs, 1);
    this.bytesPerMs += (Math.min(rate, 12_500) - this.bytesPerMs) / (rate > this.bytesPerMs ? BETTER : WORSE);
  }

  /** The time to leave for a request of `bytes`, one of whose packets may be lost: at least 150 ms besides the transfer. */
  reserveMs(bytes: number): number {
    return Math.max(150, 3 * this.firstByteMs, this.firstByteMs + this.overrunMs) + bytes / this.bytesPerMs;
  }
}

export interface EdgeFetchOptions {
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly rate: HttpRate;
}

/** Fetches byte ranges of parts from the edge. */
export class EdgeFetch {
  constructor(private readonly o: EdgeFetchOptions) {}

  /** The time to leave for a request of `bytes`, whole ms. */
  reserveMs(bytes: number): number {
    return Math.trunc(this.o.rate.reserveMs(bytes));
  }

  /**
   * Fetches the bytes [from, to) of a part.
   * @returns undefined when the edge does not answer with them.
   */
  async range(url: string, from: number, to: number, signal: AbortSignal): Promise<Bytes | undefined> {
    const { clock, rate } = this.o;
    const started = clock.now();
    const abort = new AbortController();
    const give = (): void => abort.abort();
    const timer = clock.setTimeout(give, TIMEOUT_MS);
    signal.addEventListener('abort', give, { once: true });
    try {
      const response = await this.o.fetch(url, { headers: { Range: `bytes=${from}-${to - 1}` }, signal: abort.signal, cache: 'no-store' });
      const firstByteMs = clock.now() - started;
      if (!response.ok) {
        await response.body?.cancel();
        return undefined;
      }
      const body = new Uint8Array(await response.arrayBuffer());
      rate.note(body.length, firstByteMs, clock.now() - started);
      // 200: the whole part came, from a cache that does not know ranges.
      const bytes = response.status === 206 ? body : body.subarray(from, to);
      return bytes.length === to - from ? bytes : undefined;
    } catch {
      return undefined; // network failure or abort: the caller tries again or gives the part up
    } finally {
      clock.clearTimeout(timer);
      signal.removeEventListener('abort', give);
    }
  }
}
