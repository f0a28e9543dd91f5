import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SwarmEngine } from '../swarm/engine.js';
import { encodeChunk, encodeFrame, NO_HEADERS } from '../wire/peer-frames.js';
import { census, grown, type Census } from './census.js';
import { World } from './world.js';

const MIB = 1 << 20;
const VIDEO = 1;

let w: World;

beforeEach(() => {
  w = new World();
});

afterEach(() => w.close());

const count = (engine: SwarmEngine): Census => census(engine, [w, w.clock, w.hub, w.network, w.edge, w.tracker]);

/** The data channels of `owner`, to send on past its engine. */
function channelsOf(owner: string, label: string): readonly { send(data: Uint8Array<ArrayBuffer>): void; bufferedAmount: number; onbufferedamountlow: (() => void) | null }[] {
  return [...w.network.all.values()].filter((pc) => pc.owner === owner && pc.connectionState === 'connected')
    .map((pc) => pc.channel(label)).filter((channel) => channel !== undefined);
}

/** One viewer with as many paired neighbours as asked for; all of them connected, none a parent. */
async function withNeighbours(n: number): Promise<SwarmEngine> {
  const [victim] = Array.from({ length: n + 1 }, () => w.join());
  if (victim === undefined) throw new Error('nobody joined');
  await w.clock.advance(100);
  const others = Array.from({ length: n }, (_, i) => `v${i + 2}`);
  const edge = (k: number): { slice: number; parent: string; backup: string }[] => Array.from({ length: k }, (_, slice) => ({ slice, parent: 'edge', backup: 'edge' }));
  const tracks = [{ name: 'v', slices: edge(3) }, { name: 'a', slices: edge(1) }];
  w.tracker.assign('v1', { tracks, children: others, peers: others });
  for (const id of others) {
    w.tracker.assign(id, { tracks: [{ name: 'v', slices: edge(3).map((s) => ({ ...s, backup: 'v1' })) }, { name: 'a', slices: edge(1) }], children: ['v1'], peers: ['v1'] });
  }
  await w.clock.advance(100);
  await w.play(6);
  expect(victim.stats().neighbours.length).toBe(n);
  return victim;
}

