/**
 * The fragment loader given to hls.js (`fLoader`). Parts and segments are asked of the swarm first; whatever it does
 * not have in time is loaded by hls.js's own HTTP loader and then handed to the swarm. Everything else (init sections,
 * foreign media) goes straight to the HTTP loader.
 */
import type { FragmentLoaderContext, HlsConfig, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats } from 'hls.js';
import { fillStats, type Estimates } from './load-timing';
import { parseMediaUrl, type MediaAddress } from './media-url';
import { Pace } from './pace';
import { lateMs, type PartSource, type RequestTiming, type SwarmResult } from './part-source';

/** Where the bytes of a finished load came from. */
export interface LoadedBytes {
  readonly peer: number;
  readonly feed: number;
  readonly edge: number;
}

/** What the loader needs from the player. */
export interface LoaderHost {
  /** `APP/NAME` of the stream that the source serves. */
  readonly stream: string;
  /** The swarm, or undefined to load by HTTP only. Asked at every load. */
  source(): PartSource | undefined;
  /** The deadline for media that starts at `mediaStart` seconds of the player's timeline. */
  deadline(mediaStart: number): number;
  estimates(): Estimates;
  /** Pictures came more slowly than they play for several parts: at so many bit/s. */
  onBehind(rate: number): void;
  /** Told about every finished media load. */
  onLoaded(bytes: LoadedBytes): void;
  /** Milliseconds, default `performance.now`. */
  now?(): number;
}

/** The constructor that hls.js calls for every fragment or part. */
export type FragmentLoader = new (config: HlsConfig) => Loader<FragmentLoaderContext>;

/** How long past its own deadline the swarm may answer before HTTP is used without it. */
const graceMs = 30;

/** Makes the loader class for one playback. */
export function createFragmentLoader(host: LoaderHost): FragmentLoader {
  const pace = new Pace();
  return class extends SwarmFragmentLoader {
    constructor(config: HlsConfig) {
      super(config, host, pace);
    }
  };
}

