import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../testing/world.js';
import { comparePart } from './part-id.js';

let w: World;

beforeEach(() => {
  w = new World();
});

afterEach(() => w.close());

describe('one viewer', () => {
  it('lives from the feed while there is no tracker', async () => {
    w.hub.servers.delete('/tracker');
    const engine = w.join();
    await w.clock.advance(500);
    const [played] = await w.play(6);
    expect(played?.results.every((r) => r?.source === 'feed')).toBe(true);
    expect(engine.stats()).toMatchObject({ state: 'feed', reason: 'the tracker is awaited' });
    expect(w.edge.httpBytes).toBe(0);
  });

  it('repairs by byte range only what the feed did not bring', async () => {
    const engine = w.join();
    await w.clock.advance(500);
    await w.play(2);
    w.edge.drops = (part, chunk) => part.track === 1 && (chunk === 1 || chunk === 2 || chunk === 5);
    const [played] = await w.play(1);
    const [part] = [...w.edge.parts.values()].slice(-2);
    const size = (chunk: number): number => part?.chunks[chunk]?.length ?? 0;
    expect(played?.results.find((r) => r?.source === 'mixed')).toMatchObject({ source: 'mixed', bytes: { edge: size(1) + size(2) + size(5), peer: 0 } });
    expect(w.edge.requests.filter((r) => r.range !== undefined).map((r) => r.range)).toEqual([
      `bytes=${size(0)}-${3 * size(0) - 1}`, `bytes=${5 * size(0)}-${(part?.bytes.length ?? 0) - 1}`,
    ]);
    expect(engine.stats().repairs).toMatchObject({ edgeRequests: 2, peerRequests: 0 });
    expect(engine.stats().counters.httpBytes).toBe(w.edge.httpBytes);
  });

  it('repairs again when the edge fails, and gives the part up in time', async () => {
    let isBroken = false;
    w.join({ fetch: ((input: string, init?: RequestInit) => (isBroken ? Promise.resolve(new Response('', { status: 503 })) : w.edge.fetch(input, init))) as typeof fetch });
    await w.clock.advance(500);
    await w.play(2);
    isBroken = true;
    w.edge.drops = (part, chunk) => part.track === 1 && chunk === 1;
    const [played] = await w.play(1);
    expect(played?.results.map((r) => r?.source)).toEqual(['feed', undefined]);
    expect(Math.max(...played?.waits ?? [])).toBeLessThan(880);
  });

  it('answers at once when nothing can come', async () => {
    const engine = w.join({ feed: false, peers: false });
    await w.clock.advance(500);
    const [played] = await w.play(2);
    expect(played?.results).toEqual([undefined, undefined, undefined, undefined]);
    expect(played?.waits).toEqual([0, 0, 0, 0]);
    expect(engine.stats()).toMatchObject({ state: 'edge-only', reason: 'peers are switched off' });
    expect(engine.stats().counters.httpBytes).toBe(w.edge.httpBytes);
    expect(w.hub.opened.map((o) => new URL(o.url).pathname)).toEqual(['/tracker']);
    expect(w.tracker.of('join')[0]).toMatchObject({ tracks: [], uplink: 0 });
  });

  it.each([
    [{ subtle: undefined }, 'edge-only', 'no WebCrypto: the page is not served over HTTPS'],
    [{ createPeerConnection: undefined }, 'feed', 'no RTCPeerConnection'],
  ] as const)('says why it does not share: %o', async (options, state, reason) => {
    const engine = w.join(options);
    await w.clock.advance(500);
    await w.play(2);
    expect(engine.stats()).toMatchObject({ state, reason });
    expect(w.tracker.of('join')[0]).toMatchObject({ uplink: 0 });
  });

  it('hands a part over to HTTP when there is no sign of it', async () => {
    const engine = w.join();
    await w.clock.advance(500);
    await w.play(1);
    const asked = w.clock.now();
    let answered = 0;
    void engine.loadPart('v', { msn: 999, index: 0 }, { deadline: asked + 5_000 }).then((r) => {
      expect(r).toBeUndefined();
      answered = w.clock.now() - asked;
    });
    await w.clock.advance(1_100);
    expect(answered).toBeGreaterThanOrEqual(1_000); // the patience of so much slack
    expect(answered).toBeLessThanOrEqual(1_025);
    answered = 0;
    const asked2 = w.clock.now();
    void engine.loadPart('v', { msn: 99, index: 5 }, { deadline: asked2 + 5_000 }).then(() => void (answered = w.clock.now() - asked2));
    await w.clock.advance(25);
    expect(answered).toBe(25); // from before the subscription: nobody will push it
    answered = 0;
    const soon = w.clock.now();
    void engine.loadPart('v', { msn: 999, index: 1 }, { deadline: soon }).then(() => void (answered = w.clock.now() - soon + 1));
    await w.clock.advance(1);
    expect(answered).toBe(1);
  });

  it('asks the edge at the last moment for what is missing, and keeps what came', async () => {
    let delay = 0;
    let isStuck = false;
    const slow = (async (input: string, init?: RequestInit) => {
      if (new Headers(init?.headers).has('range')) {
        if (isStuck) await new Promise((_, reject) => init?.signal?.addEventListener('abort', () => reject(new Error('aborted'))));
        await new Promise<void>((resolve) => void w.clock.setTimeout(resolve, delay));
      }
      return w.edge.fetch(input, init);
    }) as typeof fetch;
    const engine = w.join({ fetch: slow });
    await w.clock.advance(500);
    await w.play(2);
    const request = async (deadline: number): Promise<{ source: string | undefined; edge: number; after: number; requested: number }> => {
      const id = w.edge.publish();
      await w.clock.advance(10);
      const started = w.clock.now();
      let requested = 0;
      const result = await engine.loadPart('v', id, { deadline: started + deadline, onRequested: () => void requested++ });
      return { source: result?.source, edge: result?.bytes.edge ?? 0, after: w.clock.now() - started, requested };
    };
    w.edge.drops = (part, chunk) => part.track === 1 && chunk === 5;
    const last = (): number => [...w.edge.parts.values()].filter((p) => p.track === 1).at(-1)?.chunks[5]?.length ?? 0;

    delay = 100;
    const first = request(180);
    await w.clock.advance(1_000);
    expect(await first).toMatchObject({ source: 'mixed', edge: last() });
    expect((await first).after).toBeLessThan(180);

    delay = 400; // longer than the deadline allows: the whole part would take longer still
    const late = request(120);
    await w.clock.advance(1_000);
    expect(await late).toMatchObject({ source: 'mixed', edge: last(), after: 400 });
    expect((await late).requested).toBeGreaterThan(0);

    isStuck = true;
    const stuck = request(120);
    await w.clock.advance(2_000);
    expect(await stuck).toMatchObject({ source: undefined });
    expect((await stuck).after).toBeGreaterThanOrEqual(1_120);
    expect((await stuck).after).toBeLessThanOrEqual(1_145);
  });

  it('counts a chunk that is pushed while it is fetched as a duplicate', async () => {
    let delay = 0;
    const slow = (async (input: string, init?: RequestInit) => {
      await new Promise<void>((resolve) => void w.clock.setTimeout(resolve, delay));
      return w.edge.fetch(input, init);
    }) as typeof fetch;
    const engine = w.join({ fetch: slow });
    await w.clock.advance(500);
    await w.play(2);
    delay = 300;
    w.edge.drops = (part, chunk) => part.track === 1 && chunk >= 4;
    const id = w.edge.publish();
    await w.clock.advance(10);
    const wait = engine.loadPart('v', id, { deadline: w.clock.now() + 150 });
    await w.clock.advance(150);
    expect(engine.stats().counters.duplicateBytes).toBe(0);
    w.edge.push('v', id, 4);
    await w.clock.advance(300);
    const chunk = w.edge.parts.get(`v/${id.msn}.${id.index}`)?.chunks[4]?.length ?? 0;
    expect((await wait)?.source).toBe('mixed');
    expect(engine.stats().counters.duplicateBytes).toBe(chunk);
  });

  it('subscribes to a feed that opens late for what the player has not fetched by then', async () => {
    w.hub.servers.delete('/tracker');
    const engine = w.join();
    await w.clock.advance(500);
    await w.play(2);
    w.hub.delays.set('/feed/live/demo', 2_000);
    w.edge.closeFeeds();
    await w.clock.advance(1_500); // the feed is chosen again, and does not answer yet
    expect(engine.stats().feedState).toBe('connecting');
    let newest = { msn: 0, index: 0 };
    for (let i = 0; i < 4; i++) {
      newest = w.edge.publish();
      for (const name of ['v', 'a']) {
        expect(await engine.loadPart(name, newest, { deadline: w.clock.now() + 900 })).toBeUndefined();
        engine.provide(name, newest, w.edge.bytes(name, newest));
      }
    }
    const before = w.edge.subscriptions.length;
    await w.clock.advance(2_000);
    expect(engine.stats().feedState).toBe('ready');
    const begun = w.edge.subscriptions.slice(before);
    expect(begun.length).toBeGreaterThan(0);
    expect(begun.every((s) => comparePart(s, newest) > 0)).toBe(true);
    const [played] = await w.play(3);
    expect(played?.results.every((r) => r?.source === 'feed')).toBe(true);
    expect(engine.stats().counters.duplicateBytes).toBe(0);
  });

  it('stops waiting when the player aborts, and when it closes', async () => {
    const engine = w.join();
    await w.clock.advance(500);
    await w.play(1);
    const abort = new AbortController();
    const first = engine.loadPart('v', { msn: 999, index: 0 }, { deadline: w.clock.now() + 5_000, signal: abort.signal });
    abort.abort();
    expect(await first).toBeUndefined();
    const second = engine.loadPart('v', { msn: 999, index: 1 }, { deadline: w.clock.now() + 5_000 });
    engine.close();
    expect(await second).toBeUndefined();
    expect(await engine.loadPart('v', { msn: 999, index: 2 }, { deadline: w.clock.now() + 5_000 })).toBeUndefined();
    expect(engine.stats().state).toBe('closed');
  });

  it('leaves a feed that sends altered chunks, and plays on by HTTP', async () => {
    const engine = w.join();
    await w.clock.advance(500);
    await w.play(2);
    w.edge.tamper = (chunk) => {
      chunk[0] = (chunk[0] ?? 0) ^ 1;
      return chunk;
    };
    const [played] = await w.play(3);
    expect(played?.results.length).toBe(6);
    expect(engine.stats().counters.rejectedBytes).toBeGreaterThan(0);
    expect(w.tracker.of('report')).toEqual([]);
    w.edge.tamper = (chunk) => chunk;
    await w.clock.advance(5_000);
    const [later] = await w.play(3);
    expect(later?.results.at(-1)?.source).toBe('feed');
  });

  it('gives a segment whose parts it holds, and forgets old ones', async () => {
    const engine = w.join();
    await w.clock.advance(500);
    await w.play(7);
    const segment = engine.loadSegment('v', 100);
    const whole = Buffer.concat([0, 1, 2, 3, 4, 5].map((index) => w.edge.bytes('v', { msn: 100, index })));
    expect(Buffer.compare(segment?.data ?? Buffer.alloc(0), whole)).toBe(0);
    expect(engine.loadSegment('v', 101)).toBeUndefined();
    expect(engine.loadSegment('x', 100)).toBeUndefined();
    await w.play(60);
    const s = engine.stats();
    expect(s.heldParts).toBeLessThanOrEqual(2 * 42);
    expect(s.heldBytes).toBeLessThan(42 * 70_000);
    expect(engine.loadSegment('v', 100)).toBeUndefined();
  });

  it('comes back when the catalog was not there at first', async () => {
    let calls = 0;
    const engine = w.join({ fetch: ((input: string, init?: RequestInit) => (++calls < 3 ? Promise.reject(new TypeError('offline')) : w.edge.fetch(input, init))) as typeof fetch });
    await w.clock.advance(100);
    expect(engine.stats().state).toBe('starting');
    await w.clock.advance(3_000);
    expect(engine.stats().state).toBe('swarm');
  });
});
