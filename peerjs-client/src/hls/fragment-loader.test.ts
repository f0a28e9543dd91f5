import type { FragmentLoaderContext, HlsConfig, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats } from 'hls.js';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { createFragmentLoader, type LoadedBytes } from './fragment-loader';
import type { PartAddress, PartSource, RequestTiming, SwarmResult } from './part-source';

/** Stands for hls.js's XHR loader: answers when told to. */
class HttpLoader implements Loader<LoaderContext> {
  static last: HttpLoader;
  context: LoaderContext | null = null;
  stats: LoaderStats = {
    aborted: false, loaded: 0, retry: 0, total: 0, chunkCount: 0, bwEstimate: 0,
    loading: { start: 0, first: 0, end: 0 }, parsing: { start: 0, end: 0 }, buffering: { start: 0, first: 0, end: 0 },
  };
  callbacks: LoaderCallbacks<LoaderContext> | undefined;
  isAborted = false;
  isDestroyed = false;
  constructor() {
    HttpLoader.last = this;
  }
  load(context: LoaderContext, _: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>): void {
    if (this.stats.loading.start !== 0) throw new Error('Loader can only be used once.');
    this.stats.loading.start = 1;
    this.context = context;
    this.callbacks = callbacks;
  }
  answer(size: number): void {
    if (this.context === null) throw new Error('nothing was asked');
    this.callbacks?.onSuccess({ url: this.context.url, data: new ArrayBuffer(size), code: 200 }, this.stats, this.context, null);
  }
  abort(): void {
    this.isAborted = true;
  }
  destroy(): void {
    this.isDestroyed = true;
  }
}

const partUrl = 'https://edge.example/live/demo/v720/100.2.m4s';
const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
const fromPeers: SwarmResult = { data: bytes, source: 'peer', firstByte: 400, end: 440, bytes: { peer: 1000, feed: 0, edge: 0 } };

interface Asked { track: string; id: PartAddress; deadline: number; signal: AbortSignal | undefined; onRequested: (() => void) | undefined; resolve(result: SwarmResult | undefined): void }

let asked: Asked[];
let provided: [string, PartAddress | { msn: number }, number][];
let timings: (RequestTiming | undefined)[];
let loaded: LoadedBytes[];
let behind: number[];
let segment: SwarmResult | undefined;
let swarm: PartSource | undefined;
let now: number;

const loadPart: PartSource['loadPart'] = (track, id, options) =>
  new Promise((resolve) => asked.push({ track, id, deadline: options.deadline, signal: options.signal, onRequested: options.onRequested, resolve }));

beforeEach(() => {
  asked = [];
  provided = [];
  timings = [];
  loaded = [];
  behind = [];
  segment = undefined;
  now = 500;
  swarm = { loadPart, loadSegment: () => segment, provide: (track, id, data, timing) => {
    provided.push([track, id, data.byteLength]);
    timings.push(timing);
  } };
});

function start(url = partUrl, change: Partial<FragmentLoaderContext> = {}) {
  const FragmentLoader = createFragmentLoader({
    stream: 'live/demo',
    source: () => swarm,
    deadline: (mediaStart) => now + mediaStart * 10,
    estimates: () => ({ bandwidth: 2e6, timeToFirstByte: 30, believed: 4.5e6 }),
    onBehind: (rate) => behind.push(rate),
    onLoaded: (b) => loaded.push(b),
    now: () => now,
  });
  const loader = new FragmentLoader({ loader: HttpLoader } as unknown as HlsConfig);
  const callbacks = { onSuccess: vi.fn(), onError: vi.fn(), onTimeout: vi.fn(), onAbort: vi.fn() };
  const context = {
    url, responseType: 'arraybuffer', rangeStart: 0, rangeEnd: 0,
    frag: { sn: 100, start: 10, duration: 2 }, part: { start: 12, duration: 1 / 3 }, ...change,
  } as unknown as FragmentLoaderContext;
  loader.load(context, {} as LoaderConfiguration, callbacks);
  return { loader, callbacks, http: HttpLoader.last };
}