class SwarmFragmentLoader implements Loader<FragmentLoaderContext> {
  context: FragmentLoaderContext | null = null;
  readonly stats: LoaderStats;
  readonly #http: Loader<LoaderContext>;
  readonly #host: LoaderHost;
  readonly #pace: Pace;
  #callbacks: LoaderCallbacks<FragmentLoaderContext> | undefined;
  #waiting: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(config: HlsConfig, host: LoaderHost, pace: Pace) {
    this.#host = host;
    this.#pace = pace;
    this.#http = new config.loader(config);
    // hls.js keeps the reference that it finds before load(): one object for both ways.
    this.stats = this.#http.stats;
  }

  load(context: FragmentLoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<FragmentLoaderContext>): void {
    this.context = context;
    this.#callbacks = callbacks;
    const source = this.#host.source();
    const address = context.frag.sn === 'initSegment' ? undefined : parseMediaUrl(context.url);
    if (source === undefined || address === undefined || address.stream !== this.#host.stream) {
      this.#loadByHttp(context, config, callbacks, undefined, undefined);
      return;
    }
    const asked = this.#now();
    if (address.index === undefined) {
      const held = source.loadSegment(address.track, address.msn);
      if (held === undefined || !this.#deliver(held, context, asked, undefined)) this.#loadByHttp(context, config, callbacks, source, address);
      return;
    }
    void this.#loadFromSwarm(source, address, address.index, asked).then((result) => {
      if (this.context !== context) return; // aborted or destroyed meanwhile
      if (result === undefined || !this.#deliver(result, context, asked, address)) {
        this.#loadByHttp(context, config, callbacks, source, address);
      }
    });
  }

  abort(): void {
    const { context, stats } = this;
    if (this.#waiting === undefined || context === null) {
      this.#http.abort();
      return;
    }
    this.#stopWaiting();
    stats.aborted = true;
    this.context = null;
    this.#callbacks?.onAbort?.(stats, context, null);
  }

  destroy(): void {
    this.#stopWaiting();
    this.context = null;
    this.#callbacks = undefined;
    this.#http.destroy();
  }

  getCacheAge(): number | null {
    return this.#http.getCacheAge?.() ?? null;
  }

  getResponseHeader(name: string): string | null {
    return this.#http.getResponseHeader?.(name) ?? null;
  }

  async #loadFromSwarm(source: PartSource, address: MediaAddress, index: number, asked: number): Promise<SwarmResult | undefined> {
    const waiting = new AbortController();
    this.#waiting = waiting;
    const deadline = Math.max(this.#host.deadline(this.#mediaStart()), asked);
    // The ABR controller takes half a part without a byte for a line that is too slow, and goes down. Until the deadline
    // this is patience: the edge has the part. Zero would mean "for ever".
    this.stats.loading.start = deadline;
    let isExtended = false;
    let endWait: (result: undefined) => void = () => undefined;
    const late = new Promise<undefined>((resolve) => (endWait = resolve));
    const wait = (ms: number): void => void (this.#timer = setTimeout(endWait, ms, undefined));
    wait(deadline - asked + graceMs);
    const onRequested = (): void => {
      if (isExtended || this.#waiting !== waiting) return;
      isExtended = true;
      clearTimeout(this.#timer);
      wait(deadline - this.#now() + lateMs + graceMs);
    };
    try {
      const part = source.loadPart(address.track, { msn: address.msn, index }, { deadline, signal: waiting.signal, onRequested });
      return await Promise.race([part, late]);
    } catch {
      return undefined; // the guard around the source has reported it; HTTP follows
    } finally {
      if (this.#waiting === waiting) this.#stopWaiting();
    }
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.abort();
  }

  /** Gives hls.js the bytes of the swarm, of a part or of a whole segment held; false when they do not cover the wanted range. */
  #deliver(result: SwarmResult, context: FragmentLoaderContext, asked: number, part: MediaAddress | undefined): boolean {
    const wanted = cut(result.data, context);
    if (wanted === undefined) return false;
    const mediaSeconds = context.part?.duration ?? context.frag.duration;
    const { firstByte, end } = result;
    const size = wanted.byteLength;
    const verdict = part?.index === undefined ? undefined : this.#pace.note(part.track, { msn: part.msn, index: part.index }, { firstByte, end, size, mediaSeconds });
    const load = { size, requested: result.bytes.edge, firstByte, end, asked, mediaSeconds, isBehind: verdict?.isBehind === true, wasHeld: part === undefined };
    if (verdict?.rate !== undefined && context.frag.type === 'main') this.#host.onBehind(verdict.rate);
    fillStats(this.stats, load, this.#host.estimates(), this.#now());
    this.#host.onLoaded(result.bytes);
    this.#callbacks?.onSuccess({ url: context.url, data: wanted, code: 200 }, this.stats, context, null);
    return true;
  }

  #loadByHttp(
    context: FragmentLoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<FragmentLoaderContext>,
    source: PartSource | undefined, address: MediaAddress | undefined,
  ): void {
    this.stats.loading.start = 0; // the time spent waiting for the swarm is not the network's
    const isWhole = (context.rangeEnd ?? 0) === 0;
    this.#http.load(context, config, {
      ...callbacks,
      onSuccess: (response, stats, _, details) => {
        if (response.data instanceof ArrayBuffer && context.frag.sn !== 'initSegment') {
          this.#host.onLoaded({ peer: 0, feed: 0, edge: response.data.byteLength });
          if (source !== undefined && address !== undefined && isWhole) {
            const { track, msn, index } = address;
            // A copy: hls.js may transfer its own to a worker.
            source.provide(track, index === undefined ? { msn } : { msn, index }, new Uint8Array(response.data.slice(0)), timing(stats));
          }
        }
        callbacks.onSuccess(response, stats, context, details);
      },
    } as LoaderCallbacks<LoaderContext>);
  }

  #mediaStart(): number {
    return this.context?.part?.start ?? this.context?.frag.start ?? 0;
  }

  #now(): number {
    return this.#host.now?.() ?? performance.now();
  }
}

/** How an HTTP request went; undefined when it took several attempts, which tell nothing about the network. */
function timing({ retry, loading }: LoaderStats): RequestTiming | undefined {
  return retry > 0 ? undefined : { firstByteMs: loading.first - loading.start, totalMs: loading.end - loading.start };
}

/** A copy of the wanted bytes: hls.js may alter or transfer what it gets, and the swarm still serves the original. */
function cut(data: Uint8Array, context: FragmentLoaderContext): ArrayBuffer | undefined {
  const from = context.rangeStart ?? 0;
  const to = (context.rangeEnd ?? 0) > 0 ? (context.rangeEnd ?? 0) : data.byteLength;
  if (from >= to || to > data.byteLength) return undefined;
  const copy = new Uint8Array(to - from);
  copy.set(data.subarray(from, to));
  return copy.buffer;
}
