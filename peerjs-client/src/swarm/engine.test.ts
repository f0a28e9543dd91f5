import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.js';
import { FakeNetwork } from '../testing/fake-rtc.js';
import { SocketHub } from '../testing/fake-socket.js';
import { fakeSubtle } from '../testing/fake-subtle.js';
import { TestEdge } from '../testing/test-edge.js';
import { TestTracker } from '../testing/test-tracker.js';
import { FrameType, parseFrame } from '../wire/peer-frames.js';
import type { CatalogTrack } from './catalog.js';
import { SwarmEngine, type EngineOptions, type LoadResult, type PartId } from './engine.js';

const video: CatalogTrack = { number: 1, name: 'v', kind: 'video', bitrate: 1_500_000, slices: 3 };
const audio: CatalogTrack = { number: 2, name: 'a', kind: 'audio', bitrate: 128_000, slices: 1 };
const PART_MS = 333;

let clock: FakeClock;
let hub: SocketHub;
let network: FakeNetwork;
let edge: TestEdge;
let tracker: TestTracker;
let engines: SwarmEngine[];
let events: string[][];

beforeEach(() => {
  clock = new FakeClock();
  hub = new SocketHub(clock);
  network = new FakeNetwork(clock);
  edge = new TestEdge(hub, [video, audio]);
  tracker = new TestTracker(hub, edge.origin.key);
  engines = [];
  events = [];
});

afterEach(async () => {
  for (const engine of engines) engine.close();
  await clock.advance(2_000);
  expect(clock.pending, 'timers left after close()').toBe(0);
  for (let i = 1; i <= engines.length; i++) expect(network.open(`v${i}`), 'connections left after close()').toBe(0);
});

function join(options: Partial<EngineOptions> = {}): SwarmEngine {
  const engine = new SwarmEngine({
    baseUrl: 'http://edge/live/demo/', stream: 'live/demo', clock, fetch: edge.fetch, createSocket: hub.create, subtle: fakeSubtle,
    createPeerConnection: network.factory(`v${engines.length + 1}`), random: () => 0.5, ...options,
  });
  const log: string[] = [];
  engine.on('peer', (e) => log.push(`${e.id} ${e.state}`));
  engine.on('ban', (e) => log.push(`ban ${e.id}`));
  engines.push(engine);
  events.push(log);
  engine.start();
  engine.setTracks(['v', 'a']);
  engine.setBuffer(1);
  return engine;
}

/** Slice s has viewer s as its root and the others as its children, each the other's backup as `backup` says. */
function assignRoots(ids: readonly string[], backup: (id: string, root: string) => string = () => 'edge'): void {
  for (const id of ids) {
    const peers = ids.filter((other) => other !== id);
    const sources = (k: number): { slice: number; parent: string; backup: string }[] => Array.from({ length: k }, (_, slice) => {
      const root = ids[slice % ids.length] ?? '';
      return { slice, parent: root === id ? 'edge' : root, backup: root === id ? 'edge' : backup(id, root) };
    });
    tracker.assign(id, { tracks: [{ name: 'v', slices: sources(3) }, { name: 'a', slices: sources(1) }], children: peers, peers });
  }
}

interface Played { readonly results: (LoadResult | undefined)[]; readonly waits: number[] }

/** Publishes `n` parts in real time; every engine asks for each when it is there, and fetches what it does not get. */
async function play(n: number, only: readonly SwarmEngine[] = engines): Promise<Played[]> {
  const played = only.map((): Played => ({ results: [], waits: [] }));
  for (let i = 0; i < n; i++) {
    const id = edge.publish();
    for (const name of ['v', 'a']) {
      only.forEach((engine, e) => void load(engine, name, id, played[e]));
    }
    await clock.advance(PART_MS);
  }
  await clock.advance(1_000);
  return played;
}