describe('fragment loader', () => {
  it('gives hls.js a copy of the swarm\'s bytes with plausible times', async () => {
    const { loader, callbacks, http } = start();
    expect(asked[0]).toMatchObject({ track: 'v720', id: { msn: 100, index: 2 }, deadline: 620 });
    expect(loader.stats.loading.start).toBe(620); // until then hls.js must not take the wait for a slow line
    now = 560;
    asked[0]?.resolve(fromPeers);
    await vi.waitFor(() => expect(callbacks.onSuccess).toHaveBeenCalledOnce());
    const data = callbacks.onSuccess.mock.calls[0]?.[0].data as ArrayBuffer;
    expect(new Uint8Array(data)).toEqual(bytes);
    expect(data).not.toBe(bytes.buffer);
    expect(loader.stats).toBe(http.stats);
    expect(loader.stats).toMatchObject({ loaded: 1000, total: 1000, loading: { end: 560 } });
    expect(loader.stats.loading.first).toBeLessThan(560);
    expect(http.context).toBeNull();
    expect(loaded).toEqual([{ peer: 1000, feed: 0, edge: 0 }]);
  });

  it('says when pictures come more slowly than they play', async () => {
    const FragmentLoader = createFragmentLoader({
      stream: 'live/demo', source: () => swarm, deadline: () => 1e6, estimates: () => ({ bandwidth: 4e6, timeToFirstByte: 30, believed: 4.5e6 }),
      onBehind: (rate) => behind.push(rate), onLoaded: () => undefined, now: () => now,
    });
    for (let i = 0; i < 5; i++) {
      const onSuccess = vi.fn();
      const frag = { sn: 100, start: 10, duration: 2, type: 'main' };
      const context = { url: `https://edge.example/live/demo/v720/100.${i}.m4s`, rangeStart: 0, rangeEnd: 0, frag, part: { start: 12, duration: 1 / 3 } } as unknown as FragmentLoaderContext;
      new FragmentLoader({ loader: HttpLoader } as unknown as HlsConfig).load(context, {} as LoaderConfiguration, { onSuccess, onError: vi.fn(), onTimeout: vi.fn() });
      asked[i]?.resolve({ ...fromPeers, firstByte: i * 400, end: (i + 1) * 400 });
      await vi.waitFor(() => expect(onSuccess).toHaveBeenCalledOnce());
    }
    expect(behind).toEqual([20_000, 20_000]); // 1000 bytes in 400 ms
  });

  it('falls to HTTP when the swarm has nothing, and hands the bytes on', async () => {
    const { callbacks, http } = start();
    asked[0]?.resolve(undefined);
    await vi.waitFor(() => expect(http.context).not.toBeNull());
    http.answer(700);
    expect(callbacks.onSuccess).toHaveBeenCalledOnce();
    expect(provided).toEqual([['v720', { msn: 100, index: 2 }, 700]]);
    expect(loaded).toEqual([{ peer: 0, feed: 0, edge: 700 }]);
  });

  it('does not wait for a swarm that misses its own deadline', async () => {
    vi.useFakeTimers();
    const { http } = start();
    await vi.advanceTimersByTimeAsync(149);
    expect(http.context).toBeNull();
    await vi.advanceTimersByTimeAsync(2);
    expect(http.context).not.toBeNull();
    expect(asked[0]?.signal?.aborted).toBe(true);
    vi.useRealTimers();
  });

  it('waits longer for a swarm that has asked the edge for what is missing, but not for ever', async () => {
    vi.useFakeTimers();
    const { http } = start();
    now = 600;
    await vi.advanceTimersByTimeAsync(100);
    asked[0]?.onRequested?.();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(http.context).toBeNull();
    asked[0]?.onRequested?.(); // again: changes nothing
    await vi.advanceTimersByTimeAsync(49);
    expect(http.context).toBeNull();
    await vi.advanceTimersByTimeAsync(2);
    expect(http.context).not.toBeNull();
    vi.useRealTimers();
  });

  it('tells the swarm how its own requests went, unless they were tried again', async () => {
    for (const retry of [0, 1]) {
      const { http } = start();
      asked[retry]?.resolve(undefined);
      await vi.waitFor(() => expect(http.context).not.toBeNull());
      http.stats.loading = { start: 100, first: 130, end: 190 };
      http.stats.retry = retry;
      http.answer(700);
    }
    expect(timings).toEqual([{ firstByteMs: 30, totalMs: 90 }, undefined]);
  });

  it('falls to HTTP when the swarm throws', async () => {
    swarm = { loadPart: () => Promise.reject(new Error('broken')), loadSegment: () => undefined, provide: () => undefined };
    const { http } = start();
    await vi.waitFor(() => expect(http.context).not.toBeNull());
  });

  it('cancels the swarm on abort and says so once', async () => {
    const { loader, callbacks, http } = start();
    loader.abort();
    expect(asked[0]?.signal?.aborted).toBe(true);
    expect(callbacks.onAbort).toHaveBeenCalledOnce();
    expect(loader.stats.aborted).toBe(true);
    asked[0]?.resolve(fromPeers);
    await Promise.resolve();
    await Promise.resolve();
    expect(callbacks.onSuccess).not.toHaveBeenCalled();
    expect(http.context).toBeNull();
  });

  it('says nothing after destroy', async () => {
    const { loader, callbacks, http } = start();
    loader.destroy();
    asked[0]?.resolve(undefined);
    await new Promise((resolve) => setImmediate(resolve));
    expect(callbacks.onSuccess).not.toHaveBeenCalled();
    expect(callbacks.onAbort).not.toHaveBeenCalled();
    expect(http).toMatchObject({ isDestroyed: true, context: null });
  });

  it('passes an abort on to HTTP', async () => {
    const { loader, http } = start();
    asked[0]?.resolve(undefined);
    await vi.waitFor(() => expect(http.context).not.toBeNull());
    loader.abort();
    expect(http.isAborted).toBe(true);
  });

  it('takes a segment that is held, else HTTP at once', () => {
    const url = 'https://edge.example/live/demo/v720/99.m4s';
    const missing = start(url, { part: null });
    missing.http.answer(5000);
    expect(provided).toEqual([['v720', { msn: 99 }, 5000]]);
    segment = { ...fromPeers, end: 100, firstByte: 0 };
    const held = start(url, { part: null });
    expect(held.callbacks.onSuccess).toHaveBeenCalledOnce();
    expect(held.http.context).toBeNull();
    expect(asked).toEqual([]);
  });

  it('cuts byte ranges, and shares only whole media that came by HTTP', async () => {
    const { callbacks } = start(partUrl, { rangeStart: 100, rangeEnd: 300 });
    asked[0]?.resolve(fromPeers);
    await vi.waitFor(() => expect(callbacks.onSuccess).toHaveBeenCalledOnce());
    expect(new Uint8Array(callbacks.onSuccess.mock.calls[0]?.[0].data)).toEqual(bytes.slice(100, 300));
    const beyond = start(partUrl, { rangeStart: 900, rangeEnd: 1100 });
    asked[1]?.resolve(fromPeers);
    await vi.waitFor(() => expect(beyond.http.context).not.toBeNull());
    beyond.http.answer(200);
    expect(provided).toEqual([]);
  });

  it.each([
    ['init sections', 'https://edge.example/live/demo/v720/init-1.mp4', { frag: { sn: 'initSegment' }, part: null }],
    ['another stream', 'https://edge.example/live/other/v720/100.2.m4s', {}],
    ['foreign media', 'https://edge.example/movie/seg-1.ts', {}],
  ])('leaves %s to HTTP', (_, url, change) => {
    const { http } = start(url, change as unknown as Partial<FragmentLoaderContext>);
    expect(http.context).not.toBeNull();
    http.answer(10);
    expect(asked).toEqual([]);
    expect(provided).toEqual([]);
  });

  it('is a plain loader without a swarm', () => {
    swarm = undefined;
    const { http, callbacks } = start();
    http.answer(10);
    expect(callbacks.onSuccess).toHaveBeenCalledOnce();
  });
});
