import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeSubtle } from '../testing/fake-subtle.js';
import { World, type Played } from '../testing/world.js';
import { FrameType, parseFrame } from '../wire/peer-frames.js';
import { UPLINK_START } from './uplink.js';

let w: World;

beforeEach(() => {
  w = new World();
});

afterEach(() => w.close());

const shareOf = (played: readonly Played[]): number => {
  const all = played.flatMap((p) => p.results);
  const peer = all.reduce((sum, r) => sum + (r?.bytes.peer ?? 0), 0);
  return peer / all.reduce((sum, r) => sum + (r === undefined ? 0 : r.data.length), 0);
};

describe('a swarm of three', () => {
  it('takes each byte from the edge once, and the rest from each other', async () => {
    await w.swarmOfThree();
    const fed = w.edge.feedBytes;
    const played = await w.play(12);
    expect(played.every((p) => p.results.every((r) => r !== undefined))).toBe(true);
    expect(shareOf(played)).toBeCloseTo(2 / 3, 2);
    const once = [...w.edge.parts.values()].slice(-24).reduce((sum, p) => sum + p.bytes.length, 0);
    expect(w.edge.feedBytes - fed).toBe(once);
    expect(Math.max(...played.flatMap((p) => p.waits))).toBeLessThan(100); // less once the uplinks are measured
    for (const engine of w.engines) {
      const s = engine.stats();
      expect(s).toMatchObject({ state: 'swarm', trackerConnected: true, feedState: 'ready', banned: [] });
      expect(s.counters).toMatchObject({ rejectedBytes: 0, connectFailures: 0 });
      expect(s.counters.duplicateBytes).toBeLessThan(0.02 * s.counters.peerBytes + 70_000);
      expect(s.neighbours.map((n) => n.state)).toEqual(['ready', 'ready']);
    }
  });

  it('computes one digest a chunk', async () => {
    await w.swarmOfThree();
    fakeSubtle.digestCalls = 0;
    await w.play(6);
    const chunks = [...w.edge.parts.values()].slice(-12).reduce((sum, p) => sum + p.chunks.length, 0);
    expect(fakeSubtle.digestCalls).toBe(3 * chunks);
  });

  it('counts what the tracker gets told: the sides agree', async () => {
    await w.swarmOfThree();
    await w.play(9);
    const sum = (key: 'feedBytes' | 'httpBytes' | 'peerBytes' | 'sentBytes' | 'duplicateBytes'): number => w.engines.reduce((n, e) => n + e.stats().counters[key], 0);
    expect(sum('feedBytes')).toBe(w.edge.feedBytes);
    expect(sum('httpBytes')).toBe(w.edge.httpBytes);
    // Of what peers sent, everything was played or of no use.
    expect(sum('peerBytes') + sum('duplicateBytes')).toBeGreaterThanOrEqual(sum('sentBytes'));
    const beacon = w.tracker.of('beacon').findLast((m) => m.viewer === 'v1');
    expect(beacon).toMatchObject({ rung: 'v', peers: 2, bufferMs: 1_000 });
    expect(beacon?.uplink).toBeGreaterThan(UPLINK_START); // it grew while parts were passed on
  });

  it('bans who sends altered chunks, reports it, and delivers no altered byte', async () => {
    await w.swarmOfThree((id) => (id === 'v1' ? 'v2' : 'edge'));
    w.network.tamper = (owner, _, data) => {
      if (owner === 'v3' && data[0] === FrameType.chunk) data[data.length - 1] = (data.at(-1) ?? 0) ^ 1;
      return data;
    };
    const played = await w.play(9, w.engines.slice(0, 2));
    expect(played.every((p) => p.results.every((r) => r !== undefined))).toBe(true);
    expect(w.engines.slice(0, 2).map((e) => e.stats().banned)).toEqual([['v3'], ['v3']]);
    expect(w.tracker.of('report').map((m) => m.viewer).sort()).toEqual(['v1', 'v2']);
    expect(w.tracker.of('report')[0]).toMatchObject({ peer: 'v3', track: 'v' });
    expect(w.events[2]).toContain('v1 closed');
    expect(w.engines[0]?.stats().neighbours.map((n) => n.id)).toEqual(['v2']);
    // An offer of the banned is not taken any more.
    w.tracker.signal('v1', 'v3', { offer: 'x' });
    await w.clock.advance(100);
    expect(w.engines[0]?.stats().neighbours.map((n) => n.id)).toEqual(['v2']);
  });

  it('goes on without a gap when a parent vanishes without a word', async () => {
    await w.swarmOfThree((id) => (id === 'v1' ? 'v2' : 'edge'));
    w.network.dead.add('v3');
    const played = await w.play(18, w.engines.slice(0, 2));
    const missed = played.flatMap((p) => p.results).filter((r) => r === undefined).length;
    expect(missed).toBeLessThanOrEqual(2);
    expect(Math.max(...played.flatMap((p) => p.waits))).toBeLessThan(880);
    for (const engine of w.engines.slice(0, 2)) expect(engine.stats().sources['v']).not.toContain('v3');
    expect(new Set(w.tracker.of('lost').map((m) => `${m.viewer} ${m.peer}`))).toEqual(new Set(['v1 v3', 'v2 v3', 'v3 v1', 'v3 v2']));
    expect(w.events[0]).toContain('v3 closed');
  });

  it('asks a neighbour that has the part for what a parent failed to push', async () => {
    await w.swarmOfThree((id) => (id === 'v1' ? 'v2' : 'edge'));
    const lost = (owner: string, to: string, data: Uint8Array<ArrayBuffer>): boolean => {
      const frame = parseFrame(data);
      return owner === 'v3' && to === 'v1' && frame?.type === 'chunk' && frame.chunk === 4;
    };
    w.network.drops = lost;
    const http = w.edge.httpBytes;
    const played = await w.play(4);
    expect(played.every((p) => p.results.every((r) => r !== undefined))).toBe(true);
    expect(w.engines[0]?.stats().repairs).toMatchObject({ edgeRequests: 0, peerRequests: 3 }); // the parent is left then
    expect(w.edge.httpBytes).toBe(http);
  });

  it('keeps its peerings when the tracker goes away', async () => {
    await w.swarmOfThree();
    w.hub.servers.delete('/tracker');
    for (const socket of w.tracker.viewers.values()) socket.close();
    const played = await w.play(9);
    expect(shareOf(played)).toBeCloseTo(2 / 3, 2);
    expect(w.engines[0]?.stats().trackerConnected).toBe(false);
  });

  it('drops a neighbour that is no longer paired, after a linger', async () => {
    await w.swarmOfThree();
    w.tracker.assign('v1', { tracks: [{ name: 'v', slices: [0, 1, 2].map((slice) => ({ slice, parent: 'edge', backup: 'edge' })) }, { name: 'a', slices: [{ slice: 0, parent: 'edge', backup: 'edge' }] }], children: [], peers: ['v2'] });
    await w.clock.advance(1_500);
    expect(w.engines[0]?.stats().neighbours.map((n) => n.id)).toEqual(['v2', 'v3']);
    await w.clock.advance(1_000);
    expect(w.engines[0]?.stats().neighbours.map((n) => n.id)).toEqual(['v2']);
    // An agreed end is no fault of the pair.
    expect(w.tracker.of('lost')).toEqual([]);
  });

  it('changes the track on the connections it has', async () => {
    await w.swarmOfThree();
    const made = w.network.all.size;
    for (const engine of w.engines) engine.setTracks(['a']);
    await w.clock.advance(100);
    expect(w.tracker.of('tracks').length).toBe(3);
    for (const id of ['v1', 'v2', 'v3']) {
      const peers = ['v1', 'v2', 'v3'].filter((p) => p !== id);
      w.tracker.assign(id, { tracks: [{ name: 'a', slices: [{ slice: 0, parent: id === 'v1' ? 'edge' : 'v1', backup: 'edge' }] }], children: peers, peers });
    }
    await w.clock.advance(100);
    expect(w.engines[1]?.stats().sources).toEqual({ a: ['v1'] });
    const sent = w.engines.map((e) => e.stats().counters.sentBytes);
    await w.play(3);
    const audioBytes = [...w.edge.parts.values()].filter((p) => p.track === 2).slice(-3).reduce((n, p) => n + p.bytes.length, 0);
    expect(w.engines.map((e, i) => e.stats().counters.sentBytes - (sent[i] ?? 0))).toEqual([2 * audioBytes, 0, 0]);
    expect(w.network.all.size).toBe(made);
  });

  it('resolves offers from both sides to one connection', async () => {
    await w.swarmOfThree();
    expect(w.network.open('v1')).toBe(2);
    expect(w.network.open('v2')).toBe(2);
  });
});
