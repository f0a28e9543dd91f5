import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.js';
import { TestOrigin } from '../testing/test-origin.js';
import type { Bytes } from '../wire/bytes.js';
import { parseFrame, type Frame } from '../wire/peer-frames.js';
import { parsePartHeader } from '../wire/part-header.js';
import type { CatalogTrack } from './catalog.js';
import { ByteCounters } from './counters.js';
import { Link } from './link.js';
import type { PartEntry } from './part-entry.js';
import { TrackParts } from './track-parts.js';
import { Uploader } from './uploader.js';

const track: CatalogTrack = { number: 1, name: 'v', kind: 'video', bitrate: 1_000_000, slices: 2 };
const origin = new TestOrigin();

let clock: FakeClock;
let parts: TrackParts;

/** A link that keeps what it is given. */
class WrittenLink extends Link {
  readonly frames: Frame[] = [];
  isCongested = false;
  bufferedBytes = 0;

  constructor(id: string) {
    super(id, 'peer', {
      clock, stream: 'live/demo', selfId: 'me', counters: new ByteCounters(),
      events: { onReady: () => undefined, onFrame: () => undefined, onEnd: () => undefined, onDrain: () => undefined },
    });
  }

  /** The frames since the last call, as text. */
  read(): string[] {
    return this.frames.splice(0).map((f) => {
      if (f.type === 'chunk') return `chunk ${f.index}/${f.chunk}`;
      if (f.type === 'refuse') return `refuse ${f.reason} ${f.first}+${f.count}`;
      return f.type;
    });
  }

  protected isOpen(): boolean {
    return true;
  }

  protected transmit(message: Bytes): boolean {
    const frame = parseFrame(message);
    if (frame !== undefined) this.frames.push(frame);
    return frame !== undefined;
  }

  protected transmitChunk(message: Bytes): boolean {
    return this.transmit(message);
  }

  protected shut(): void {
    this.frames.length = 0;
  }
}

/** A part of four chunks of which `held` are there. */
function part(index: number, held: readonly number[]): PartEntry {
  const made = origin.part(track, { msn: 5, index }, 40_000);
  const entry = parts.ensure(made.id, clock.now());
  const header = parsePartHeader(made.header);
  if (entry === undefined || header === undefined) throw new Error('no part');
  entry.begin(header, clock.now());
  for (const i of held) entry.put(i, made.chunks[i] ?? new Uint8Array(0), 'peer', clock.now());
  return entry;
}

function uploader(uplink: number): Uploader {
  return new Uploader({ clock, uplink, trackOf: (n) => (n === 1 ? parts : undefined), linkOf: () => undefined });
}

beforeEach(() => {
  clock = new FakeClock();
  parts = new TrackParts(track);
});