async function load(engine: SwarmEngine, name: string, id: PartId, into: Played | undefined): Promise<void> {
  const started = clock.now();
  const result = await engine.loadPart(name, id, { deadline: started + 900 });
  into?.results.push(result);
  into?.waits.push(clock.now() - started);
  if (result === undefined) {
    const response = await edge.fetch(`http://edge/live/demo/${name}/${id.msn}.${id.index}.m4s`);
    engine.provide(name, id, new Uint8Array(await response.arrayBuffer()));
  } else {
    expect(Buffer.compare(result.data, edge.bytes(name, id)), `${name} ${id.msn}.${id.index} is right`).toBe(0);
    expect(result.bytes.peer + result.bytes.feed + result.bytes.edge).toBe(result.data.length);
  }
}

async function swarmOfThree(backup?: (id: string, root: string) => string): Promise<void> {
  for (let i = 0; i < 3; i++) join();
  await clock.advance(100);
  assignRoots(['v1', 'v2', 'v3'], backup);
  await play(3);
}

const shareOf = (played: readonly Played[]): number => {
  const all = played.flatMap((p) => p.results);
  const peer = all.reduce((sum, r) => sum + (r?.bytes.peer ?? 0), 0);
  return peer / all.reduce((sum, r) => sum + (r === undefined ? 0 : r.data.length), 0);
};

