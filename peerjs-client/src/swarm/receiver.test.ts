import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock, settle } from '../testing/fake-clock.js';
import { fakeSubtle } from '../testing/fake-subtle.js';
import { TestOrigin, type MadePart } from '../testing/test-origin.js';
import type { ChunkFrame } from '../wire/peer-frames.js';
import { garbage, seeded } from '../wire/testing.js';
import { Verifier } from '../wire/verifier.js';
import type { CatalogTrack } from './catalog.js';
import { ByteCounters } from './counters.js';
import { Receiver, type Sender } from './receiver.js';
import { TrackParts } from './track-parts.js';

const track: CatalogTrack = { number: 1, name: 'v', kind: 'video', bitrate: 1_000_000, slices: 2 };
const origin = new TestOrigin();
const alice: Sender = { id: 'alice', source: 'peer' };
const mallory: Sender = { id: 'mallory', source: 'peer' };

let clock: FakeClock;
let counters: ByteCounters;
let parts: TrackParts;
let receiver: Receiver;
let log: string[];

beforeEach(async () => {
  clock = new FakeClock();
  counters = new ByteCounters();
  parts = new TrackParts(track);
  log = [];
  const verifier = await Verifier.create(origin.key, fakeSubtle);
  receiver = new Receiver({
    clock, counters, stream: 'live/demo', partMs: () => 333, verifier: () => verifier, trackOf: (n) => (n === 1 ? parts : undefined),
    events: {
      onHeader: (entry) => log.push(`header ${entry.id.index}`),
      onWant: (id, _, part) => log.push(`want ${part.index} ${id}`),
      onChunk: (_, chunk, sender, isFresh) => log.push(`${isFresh ? '' : 'old '}chunk ${chunk} ${sender.id}`),
      onBad: (sender, _, chunk) => log.push(`bad ${chunk} ${sender.id}`),
    },
  });
});

function chunk(part: MadePart, i: number, sender: Sender, data = part.chunks[i] ?? new Uint8Array(1)): void {
  const frame: ChunkFrame = { type: 'chunk', track: part.track, msn: part.id.msn, index: part.id.index, chunk: i, data };
  receiver.chunk(sender, frame, data);
}

const made = (index = 0, size = 6_000): MadePart => origin.part(track, { msn: 9, index }, size);

describe('what comes in', () => {
  it('waits for its header, and is checked when that is there', async () => {
    const part = made();
    chunk(part, 1, alice);
    chunk(part, 0, mallory, new Uint8Array(part.chunks[0]?.length ?? 0));
    await settle();
    expect([log, receiver.hasSign(1, part.id)]).toEqual([[], true]);
    receiver.header(alice, part.header);
    await settle();
    expect(log).toEqual(['header 0', 'chunk 1 alice', 'bad 0 mallory']);
    chunk(part, 0, alice);
    await settle();
    expect(log.at(-1)).toBe('chunk 0 alice');
    expect(Buffer.compare(parts.find(part.id)?.data ?? Buffer.alloc(0), part.bytes)).toBe(0);
    expect(counters.rejectedBytes).toBe(part.chunks[0]?.length);
  });

  it('is forgotten when no header comes for one part', async () => {
    const part = made();
    chunk(part, 0, alice);
    await clock.advance(333);
    receiver.tick(clock.now());
    expect(receiver.hasSign(1, part.id)).toBe(true);
    await clock.advance(1);
    receiver.tick(clock.now());
    expect(receiver.hasSign(1, part.id)).toBe(false);
    expect(counters.duplicateBytes).toBe(part.chunks[0]?.length);
  });

  it('never fills the memory without a header', () => {
    for (let index = 0; index < 500; index++) {
      for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
        receiver.chunk({ id, source: 'peer' }, { type: 'chunk', track: 1, msn: 9, index, chunk: 0, data: new Uint8Array(16_000) }, new Uint8Array(16_000));
      }
    }
    const held = (500 * 6 * 16_000 - counters.duplicateBytes);
    expect(held).toBeLessThanOrEqual(4 << 20);
    expect(held).toBeGreaterThan(3 << 20);
  });

  it('is taken once: a copy on the way and a copy later are duplicates', async () => {
    const part = made();
    receiver.header(alice, part.header);
    await settle();
    fakeSubtle.digestCalls = 0;
    chunk(part, 0, alice);
    chunk(part, 0, mallory);
    await settle();
    chunk(part, 0, mallory);
    await settle();
    expect(log).toEqual(['header 0', 'chunk 0 alice', 'old chunk 0 mallory']);
    expect(counters.duplicateBytes).toBe(2 * (part.chunks[0]?.length ?? 0));
    expect(fakeSubtle.digestCalls).toBe(1);
  });

  it('is not fooled by a forged header that comes first', async () => {
    const part = made();
    const forged = part.header.slice();
    forged[40] = (forged[40] ?? 0) ^ 1; // in the hashes: the shape is the same
    receiver.header(mallory, forged);
    receiver.header(alice, part.header);
    chunk(part, 0, alice);
    await settle();
    expect(log).toEqual(['bad -1 mallory', 'header 0', 'chunk 0 alice']);
    expect(counters.rejectedBytes).toBe(forged.length);
  });

  it('is ignored for another stream, an unknown track or a part that is over', async () => {
    const other = new TestOrigin('live/other').part(track, { msn: 9, index: 0 }, 5_000);
    receiver.header(alice, other.header);
    receiver.header(alice, origin.part({ ...track, number: 7 }, { msn: 9, index: 0 }, 5_000).header);
    const old = made(1);
    parts.ensure({ msn: 9, index: 2 }, clock.now());
    parts.evict(clock.now() + 60_000, () => false);
    receiver.header(alice, old.header);
    chunk({ ...old, track: 7 }, 0, alice);
    await settle();
    expect(log).toEqual([]);
    expect(parts.all.length).toBe(0);
  });

  it('by HTTP is checked chunk by chunk', async () => {
    const part = made(0, 40_000);
    receiver.header(alice, part.header);
    await settle();
    const entry = parts.find(part.id);
    if (entry === undefined) throw new Error('no entry');
    const size = part.chunks[0]?.length ?? 0;
    expect(await receiver.range(entry, 1, part.bytes.slice(size, 3 * size))).toBe(true);
    expect([0, 1, 2, 3].map((i) => entry.have?.has(i))).toEqual([false, true, true, false]);
    expect(await receiver.range(entry, 0, new Uint8Array(size))).toBe(false);
    expect(entry.have?.has(0)).toBe(false);
    expect(await receiver.range(entry, 0, part.bytes)).toBe(true);
    expect(entry.isComplete).toBe(true);
    expect(entry.bytes).toEqual({ peer: 0, feed: 0, edge: 40_000 });
  });

  it('as garbage harms nothing', async () => {
    const random = seeded(9);
    const part = made();
    for (let i = 0; i < 500; i++) {
      receiver.header(mallory, garbage(random, 300, [part.header]));
      const data = garbage(random, 200, []);
      if (data.length > 0) chunk(part, Math.floor(random() * 4), mallory, data);
      if (i % 50 === 0) await settle();
    }
    receiver.header(alice, part.header);
    await settle();
    part.chunks.forEach((_, i) => chunk(part, i, alice));
    await settle();
    expect(parts.find(part.id)?.isComplete).toBe(true);
    expect(Buffer.compare(parts.find(part.id)?.data ?? Buffer.alloc(0), part.bytes)).toBe(0);
    receiver.close();
  });
});
