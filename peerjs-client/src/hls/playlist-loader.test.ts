import type { HlsConfig, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats, PlaylistLoaderContext } from 'hls.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readVectors } from '../wire/testing.js';
import { createPlaylistLoader, PlaylistBook } from './playlist-loader';
import type { PartFacts } from './playlist-model';

interface Step {
  readonly header: Omit<PartFacts, 'independent' | 'last' | 'gap' | 'discontinuous'> & { readonly flags: number };
  readonly text?: string;
}

const steps = readVectors<readonly { readonly steps: readonly Step[] }[]>('playlist.json')[0]?.steps ?? [];
const text = steps[0]?.text ?? '';
const part = (i: number): PartFacts => {
  const header = steps[i]?.header;
  if (header === undefined) throw new Error(`no step ${i}`);
  return { ...header, independent: (header.flags & 1) !== 0, last: (header.flags & 2) !== 0, gap: false, discontinuous: false };
};

/** Stands in for hls.js's XHR loader. */
class FakeHttp {
  static requests: FakeHttp[] = [];
  readonly stats = { aborted: false, retry: 0, loaded: 0, total: 0, chunkCount: 0, bwEstimate: 0, loading: { start: 0, first: 0, end: 0 }, parsing: { start: 0, end: 0 }, buffering: { start: 0, first: 0, end: 0 } } as LoaderStats;
  context: LoaderContext | null = null;
  callbacks: LoaderCallbacks<LoaderContext> | undefined;

  load(context: LoaderContext, _: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>): void {
    FakeHttp.requests.push(this);
    this.context = context;
    this.callbacks = callbacks;
  }

  abort(): void {
    this.stats.aborted = true;
  }

  destroy(): void {
    this.callbacks = undefined;
  }

  answer(data: string): void {
    if (this.context !== null) this.callbacks?.onSuccess({ url: this.context.url, data, code: 200 }, this.stats, this.context, null);
  }
}

const base = 'https://edge.example/live/demo/v720/index.m3u8';

function asked(url: string, directives?: { msn: number; index: number; skip?: string }): PlaylistLoaderContext {
  const deliveryDirectives = directives === undefined ? null : { msn: directives.msn, part: directives.index, skip: directives.skip, addDirectives: (uri: string) => uri };
  return { url, responseType: 'text', type: 'level', level: 0, id: 0, levelOrTrack: null, deliveryDirectives } as unknown as PlaylistLoaderContext;
}

describe('the playlist loader', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    FakeHttp.requests = [];
  });
  afterEach(() => void vi.useRealTimers());

  function setUp() {
    const firsts: number[] = [];
    const book = new PlaylistBook('live/demo', (playlist) => firsts.push(playlist.partHoldBackMicros));
    const Loader = createPlaylistLoader(book);
    const load = (context: PlaylistLoaderContext) => {
      const loader = new Loader({ loader: FakeHttp } as unknown as HlsConfig);
      const got: { text: string | undefined; stats: LoaderStats | undefined; error: number | undefined } = { text: undefined, stats: undefined, error: undefined };
      loader.load(context, {} as LoaderConfiguration, {
        onSuccess: (response, stats) => Object.assign(got, { text: response.data, stats }),
        onError: (error) => void (got.error = error.code),
        onTimeout: () => void (got.error = 0),
      });
      return { loader, got };
    };
    const first = load(asked(base));
    FakeHttp.requests[0]?.answer(text);
    expect(first.got.text).toBe(text);
    expect(firsts).toEqual([1_002_000]);
    FakeHttp.requests = [];
    return { book, load };
  }

  it('answers a reload when the header comes, without a request', async () => {
    const { book, load } = setUp();
    book.note('v720', part(0));
    const { got } = load(asked(base, part(1)));
    await vi.advanceTimersByTimeAsync(300);
    expect(got.text).toBeUndefined();
    book.note('a128', part(1)); // another track's
    expect(got.text).toBeUndefined();
    book.note('v720', part(1));
    expect(got.text).toContain(`${part(1).msn}.1.m4s`);
    expect(got.stats?.loading.first).toBe(performance.now());
    expect(FakeHttp.requests).toHaveLength(0);
    expect(book.counts).toEqual({ written: 1, loaded: 1 });
  });

  it('answers what is there at once, but after hls.js has noted its request', async () => {
    const { book, load } = setUp();
    book.note('v720', part(1));
    const { got } = load(asked(base, { ...part(1), skip: 'YES' }));
    expect(got.text).toBeUndefined();
    await vi.advanceTimersByTimeAsync(0);
    expect(got.text).toContain('#EXT-X-SKIP');
    expect(FakeHttp.requests).toHaveLength(0);
  });

  it('asks the edge when the header is late, and takes what comes first', async () => {
    const { book, load } = setUp();
    book.note('v720', part(0));
    const { got } = load(asked(base, part(1)));
    await vi.advanceTimersByTimeAsync(600);
    expect(FakeHttp.requests).toHaveLength(1);
    book.note('v720', part(1));
    expect(got.text).toContain(`${part(1).msn}.1.m4s`);
    expect(FakeHttp.requests[0]?.stats.aborted).toBe(true);
    const before = got.text;
    FakeHttp.requests[0]?.answer(text); // too late
    expect(got.text).toBe(before);
  });

  it('asks the edge at once for what only it can tell', () => {
    const { book, load } = setUp();
    load(asked('https://edge.example/live/demo/index.m3u8'));
    load(asked(base)); // not a reload
    load(asked('https://edge.example/live/other/v720/index.m3u8', part(1))); // another stream
    load(asked('https://edge.example/live/demo/v240/index.m3u8', part(1))); // a rung without a playlist yet
    load(asked(base, part(1))); // no header came so far
    expect(FakeHttp.requests).toHaveLength(5);
    expect(book.counts.written).toBe(0);
  });

  it('hands errors of the edge on', async () => {
    const { book, load } = setUp();
    const { got } = load(asked(base, part(1)));
    const request = FakeHttp.requests[0];
    if (request?.context) request.callbacks?.onError({ code: 503, text: '' }, request.context, null, request.stats);
    expect(got.error).toBe(503);
    book.note('v720', part(1));
    await vi.advanceTimersByTimeAsync(1000);
    expect(got.text).toBeUndefined();
  });

  it('gives nothing after it was aborted or destroyed', async () => {
    for (const end of ['abort', 'destroy'] as const) {
      const { book, load } = setUp();
      book.note('v720', part(0));
      const { loader, got } = load(asked(base, part(1)));
      loader[end]();
      book.note('v720', part(1));
      await vi.advanceTimersByTimeAsync(1000);
      expect(got.text).toBeUndefined();
      expect(FakeHttp.requests).toHaveLength(0);
      FakeHttp.requests = [];
    }
  });
});