describe('a swarm of three', () => {
  it('takes each byte from the edge once, and the rest from each other', async () => {
    await swarmOfThree();
    const fed = edge.feedBytes;
    const played = await play(12);
    expect(played.every((p) => p.results.every((r) => r !== undefined))).toBe(true);
    expect(shareOf(played)).toBeCloseTo(2 / 3, 2);
    const once = [...edge.parts.values()].slice(-24).reduce((sum, p) => sum + p.bytes.length, 0);
    expect(edge.feedBytes - fed).toBe(once);
    expect(Math.max(...played.flatMap((p) => p.waits))).toBeLessThan(60);
    for (const engine of engines) {
      const s = engine.stats();
      expect(s).toMatchObject({ state: 'swarm', trackerConnected: true, feedState: 'ready', banned: [] });
      expect(s.counters).toMatchObject({ rejectedBytes: 0, connectFailures: 0 });
      expect(s.counters.duplicateBytes).toBeLessThan(0.02 * s.counters.peerBytes + 70_000);
      expect(s.neighbours.map((n) => n.state)).toEqual(['ready', 'ready']);
    }
  });

  it('computes one digest a chunk', async () => {
    await swarmOfThree();
    fakeSubtle.digestCalls = 0;
    await play(6);
    const chunks = [...edge.parts.values()].slice(-12).reduce((sum, p) => sum + p.chunks.length, 0);
    expect(fakeSubtle.digestCalls).toBe(3 * chunks);
  });

  it('counts what the tracker gets told: the sides agree', async () => {
    await swarmOfThree();
    await play(9);
    const sum = (key: 'feedBytes' | 'httpBytes' | 'peerBytes' | 'sentBytes' | 'duplicateBytes'): number => engines.reduce((n, e) => n + e.stats().counters[key], 0);
    expect(sum('feedBytes')).toBe(edge.feedBytes);
    expect(sum('httpBytes')).toBe(edge.httpBytes);
    // Of what peers sent, everything was played or of no use.
    expect(sum('peerBytes') + sum('duplicateBytes')).toBeGreaterThanOrEqual(sum('sentBytes'));
    const beacon = tracker.of('beacon').findLast((m) => m.viewer === 'v1');
    expect(beacon).toMatchObject({ rung: 'v', peers: 2, uplink: 8_000_000, bufferMs: 1_000 });
  });

  it('bans who sends altered chunks, reports it, and delivers no altered byte', async () => {
    await swarmOfThree((id) => (id === 'v1' ? 'v2' : 'edge'));
    network.tamper = (owner, _, data) => {
      if (owner === 'v3' && data[0] === FrameType.chunk) data[data.length - 1] = (data.at(-1) ?? 0) ^ 1;
      return data;
    };
    const played = await play(9, engines.slice(0, 2));
    expect(played.every((p) => p.results.every((r) => r !== undefined))).toBe(true);
    expect(engines.slice(0, 2).map((e) => e.stats().banned)).toEqual([['v3'], ['v3']]);
    expect(tracker.of('report').map((m) => m.viewer).sort()).toEqual(['v1', 'v2']);
    expect(tracker.of('report')[0]).toMatchObject({ peer: 'v3', track: 'v' });
    expect(events[2]).toContain('v1 closed');
    expect(engines[0]?.stats().neighbours.map((n) => n.id)).toEqual(['v2']);
    // An offer of the banned is not taken any more.
    tracker.signal('v1', 'v3', { offer: 'x' });
    await clock.advance(100);
    expect(engines[0]?.stats().neighbours.map((n) => n.id)).toEqual(['v2']);
  });

  it('goes on without a gap when a parent vanishes without a word', async () => {
    await swarmOfThree((id) => (id === 'v1' ? 'v2' : 'edge'));
    network.dead.add('v3');
    const played = await play(18, engines.slice(0, 2));
    const missed = played.flatMap((p) => p.results).filter((r) => r === undefined).length;
    expect(missed).toBeLessThanOrEqual(2);
    expect(Math.max(...played.flatMap((p) => p.waits))).toBeLessThan(880);
    for (const engine of engines.slice(0, 2)) expect(engine.stats().sources['v']).not.toContain('v3');
    expect(new Set(tracker.of('lost').map((m) => `${m.viewer} ${m.peer}`))).toEqual(new Set(['v1 v3', 'v2 v3', 'v3 v1', 'v3 v2']));
    expect(events[0]).toContain('v3 closed');
  });

  it('asks a neighbour that has the part for what a parent failed to push', async () => {
    await swarmOfThree((id) => (id === 'v1' ? 'v2' : 'edge'));
    const lost = (owner: string, to: string, data: Uint8Array<ArrayBuffer>): boolean => {
      const frame = parseFrame(data);
      return owner === 'v3' && to === 'v1' && frame?.type === 'chunk' && frame.chunk === 4;
    };
    network.drops = lost;
    const http = edge.httpBytes;
    const played = await play(4);
    expect(played.every((p) => p.results.every((r) => r !== undefined))).toBe(true);
    expect(engines[0]?.stats().repairs).toMatchObject({ edgeRequests: 0, peerRequests: 4 });
    expect(edge.httpBytes).toBe(http);
  });

  it('keeps its peerings when the tracker goes away', async () => {
    await swarmOfThree();
    hub.servers.delete('/tracker');
    for (const socket of tracker.viewers.values()) socket.close();
    const played = await play(9);
    expect(shareOf(played)).toBeCloseTo(2 / 3, 2);
    expect(engines[0]?.stats().trackerConnected).toBe(false);
  });

  it('drops a neighbour that is no longer paired, after a linger', async () => {
    await swarmOfThree();
    tracker.assign('v1', { tracks: [{ name: 'v', slices: [0, 1, 2].map((slice) => ({ slice, parent: 'edge', backup: 'edge' })) }, { name: 'a', slices: [{ slice: 0, parent: 'edge', backup: 'edge' }] }], children: [], peers: ['v2'] });
    await clock.advance(1_500);
    expect(engines[0]?.stats().neighbours.map((n) => n.id)).toEqual(['v2', 'v3']);
    await clock.advance(1_000);
    expect(engines[0]?.stats().neighbours.map((n) => n.id)).toEqual(['v2']);
    // An agreed end is no fault of the pair.
    expect(tracker.of('lost')).toEqual([]);
  });

  it('changes the track on the connections it has', async () => {
    await swarmOfThree();
    const made = network.all.size;
    for (const engine of engines) engine.setTracks(['a']);
    await clock.advance(100);
    expect(tracker.of('tracks').length).toBe(3);
    for (const id of ['v1', 'v2', 'v3']) {
      const peers = ['v1', 'v2', 'v3'].filter((p) => p !== id);
      tracker.assign(id, { tracks: [{ name: 'a', slices: [{ slice: 0, parent: id === 'v1' ? 'edge' : 'v1', backup: 'edge' }] }], children: peers, peers });
    }
    await clock.advance(100);
    expect(engines[1]?.stats().sources).toEqual({ a: ['v1'] });
    const sent = engines.map((e) => e.stats().counters.sentBytes);
    await play(3);
    const audioBytes = [...edge.parts.values()].filter((p) => p.track === 2).slice(-3).reduce((n, p) => n + p.bytes.length, 0);
    expect(engines.map((e, i) => e.stats().counters.sentBytes - (sent[i] ?? 0))).toEqual([2 * audioBytes, 0, 0]);
    expect(network.all.size).toBe(made);
  });

  it('resolves offers from both sides to one connection', async () => {
    await swarmOfThree();
    expect(network.open('v1')).toBe(2);
    expect(network.open('v2')).toBe(2);
  });
});

