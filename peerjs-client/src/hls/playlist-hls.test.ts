// What hls.js makes of playlists that the viewer writes: the same as of the edge's.
import { Events, type HlsConfig, type LevelDetails, type Loader, type LoaderCallbacks, type LoaderConfiguration, type LoaderContext, type LoaderStats } from 'hls.js';
import type HlsType from 'hls.js';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { readVectors } from '../wire/testing.js';
import { createPlaylistLoader, PlaylistBook } from './playlist-loader';
import { lastPart, renderPlaylist, withPart, type MediaPlaylist, type PartFacts } from './playlist-model';
import { parsePlaylist } from './playlist-parser';

interface Step {
  readonly header: Omit<PartFacts, 'independent' | 'last' | 'gap' | 'discontinuous'> & { readonly flags: number };
  readonly text?: string;
}

let Hls: typeof HlsType;

beforeAll(async () => {
  vi.stubGlobal('self', globalThis);
  vi.stubGlobal('location', { href: 'https://page.example/' });
  Hls = (await import('hls.js')).default;
});

const scenarios = readVectors<readonly { readonly name: string; readonly steps: readonly Step[] }[]>('playlist.json');
const base = 'https://edge.example/live/demo/';
const multivariant = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2500000\nv720/index.m3u8\n';

function facts({ header }: Step): PartFacts {
  const { flags } = header;
  return { ...header, independent: (flags & 1) !== 0, last: (flags & 2) !== 0, gap: (flags & 4) !== 0, discontinuous: (flags & 8) !== 0 };
}

/** The edge: answers blocking reloads. */
class Edge {
  playlist: MediaPlaylist | undefined;
  requests = 0;
  readonly #parked = new Set<() => void>();

  show(playlist: MediaPlaylist | undefined): void {
    this.playlist = playlist;
    for (const look of [...this.#parked]) look();
  }

  /** The loader that hls.js uses for everything. */
  get loader(): HlsConfig['loader'] {
    const edge = this;
    return class implements Loader<LoaderContext> {
      context: LoaderContext | null = null;
      readonly stats: LoaderStats = { aborted: false, retry: 0, loaded: 0, total: 0, chunkCount: 0, bwEstimate: 0, loading: { start: 0, first: 0, end: 0 }, parsing: { start: 0, end: 0 }, buffering: { start: 0, first: 0, end: 0 } };
      #end = (): void => undefined;

      load(context: LoaderContext, _: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>): void {
        this.context = context;
        this.stats.loading.start = performance.now();
        const query = new URL(context.url).searchParams;
        const [msn, part] = [Number(query.get('_HLS_msn')), Number(query.get('_HLS_part'))];
        const isMedia = context.url.includes('v720');
        if (isMedia) edge.requests++;
        const look = (): void => {
          const { playlist } = edge;
          if (playlist === undefined) return;
          const newest = lastPart(playlist);
          if (isMedia && (newest.msn < msn || (newest.msn === msn && newest.index < part))) return;
          this.#end();
          this.stats.loading.first = this.stats.loading.end = performance.now();
          callbacks.onSuccess({ url: context.url, data: isMedia ? renderPlaylist(playlist, query.has('_HLS_skip')) : multivariant, code: 200 }, this.stats, context, null);
        };
        edge.#parked.add(look);
        this.#end = () => void edge.#parked.delete(look);
        queueMicrotask(look);
      }

      abort(): void {
        this.#end();
      }

      destroy(): void {
        this.#end();
      }
    };
  }
}

/** What playback takes from a playlist. */
function essence(details: LevelDetails) {
  const time = (seconds: number): number => Math.round(seconds * 1e3);
  const start = details.fragments[0]?.start ?? 0;
  const fragments = [...details.fragments, ...(details.fragmentHint === undefined ? [] : [details.fragmentHint])].map((f) => ({
    sn: f.sn, cc: f.cc, start: time(f.start - start), duration: time(f.duration), clock: f.programDateTime, gap: f.gap === true, url: f.relurl, init: f.gap === true ? undefined : f.initSegment?.relurl,
  }));
  const parts = details.partList?.map((p) => ({ sn: p.fragment.sn, index: p.index, start: time(p.start - start), duration: time(p.duration), independent: p.independent, gap: p.gap, url: p.relurl }));
  const { startSN, endSN, startCC, endCC, live, partTarget, targetduration, partHoldBack, canBlockReload, canSkipUntil, lastPartSn, lastPartIndex } = details;
  return { fragments, parts, startSN, endSN, startCC, endCC, live, partTarget, targetduration, partHoldBack, canBlockReload, canSkipUntil, lastPartSn, lastPartIndex };
}

/** Plays a scenario's playlists with hls.js; gives what it knew after each step, and how often it asked the edge. */
async function follow(steps: readonly Step[], isWriting: boolean) {
  const edge = new Edge();
  const book = new PlaylistBook('live/demo');
  const hls = new Hls({ loader: edge.loader, lowLatencyMode: true, ...(isWriting ? { pLoader: createPlaylistLoader(book) as unknown as NonNullable<HlsConfig['pLoader']> } : {}) });
  let newest: LevelDetails | undefined;
  const failures: string[] = [];
  hls.on(Events.LEVEL_UPDATED, (_, { details }) => void (newest = details));
  hls.on(Events.ERROR, (_, { details }) => failures.push(details));
  const seen: ReturnType<typeof essence>[] = [];
  let playlist: MediaPlaylist | undefined;
  for (const step of steps) {
    const part = facts(step);
    const grown: MediaPlaylist | undefined = step.text !== undefined ? parsePlaylist(step.text, playlist) : playlist === undefined ? undefined : withPart(playlist, part);
    if (grown === undefined) continue;
    playlist = grown;
    // The viewer has the header; a plain player, or one that needs the edge, gets its answer.
    if (isWriting) book.note('v720', part);
    if (!isWriting || step.text !== undefined) edge.show(playlist);
    if (seen.length === 0) hls.loadSource(`${base}index.m3u8`);
    await vi.waitFor(() => {
      if (newest?.lastPartSn !== part.msn || newest.lastPartIndex !== part.index) throw new Error(`not at ${part.msn}.${part.index}`);
    }, { interval: 2, timeout: 5000 });
    if (newest !== undefined) seen.push(essence(newest));
  }
  hls.destroy();
  return { seen, failures, requests: edge.requests };
}

describe('hls.js', () => {
  // After a hole or a restart hls.js is asked for what it does with a new beginning, which is not the playlist's business.
  const names = ['the window slides', 'a stream begins', 'a discontinuity', 'gaps', 'a segment without its end'];

  it.each(scenarios.filter((s) => names.includes(s.name)))('sees the same in both: $name', async ({ steps }) => {
    const [written, loaded] = [await follow(steps, true), await follow(steps, false)];
    expect(written.seen).toHaveLength(loaded.seen.length);
    for (const [i, details] of written.seen.entries()) expect(details).toEqual(loaded.seen[i]);
    expect(written.failures).toEqual([]);
    expect(loaded.requests).toBeGreaterThanOrEqual(loaded.seen.length);
    expect(written.requests).toBeLessThanOrEqual(3);
  });
});
