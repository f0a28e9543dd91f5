// Where hls.js begins to load, asked of hls.js itself: it picks the first fragment before there is any media.
import { Events } from 'hls.js';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { HlsSession as Session } from './hls-session';

const part = 1 / 3;
const base = 'https://edge.example/live/demo/';

/** A live playlist of whole segments of 2 s, the newest `growing` parts of the next one, and parts of the last 6 s. */
function playlist(segments: number, growing: number): string {
  const began = Date.now() - (segments * 2 + growing * part) * 1000;
  const lines = ['#EXTM3U', '#EXT-X-VERSION:9', '#EXT-X-TARGETDURATION:2', '#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0,HOLD-BACK=6.0,CAN-SKIP-UNTIL=12.0', '#EXT-X-PART-INF:PART-TARGET=0.334', '#EXT-X-MEDIA-SEQUENCE:100', '#EXT-X-MAP:URI="init-1.mp4"'];
  const parts = (msn: number, n: number) => Array.from({ length: n }, (_, i) => `#EXT-X-PART:DURATION=${part.toFixed(5)},URI="${msn}.${i}.m4s"${i === 0 ? ',INDEPENDENT=YES' : ''}`);
  for (let i = 0; i < segments; i++) {
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(began + i * 2000).toISOString()}`);
    if ((segments - 1 - i) * 2 + growing * part < 6) lines.push(...parts(100 + i, 6));
    lines.push('#EXTINF:2.00000,', `${100 + i}.m4s`);
  }
  lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(began + segments * 2000).toISOString()}`, ...parts(100 + segments, growing), `#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${100 + segments}.${growing}.m4s"`);
  return `${lines.join('\n')}\n`;
}

const multivariant = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2500000\nv720/index.m3u8\n';
let media = '';

/** As much of XMLHttpRequest as hls.js's loader uses. Reloads are never answered. */
class Request {
  readyState = 0;
  status = 0;
  responseText = '';
  responseType = '';
  response: string | undefined;
  onreadystatechange: (() => void) | null = null;
  onprogress: (() => void) | null = null;
  #url = '';

  get responseURL(): string {
    return this.#url;
  }

  open(_: string, url: string): void {
    this.#url = url;
    this.readyState = 1;
  }

  send(): void {
    if (this.#url.includes('_HLS_msn') || !this.#url.includes('.m3u8')) return;
    queueMicrotask(() => {
      this.readyState = 4;
      this.status = 200;
      this.response = this.responseText = this.#url.includes('v720') ? media : multivariant;
      this.onreadystatechange?.();
    });
  }

  abort(): void {
    this.onreadystatechange = null;
  }

  setRequestHeader(): void {}

  getResponseHeader(): null {
    return null;
  }

  getAllResponseHeaders(): string {
    return '';
  }
}

let HlsSession: typeof Session;
let session: Session | undefined;

beforeAll(async () => {
  vi.stubGlobal('self', globalThis);
  vi.stubGlobal('location', { href: 'https://page.example/' });
  vi.stubGlobal('XMLHttpRequest', Request);
  vi.stubGlobal('HTMLVideoElement', class {});
  // hls.js counts the time since the playlist came: on a busy machine that would be seen in the distance.
  vi.spyOn(Date, 'now').mockReturnValue(1_800_000_000_000);
  ({ HlsSession } = await import('./hls-session')); // all of hls.js, after what it looks for at its start
}, 60_000);

afterEach(() => session?.destroy());

afterAll(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Where loading begins: seconds from the end of the playlist to what is wanted first, and the media that holds it. */
async function begin(latency: number | undefined, text: string, stream: string | undefined): Promise<{ readonly distance: number; readonly url: string }> {
  media = text;
  const faults: string[] = [];
  const events = { onRungs: () => undefined, onRung: () => undefined, onEnded: () => undefined, onFault: (_: unknown, message: string) => void faults.push(message) };
  session = new HlsSession({ video: new EventTarget() as HTMLVideoElement, playlistUrl: `${base}index.m3u8`, stream, bandwidth: 4e6, latency, events, onSwarmFailure: (error) => void faults.push(String(error)) });
  const { hls } = session;
  // There is no media source here: the fragment is chosen, and its loading announced, all the same.
  hls.config.startFragPrefetch = true;
  let begun: { distance: number; url: string } | undefined;
  hls.on(Events.FRAG_LOADING, (_, { frag, part: first, targetBufferTime }) => {
    if (frag.sn === 'initSegment') return;
    begun ??= { distance: (hls.latestLevelDetails?.edge ?? Number.NaN) - (targetBufferTime ?? Number.NaN), url: first?.relurl ?? frag.relurl ?? '' };
  });
  return vi.waitFor(() => {
    if (begun === undefined) throw new Error(`nothing is loaded: ${faults.join(', ')}`);
    return begun;
  }, { interval: 2, timeout: 20_000 });
}

// Segment 112 grows; parts of the segments from 109 on are listed.
const long = playlist(12, 2);

it.each([
  ['nothing', undefined, 'live/demo', 1 + part, '111.0.m4s'],
  ['nothing of another server', undefined, undefined, 1, '111.0.m4s'],
  ['half a second', 0.5, 'live/demo', 0.5, '112.0.m4s'],
  ['3 s', 3, 'live/demo', 3, '110.0.m4s'],
  ['6 s', 6, 'live/demo', 6, '109.0.m4s'],
  ['6 s of another server', 6, undefined, 6, '109.0.m4s'],
  ['20 s', 20, 'live/demo', 20, '102.m4s'],
])('begins in the right place for a page that asks for %s', { timeout: 30_000 }, async (_, latency, stream, distance, url) => {
  const begun = await begin(latency, long, stream);
  expect(begun.url).toBe(url);
  expect(begun.distance).toBeCloseTo(distance, 1);
});

it('begins with the oldest media where the playlist holds less than the page asks for', async () => {
  const begun = await begin(6, playlist(2, 1), 'live/demo');
  expect(begun.url).toBe('100.0.m4s');
  expect(begun.distance).toBeCloseTo(4 + part, 1);
});