describe('uploads', () => {
  it('go to the children of the slice at once, the header first and once, and not back', () => {
    const u = uploader(100e6);
    const [a, b] = [new WrittenLink('a'), new WrittenLink('b')];
    const linkOf = (id: string): Link | undefined => [a, b].find((l) => l.id === id);
    u.subscribe(a, 1, 0b01, { msn: 0, index: 0 }, true);
    u.subscribe(b, 1, 0b11, { msn: 0, index: 0 }, true);
    const entry = part(0, [0, 3]);
    u.forward(entry, 0, 'x', undefined, linkOf);
    u.forward(entry, 3, 'b', undefined, linkOf);
    expect(a.read()).toEqual(['header', 'chunk 0/0']);
    expect(b.read()).toEqual(['header', 'chunk 0/0']);
    entry.put(1, new Uint8Array(10_000), 'peer', 1);
    u.forward(entry, 1, 'x', undefined, linkOf);
    expect(a.read()).toEqual(['chunk 0/1']);
    u.unsubscribe(a, 1, 0b01);
    u.forward(entry, 1, 'x', undefined, linkOf);
    expect([a.read(), b.read()]).toEqual([[], ['chunk 0/1', 'chunk 0/1']]);
    expect(a.sentBytes).toBe(20_000);
    u.close();
  });

  it('begin for a new child with what is there of the parts it names', () => {
    const u = uploader(100e6);
    const a = new WrittenLink('a');
    part(0, [0, 1, 2, 3]);
    part(1, [0, 2]);
    part(2, [1]);
    u.subscribe(a, 1, 0b01, { msn: 5, index: 1 }, true);
    expect(a.read()).toEqual(['header', 'chunk 1/0', 'header', 'chunk 2/1']);
    const b = new WrittenLink('b');
    u.subscribe(b, 1, 0b01, { msn: 0, index: 0 }, true);
    expect(b.read()).toEqual([]);
    u.close();
  });

  it('wait while the buffer of the receiver is full, without holding up others', () => {
    const u = uploader(100e6);
    const [a, b] = [new WrittenLink('a'), new WrittenLink('b')];
    const linkOf = (id: string): Link | undefined => [a, b].find((l) => l.id === id);
    for (const link of [a, b]) u.subscribe(link, 1, 0b11, { msn: 0, index: 0 }, true);
    a.isCongested = true;
    const entry = part(0, [0, 1, 2, 3]);
    for (const i of [0, 1, 2, 3]) u.forward(entry, i, 'x', undefined, linkOf);
    expect([a.read().length, b.read().length]).toEqual([0, 5]);
    a.isCongested = false;
    u.pump();
    expect(a.read().length).toBe(5);
    u.close();
  });

  it('are dropped when they waited longer than the part is of use', async () => {
    const u = uploader(100e6);
    const a = new WrittenLink('a');
    u.subscribe(a, 1, 0b11, { msn: 0, index: 0 }, true);
    a.isCongested = true;
    u.forward(part(0, [0]), 0, 'x', undefined, () => a);
    await clock.advance(1_500);
    a.isCongested = false;
    u.pump();
    expect(a.read()).toEqual([]);
    u.close();
  });

  it('keep to the uplink, in time', async () => {
    const u = uploader(2_000_000);
    const a = new WrittenLink('a');
    u.subscribe(a, 1, 0b11, { msn: 0, index: 0 }, true);
    const entries = Array.from({ length: 8 }, (_, i) => part(i, [0, 1, 2, 3]));
    for (const entry of entries) for (const i of [0, 1, 2, 3]) u.forward(entry, i, 'x', undefined, () => a);
    expect(a.sentBytes).toBeLessThanOrEqual(16_384);
    await clock.advance(1_000);
    expect(a.sentBytes).toBeLessThanOrEqual(16_384 + 250_000);
    expect(a.sentBytes).toBeGreaterThan(240_000);
    await clock.advance(400);
    expect(a.sentBytes).toBe(8 * 40_000);
    u.close();
    expect(clock.pending).toBe(0);
  });

  it.each([2, 3, 4])('are shared by %i children, also when the bucket fills chunk by chunk', async (count) => {
    const u = uploader(3_200_000);
    const links = Array.from({ length: count }, (_, i) => new WrittenLink(`c${i}`));
    for (const link of links) u.subscribe(link, 1, 0b01, { msn: 0, index: 0 }, true);
    for (let i = 0; i < 40; i++) {
      const entry = part(i, [0, 1]);
      for (const c of [0, 1]) u.forward(entry, c, 'x', undefined, (id) => links.find((l) => l.id === id));
    }
    await clock.advance(1_000);
    const sent = links.map((l) => l.sentBytes);
    expect(Math.min(...sent)).toBeGreaterThan(0);
    expect(Math.max(...sent) - Math.min(...sent)).toBeLessThanOrEqual(10_000);
    u.close();
  });

  it('go by deadline: an older part first', async () => {
    const u = uploader(100e6);
    const a = new WrittenLink('a');
    u.subscribe(a, 1, 0b11, { msn: 0, index: 0 }, true);
    a.isCongested = true;
    const entries = [part(0, [0, 1]), part(1, [0]), part(2, [0])] as const;
    for (const i of [1, 2, 0] as const) u.forward(entries[i], 0, 'x', undefined, () => a);
    u.forward(entries[0], 1, 'x', undefined, () => a);
    a.isCongested = false;
    u.pump();
    expect(a.read().filter((f) => f !== 'header')).toEqual(['chunk 0/0', 'chunk 0/1', 'chunk 1/0', 'chunk 2/0']);
    u.close();
  });

  it('follow a rate that changes', async () => {
    const u = uploader(2_000_000);
    const a = new WrittenLink('a');
    u.subscribe(a, 1, 0b11, { msn: 0, index: 0 }, true);
    for (const entry of Array.from({ length: 20 }, (_, i) => part(i, [0, 1, 2, 3]))) {
      for (const i of [0, 1, 2, 3]) u.forward(entry, i, 'x', undefined, () => a);
    }
    await clock.advance(1_000);
    const before = a.sentBytes;
    u.setUplink(400_000);
    await clock.advance(1_000);
    expect(a.sentBytes - before).toBeLessThanOrEqual(16_384 + 50_000);
    u.close();
  });

  it('answer requests with what is there, and refuse the rest', () => {
    const u = uploader(100e6);
    const a = new WrittenLink('a');
    const entry = part(0, [0, 3]);
    const run = { track: 1, msn: 5, index: 0, first: 0, count: 4 };
    u.request(a, run, entry, 500);
    expect(a.read().sort()).toEqual(['chunk 0/0', 'chunk 0/3', 'header', 'refuse 2 1+2']);
    u.request(a, run, undefined, 500);
    expect(a.read()).toEqual(['refuse 2 0+4']);
    a.isCongested = true;
    u.request(a, { ...run, first: 3, count: 1 }, entry, 500);
    u.cancel(a, { ...run, first: 3, count: 1 }, entry);
    a.isCongested = false;
    u.pump();
    expect(a.read()).toEqual([]);
    u.close();
    uploader(0).request(a, run, entry, 500);
    expect(a.read()).toEqual(['refuse 1 0+4']);
  });

  it('refuse who may not subscribe and what is beyond the uplink', () => {
    const u = uploader(700_000); // one slice costs 625 kbit/s
    const a = new WrittenLink('a');
    u.subscribe(a, 1, 0b11, { msn: 0, index: 0 }, false);
    u.subscribe(a, 9, 0b11, { msn: 0, index: 0 }, true);
    u.subscribe(a, 1, 0b11, { msn: 0, index: 0 }, true);
    expect(a.read()).toEqual(['refuse 1 0+3', 'refuse 2 0+3', 'refuse 1 0+2']);
    expect(u.isChild('a', 1)).toBe(true);
    u.close();
  });
});
