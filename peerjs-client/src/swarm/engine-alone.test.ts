import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../testing/world.js';

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
    await w.clock.advance(400);
    expect(answered).toBeGreaterThan(100);
    expect(answered).toBeLessThanOrEqual(180);
    answered = 0;
    const soon = w.clock.now();
    void engine.loadPart('v', { msn: 999, index: 1 }, { deadline: soon }).then(() => void (answered = w.clock.now() - soon + 1));
    await w.clock.advance(1);
    expect(answered).toBe(1);
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