describe('one viewer', () => {
  it('lives from the feed while there is no tracker', async () => {
    hub.servers.delete('/tracker');
    const engine = join();
    await clock.advance(500);
    const [played] = await play(6);
    expect(played?.results.every((r) => r?.source === 'feed')).toBe(true);
    expect(engine.stats()).toMatchObject({ state: 'feed', reason: 'the tracker is awaited' });
    expect(edge.httpBytes).toBe(0);
  });

  it('repairs by byte range only what the feed did not bring', async () => {
    const engine = join();
    await clock.advance(500);
    await play(2);
    edge.drops = (part, chunk) => part.track === 1 && (chunk === 1 || chunk === 2 || chunk === 5);
    const [played] = await play(1);
    const [part] = [...edge.parts.values()].slice(-2);
    const size = (chunk: number): number => part?.chunks[chunk]?.length ?? 0;
    expect(played?.results.find((r) => r?.source === 'mixed')).toMatchObject({ source: 'mixed', bytes: { edge: size(1) + size(2) + size(5), peer: 0 } });
    expect(edge.requests.filter((r) => r.range !== undefined).map((r) => r.range)).toEqual([
      `bytes=${size(0)}-${3 * size(0) - 1}`, `bytes=${5 * size(0)}-${(part?.bytes.length ?? 0) - 1}`,
    ]);
    expect(engine.stats().repairs).toMatchObject({ edgeRequests: 2, peerRequests: 0 });
    expect(engine.stats().counters.httpBytes).toBe(edge.httpBytes);
  });

  it('repairs again when the edge fails, and gives the part up in time', async () => {
    let isBroken = false;
    join({ fetch: ((input: string, init?: RequestInit) => (isBroken ? Promise.resolve(new Response('', { status: 503 })) : edge.fetch(input, init))) as typeof fetch });
    await clock.advance(500);
    await play(2);
    isBroken = true;
    edge.drops = (part, chunk) => part.track === 1 && chunk === 1;
    const [played] = await play(1);
    expect(played?.results.map((r) => r?.source)).toEqual(['feed', undefined]);
    expect(Math.max(...played?.waits ?? [])).toBeLessThan(880);
  });

  it('answers at once when nothing can come', async () => {
    const engine = join({ feed: false, peers: false });
    await clock.advance(500);
    const [played] = await play(2);
    expect(played?.results).toEqual([undefined, undefined, undefined, undefined]);
    expect(played?.waits).toEqual([0, 0, 0, 0]);
    expect(engine.stats()).toMatchObject({ state: 'edge-only', reason: 'peers are switched off' });
    expect(engine.stats().counters.httpBytes).toBe(edge.httpBytes);
    expect(hub.opened.map((o) => new URL(o.url).pathname)).toEqual(['/tracker']);
    expect(tracker.of('join')[0]).toMatchObject({ tracks: [], uplink: 0 });
  });

  it.each([
    [{ subtle: undefined }, 'edge-only', 'no WebCrypto: the page is not served over HTTPS'],
    [{ createPeerConnection: undefined }, 'feed', 'no RTCPeerConnection'],
  ] as const)('says why it does not share: %o', async (options, state, reason) => {
    const engine = join(options);
    await clock.advance(500);
    await play(2);
    expect(engine.stats()).toMatchObject({ state, reason });
    expect(tracker.of('join')[0]).toMatchObject({ uplink: 0 });
  });

  it('hands a part over to HTTP when there is no sign of it', async () => {
    const engine = join();
    await clock.advance(500);
    await play(1);
    const asked = clock.now();
    let answered = 0;
    void engine.loadPart('v', { msn: 999, index: 0 }, { deadline: asked + 5_000 }).then((r) => {
      expect(r).toBeUndefined();
      answered = clock.now() - asked;
    });
    await clock.advance(400);
    expect(answered).toBeGreaterThan(100);
    expect(answered).toBeLessThanOrEqual(180);
    answered = 0;
    const soon = clock.now();
    void engine.loadPart('v', { msn: 999, index: 1 }, { deadline: soon }).then(() => void (answered = clock.now() - soon + 1));
    await clock.advance(1);
    expect(answered).toBe(1);
  });

  it('stops waiting when the player aborts, and when it closes', async () => {
    const engine = join();
    await clock.advance(500);
    await play(1);
    const abort = new AbortController();
    const first = engine.loadPart('v', { msn: 999, index: 0 }, { deadline: clock.now() + 5_000, signal: abort.signal });
    abort.abort();
    expect(await first).toBeUndefined();
    const second = engine.loadPart('v', { msn: 999, index: 1 }, { deadline: clock.now() + 5_000 });
    engine.close();
    expect(await second).toBeUndefined();
    expect(await engine.loadPart('v', { msn: 999, index: 2 }, { deadline: clock.now() + 5_000 })).toBeUndefined();
    expect(engine.stats().state).toBe('closed');
  });

  it('leaves a feed that sends altered chunks, and plays on by HTTP', async () => {
    const engine = join();
    await clock.advance(500);
    await play(2);
    edge.tamper = (chunk) => {
      chunk[0] = (chunk[0] ?? 0) ^ 1;
      return chunk;
    };
    const [played] = await play(3);
    expect(played?.results.length).toBe(6);
    expect(engine.stats().counters.rejectedBytes).toBeGreaterThan(0);
    expect(tracker.of('report')).toEqual([]);
    edge.tamper = (chunk) => chunk;
    await clock.advance(5_000);
    const [later] = await play(3);
    expect(later?.results.at(-1)?.source).toBe('feed');
  });

  it('gives a segment whose parts it holds, and forgets old ones', async () => {
    const engine = join();
    await clock.advance(500);
    await play(7);
    const segment = engine.loadSegment('v', 100);
    const whole = Buffer.concat([0, 1, 2, 3, 4, 5].map((index) => edge.bytes('v', { msn: 100, index })));
    expect(Buffer.compare(segment?.data ?? Buffer.alloc(0), whole)).toBe(0);
    expect(engine.loadSegment('v', 101)).toBeUndefined();
    expect(engine.loadSegment('x', 100)).toBeUndefined();
    await play(60);
    const s = engine.stats();
    expect(s.heldParts).toBeLessThanOrEqual(2 * 42);
    expect(s.heldBytes).toBeLessThan(42 * 70_000);
    expect(engine.loadSegment('v', 100)).toBeUndefined();
  });

  it('comes back when the catalog was not there at first', async () => {
    let calls = 0;
    const engine = join({ fetch: ((input: string, init?: RequestInit) => (++calls < 3 ? Promise.reject(new TypeError('offline')) : edge.fetch(input, init))) as typeof fetch });
    await clock.advance(100);
    expect(engine.stats().state).toBe('starting');
    await clock.advance(3_000);
    expect(engine.stats().state).toBe('swarm');
  });
});

