import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.js';
import { TestOrigin } from '../testing/test-origin.js';
import { Addresses } from './addresses.js';
import { browserFamily } from './browser.js';
import { parseCatalog } from './catalog.js';
import { EdgeFetch, HttpRate } from './edge-fetch.js';
import { Emitter } from './emitter.js';
import { Reputation } from './reputation.js';
import { mergeCommands } from './source-commands.js';
import { Ticker } from './ticker.js';

it('addresses follow the stream, behind any prefix', () => {
  const plain = new Addresses('https://edge.example:8443/live/demo/', 'live/demo');
  expect(plain.catalog).toBe('https://edge.example:8443/live/demo/catalog.json');
  expect(plain.part('v720', { msn: 12, index: 3 })).toBe('https://edge.example:8443/live/demo/v720/12.3.m4s');
  expect(plain.feed).toBe('wss://edge.example:8443/feed/live/demo');
  expect(plain.tracker('')).toBe('wss://edge.example:8443/tracker');
  expect(plain.tracker('https://t.example/tracker')).toBe('wss://t.example/tracker');
  expect(plain.tracker('ws://t.example/x')).toBe('ws://t.example/x');
  expect(new Addresses('http://cdn/a/b/live/demo', 'live/demo').feed).toBe('ws://cdn/a/b/feed/live/demo');
});

it('a catalog is read with either base64, and refused without a key or track', () => {
  const origin = new TestOrigin();
  const tracks = [{ number: 1, name: 'v', kind: 'video' as const, bitrate: 5, slices: 2 }];
  const good = origin.catalog(tracks) as Record<string, unknown>;
  expect(parseCatalog(good)).toMatchObject({ tracks, partMs: 333, segmentMs: 2_000, tracker: '' });
  const standard = Buffer.from(origin.key).toString('base64');
  expect(parseCatalog({ ...good, key: standard })?.key).toEqual(origin.key);
  for (const bad of [null, 3, {}, { ...good, key: 'AAAA' }, { ...good, key: 7 }, { ...good, tracks: [] }, { ...good, tracks: [{ number: 300, name: 'v', slices: 1 }] },
    { ...good, tracks: [{ number: 1, name: 'v', slices: 0 }] }, { ...good, tracks: 'v' }]) {
    expect(parseCatalog(bad)).toBeUndefined();
  }
});

describe('fetches from the edge', () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
  const answer = (status: number, body: Uint8Array<ArrayBuffer>): typeof fetch => () => Promise.resolve(new Response(body, { status }));
  const range = (fetch: typeof globalThis.fetch, clock = new FakeClock()): Promise<Uint8Array | undefined> => (
    new EdgeFetch({ clock, fetch, rate: new HttpRate() }).range('http://x/', 10, 20, new AbortController().signal));

  it('take a range, or cut it out of a whole part', async () => {
    expect(await range(answer(206, bytes.slice(10, 20)))).toEqual(bytes.slice(10, 20));
    expect(await range(answer(200, bytes))).toEqual(bytes.slice(10, 20));
  });

  it('give nothing for a failure, a short answer or no answer', async () => {
    expect(await range(answer(404, bytes))).toBeUndefined();
    expect(await range(answer(206, bytes.slice(10, 19)))).toBeUndefined();
    expect(await range(() => Promise.reject(new TypeError('network')))).toBeUndefined();
    const clock = new FakeClock();
    const waiting = range((_, init) => new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(new Error('aborted')))), clock);
    await clock.advance(3_000);
    expect(await waiting).toBeUndefined();
    expect(clock.pending).toBe(0);
  });

  it('leave time by the measured rate, never less than 150 ms', () => {
    const rate = new HttpRate();
    const slow = rate.reserveMs(100_000);
    for (let i = 0; i < 20; i++) rate.note(1_000_000, 20, 120);
    expect(rate.reserveMs(100_000)).toBeLessThan(slow);
    expect(rate.reserveMs(0)).toBe(150);
    for (let i = 0; i < 20; i++) rate.note(100, 400, 400);
    expect(rate.reserveMs(0)).toBeGreaterThan(700);
  });

  it('recover from slow samples faster than they fall for them', () => {
    const rate = new HttpRate();
    for (let i = 0; i < 8; i++) rate.note(100_000, 20, 30);
    const usual = rate.reserveMs(100_000);
    rate.note(100_000, 1_000, 3_000); // the page was busy
    const worse = rate.reserveMs(100_000);
    rate.note(100_000, 20, 30);
    expect(worse).toBeGreaterThan(usual);
    expect(rate.reserveMs(100_000) - usual).toBeLessThan((worse - usual) / 1.9);
  });
});

it('a listener that throws disturbs nobody', async () => {
  const emitter = new Emitter<{ a: number }>();
  const seen: number[] = [];
  const uncaught: unknown[] = [];
  const catcher = (error: unknown): void => void uncaught.push(error);
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', catcher);
  try {
    emitter.on('a', () => {
      throw new Error('page');
    });
    const off = emitter.on('a', (n) => seen.push(n));
    emitter.emit('a', 1);
    off();
    emitter.emit('a', 2);
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off('uncaughtException', catcher);
    for (const listener of others) process.on('uncaughtException', listener);
  }
  expect(seen).toEqual([1]);
  expect(uncaught.map(String)).toEqual(['Error: page', 'Error: page']);
});

it('what is held against a neighbour stays when it goes, and only that', () => {
  const book = new Reputation();
  book.of('a').broke(0);
  book.forget('a');
  book.of('a').broke(0);
  expect(book.of('a').isDoubted(1)).toBe(false);
  book.of('b').strike(0);
  book.forget('b');
  expect(book.of('b').strike(1).avoidMs).toBe(4_000);
});

it('commands are merged, but not across one that undoes them', () => {
  const from = { msn: 1, index: 0 };
  const c = (kind: 'subscribe' | 'unsubscribe', id: string, slice: number): { kind: 'subscribe' | 'unsubscribe'; id: string; slice: number; from: { msn: number; index: number } } => ({ kind, id, slice, from });
  expect(mergeCommands([c('unsubscribe', 'a', 0), c('subscribe', 'b', 0), c('unsubscribe', 'a', 1), c('subscribe', 'b', 1)]).map((m) => [m.kind, m.id, m.mask])).toEqual([
    ['unsubscribe', 'a', 3], ['subscribe', 'b', 3],
  ]);
  expect(mergeCommands([c('subscribe', 'a', 0), c('unsubscribe', 'a', 1), c('subscribe', 'a', 1)]).map((m) => [m.kind, m.mask])).toEqual([
    ['subscribe', 1], ['unsubscribe', 2], ['subscribe', 2],
  ]);
});

it('the ticker judges nobody right after a starved moment, and outlives a fault', async () => {
  const clock = new FakeClock();
  const at: number[] = [];
  const ticker = new Ticker(clock, (now) => {
    at.push(now - 1_000);
    return 50;
  });
  ticker.within(0);
  await clock.advance(100);
  ticker.within(10);
  await clock.advance(10);
  expect(at).toEqual([0, 50, 100, 110]);
  ticker.stop();
  await clock.advance(500);
  expect([at.length, clock.pending]).toEqual([4, 0]);
});

it('browser families', () => {
  expect(browserFamily('Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36')).toBe('chromium');
  expect(browserFamily('Mozilla/5.0 (X11; rv:153.0) Gecko/20100101 Firefox/153.0')).toBe('firefox');
  expect(browserFamily('Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15')).toBe('safari');
  expect(browserFamily('')).toBe('other');
});