describe('a flood from neighbours', { timeout: 60_000 }, () => {
  it('of chunks without a header is held within 1 MiB a sender and 4 MiB together, for a moment', async () => {
    const victim = await withNeighbours(6);
    const before = count(victim);
    const payload = new Uint8Array(16_384);
    let most = 0;
    for (let round = 0; round < 5; round++) {
      for (let v = 2; v <= 7; v++) {
        for (const channel of channelsOf(`v${v}`, 'chunks')) {
          for (let i = 0; i < 100; i++) channel.send(encodeChunk(VIDEO, 900 + i, round, v, payload));
        }
      }
      await w.clock.advance(20);
      most = Math.max(most, count(victim).bytes - before.bytes);
    }
    // A frame is its payload and a few bytes of what it is.
    expect(most).toBeGreaterThan(3.9 * MIB);
    expect(most).toBeLessThan(4.1 * MIB);
    await w.clock.advance(1_000);
    expect(count(victim).bytes - before.bytes).toBeLessThan(0.1 * MIB);
  });

  it('of announcements, subscriptions, withdrawals and candidates stays within their windows', async () => {
    const victim = await withNeighbours(2);
    const before = count(victim);
    const bitmap = new Uint8Array(1_024).fill(255);
    for (const channel of channelsOf('v2', 'control')) {
      for (let i = 0; i < 1_000; i++) channel.send(encodeFrame({ type: 'have', track: VIDEO, msn: 1_000 + i, index: 0, chunks: 8_192, bitmap }));
      for (let i = 0; i < 600; i++) {
        channel.send(encodeFrame({ type: 'subscribe', track: i % 256, slices: 0xffff, msn: i, index: 0, flags: i % 2 === 0 ? NO_HEADERS : 0 }));
        channel.send(encodeFrame({ type: 'cancel', track: i % 256, msn: i, index: 0, first: 0, count: 10 }));
        channel.send(encodeFrame({ type: 'cancel', track: VIDEO, msn: 100, index: 0, first: 2 * i, count: 1 }));
        channel.send(encodeFrame({ type: 'want', track: VIDEO, msn: i, index: 0 }));
      }
    }
    for (let i = 0; i < 600; i++) {
      w.tracker.signal('v1', `stranger${i}`, { offer: 'x' });
      w.tracker.signal('v1', 'v2', { candidate: `c${i}` });
    }
    await w.clock.advance(200);
    expect(victim.stats().neighbours.length, 'all of it was well-formed').toBe(2);
    const after = count(victim);
    expect(after.bytes - before.bytes).toBeLessThan(0.3 * MIB); // 128 announcements of 1 KiB
    // Announcements of 128 parts, and nothing else that follows the number of frames.
    expect(Object.values(grown(before, after, 16)).every(([, n]) => n <= 300), JSON.stringify(grown(before, after, 16))).toBe(true);
    expect(victim.stats().state).toBe('swarm');
  });

  it('of questions whose answers are not read ends the link', async () => {
    const victim = await withNeighbours(2);
    for (const channel of channelsOf('v1', 'control')) channel.bufferedAmount = MIB + 1;
    for (const channel of channelsOf('v2', 'control')) channel.send(encodeFrame({ type: 'ping', token: new Uint8Array(8) }));
    await w.clock.advance(100);
    expect(victim.stats().neighbours.map((n) => n.id)).not.toContain('v2');
    expect(w.tracker.of('lost')).toContainEqual(expect.objectContaining({ peer: 'v2', reason: 'timeout' }));
  });

  it('of requests waits in a queue of 1,024 chunks a neighbour, for four seconds', async () => {
    const victim = await withNeighbours(2);
    const newest = [...w.edge.parts.keys()].filter((key) => key.startsWith('v/')).at(-1)?.slice(2).split('.') ?? [];
    const [msn, index] = newest.map(Number) as [number, number];
    const sent = victim.stats().counters.sentBytes;
    // The victim's way out is full: what is asked of it has to wait.
    for (const channel of channelsOf('v1', 'chunks')) channel.bufferedAmount = MIB;
    for (const channel of channelsOf('v2', 'control')) {
      for (let i = 0; i < 2_000; i++) channel.send(encodeFrame({ type: 'request', track: VIDEO, msn, index, first: 0, count: 3, deadlineMs: 60_000 }));
    }
    await w.clock.advance(100);
    const queued = [...count(victim).sizes].filter(([path]) => path.endsWith('.queue')).map(([, n]) => n);
    expect(Math.max(...queued)).toBe(1_024);
    await w.clock.advance(4_500);
    for (const channel of channelsOf('v1', 'chunks')) {
      channel.bufferedAmount = 0;
      channel.onbufferedamountlow?.();
    }
    await w.clock.advance(100);
    expect(Math.max(...[...count(victim).sizes].filter(([path]) => path.endsWith('.queue')).map(([, n]) => n))).toBe(0);
    expect(victim.stats().counters.sentBytes - sent).toBeLessThan(0.2 * MIB); // what was too old was not sent
  });

  it('of forged headers ends with the first of them', async () => {
    const victim = await withNeighbours(2);
    const raw = [...w.edge.parts.values()].at(-2)?.header.slice() ?? new Uint8Array();
    for (const channel of channelsOf('v2', 'control')) {
      for (let i = 0; i < 500; i++) {
        const forged = raw.slice();
        forged[forged.length - 1 - (i % 60)] = i & 255; // within the signature
        // Another part each time: the sequence number follows stream name and track number.
        forged[3 + 'live/demo'.length + 1] = i % 120;
        channel.send(encodeFrame({ type: 'header', raw: forged }));
      }
    }
    await w.clock.advance(500);
    expect(victim.stats().banned).toEqual(['v2']);
    const after = count(victim);
    expect([...after.sizes].filter(([path]) => path.includes('checking')).map(([, n]) => n)).toEqual([0]);
  });
});
