import { fullJitter, type Clock, type Timer } from '../clock.js';
import { equalBytes } from '../wire/bytes.js';
import { Verifier, type Subtle } from '../wire/verifier.js';
import { parseCatalog, type Catalog } from './catalog.js';

/** The catalog is read again at most so often. */
const REFRESH_MS = 5_000;

export interface CatalogReaderOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly random: () => number;
  readonly subtle: Subtle | undefined;
}

/** Reads the stream's catalog, again and again until it is there, and makes the verifier of its key. */
export class CatalogReader {
  /** The last one read. */
  catalog: Catalog | undefined;
  /** For the catalog's key; undefined also when this page cannot verify. */
  verifier: Verifier | undefined;
  private readAt = -Infinity;
  private timer: Timer;
  private readonly abort = new AbortController();

  constructor(private readonly o: CatalogReaderOptions) {}

  /** Reads until there is a catalog, then calls `onRead` once. */
  start(onRead: (catalog: Catalog) => void): void {
    void this.attempt(0, onRead);
  }

  /**
   * Reads again, unless that was done a moment ago.
   * @returns what changed; undefined when there is nothing new.
   */
  async refresh(): Promise<{ readonly isNewKey: boolean } | undefined> {
    const old = this.catalog;
    if (old === undefined || this.o.clock.now() - this.readAt < REFRESH_MS) return undefined;
    const catalog = await this.read();
    if (catalog === undefined || this.isClosed) return undefined;
    const isNewKey = !equalBytes(catalog.key, old.key);
    if (isNewKey) this.verifier = await Verifier.create(catalog.key, this.o.subtle);
    this.catalog = catalog;
    return { isNewKey };
  }

  close(): void {
    this.abort.abort();
    this.o.clock.clearTimeout(this.timer);
  }

  private get isClosed(): boolean {
    return this.abort.signal.aborted;
  }

  private async attempt(n: number, onRead: (catalog: Catalog) => void): Promise<void> {
    const catalog = await this.read();
    if (this.isClosed) return;
    if (catalog === undefined) {
      const ms = 200 + fullJitter(n, this.o.random, 500, 10_000);
      this.timer = this.o.clock.setTimeout(() => void this.attempt(n + 1, onRead), ms);
      return;
    }
    this.verifier = await Verifier.create(catalog.key, this.o.subtle);
    if (this.isClosed) return;
    this.catalog = catalog;
    onRead(catalog);
  }

  private async read(): Promise<Catalog | undefined> {
    this.readAt = this.o.clock.now();
    try {
      const response = await this.o.fetch(this.o.url, { signal: this.abort.signal, cache: 'no-store' });
      return response.ok ? parseCatalog(await response.json()) : undefined;
    } catch {
      return undefined; // network failure, or no JSON: the caller tries again
    }
  }
}