describe('two viewers', () => {
  it('a part that one fetched by HTTP serves the other', async () => {
    join();
    join();
    await clock.advance(100);
    const sources = (parent: string): { name: string; slices: { slice: number; parent: string; backup: string }[] }[] => [
      { name: 'v', slices: [0, 1, 2].map((slice) => ({ slice, parent, backup: 'edge' })) },
    ];
    tracker.assign('v1', { tracks: sources('edge'), children: ['v2'], peers: ['v2'] });
    tracker.assign('v2', { tracks: sources('v1'), children: [], peers: ['v1'] });
    await play(3);
    const [first, second] = engines;
    if (first === undefined || second === undefined) throw new Error('two viewers');
    // The feed brings the header and one chunk: the rest comes by the player's HTTP to the first, and from it to the second.
    edge.drops = (part, chunk) => part.track === 1 && chunk > 0;
    const id = edge.publish();
    const wait = second.loadPart('v', id, { deadline: clock.now() + 900 });
    await clock.advance(50);
    first.provide('v', id, edge.bytes('v', id));
    await clock.advance(50);
    const result = await wait;
    expect(result).toMatchObject({ source: 'peer', bytes: { peer: edge.bytes('v', id).length, edge: 0, feed: 0 } });
    expect(Buffer.compare(result?.data ?? Buffer.alloc(0), edge.bytes('v', id))).toBe(0);

    // The same when the header comes after the bytes; altered bytes go nowhere.
    edge.drops = () => false;
    const made = edge.publish();
    const bad = edge.bytes('v', made).slice();
    bad[0] = (bad[0] ?? 0) ^ 1;
    first.provide('v', made, bad);
    await clock.advance(200);
    expect(first.stats().counters.rejectedBytes).toBeGreaterThan(0);
    expect(Buffer.compare((await second.loadPart('v', made, { deadline: clock.now() + 900 }))?.data ?? Buffer.alloc(0), edge.bytes('v', made))).toBe(0);
  });

  it('a viewer without an uplink refuses its children, who take the feed', async () => {
    join({ uplink: 0 });
    join();
    await clock.advance(100);
    const slices = (parent: string): { slice: number; parent: string; backup: string }[] => [0, 1, 2].map((slice) => ({ slice, parent, backup: 'edge' }));
    tracker.assign('v1', { tracks: [{ name: 'v', slices: slices('edge') }], children: ['v2'], peers: ['v2'] });
    tracker.assign('v2', { tracks: [{ name: 'v', slices: slices('v1') }], children: [], peers: ['v1'] });
    const played = await play(6);
    expect(engines[0]?.stats().counters.sentBytes).toBe(0);
    expect(engines[1]?.stats().sources['v']).toEqual(['edge', 'edge', 'edge']);
    expect(played[1]?.results.slice(4).every((r) => r?.source === 'feed')).toBe(true);
  });

  it('a connection that does not come about is told to the tracker', async () => {
    join();
    await clock.advance(100);
    tracker.assign('v1', { tracks: [{ name: 'v', slices: [{ slice: 0, parent: 'ghost', backup: 'edge' }] }], children: [], peers: ['ghost'] });
    await clock.advance(5_500);
    expect(tracker.of('lost')).toMatchObject([{ peer: 'ghost', reason: 'connect-failed' }]);
    expect(engines[0]?.stats().counters.connectFailures).toBe(1);
    expect(engines[0]?.stats().sources['v']?.[0]).toBe('edge');
  });

  it('refuses a connection from somebody it is not paired with', async () => {
    join();
    join();
    await clock.advance(100);
    tracker.assign('v2', { tracks: [{ name: 'v', slices: [{ slice: 0, parent: 'v1', backup: 'edge' }] }], children: [], peers: ['v1'] });
    await clock.advance(3_000);
    expect(network.open('v1')).toBe(0);
    expect(engines[0]?.stats().neighbours).toEqual([]);
  });

  it('frames that break the protocol end the connection', async () => {
    join();
    join();
    await clock.advance(100);
    const pair = (me: string, other: string): void => tracker.assign(me, {
      tracks: [{ name: 'v', slices: [{ slice: 0, parent: me === 'v1' ? 'edge' : 'v1', backup: 'edge' }] }], children: [other], peers: [other],
    });
    pair('v1', 'v2');
    pair('v2', 'v1');
    await play(2);
    let seen: number | undefined;
    network.tamper = (owner, _, data) => {
      const frame = parseFrame(data);
      if (owner === 'v1' && frame?.type === 'bye') seen = frame.reason;
      return owner === 'v2' && data[0] === FrameType.have ? data.slice(0, 2) : data;
    };
    await play(2);
    expect(seen).toBe(4);
    expect(tracker.of('lost').length).toBeGreaterThan(0);
  });
});
