// The estimate is tested through hls.js itself: its own ABR controller samples the statistics that the loader fills.
import { Events, type FragBufferedData, type FragLoadedData } from 'hls.js';
import type HlsType from 'hls.js';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { ClimbMemory } from './climb-memory';
import { discountParsing, fillStats, transferTime, type SwarmLoad, type WritableStats } from './load-timing';

let Hls: typeof HlsType;

beforeAll(async () => {
  vi.stubGlobal('self', globalThis);
  Hls = (await import('hls.js')).default;
});

const second = 1000;
const partSize = 62_500; // 1.5 Mbit/s in parts of a third of a second
const part: SwarmLoad = { size: partSize, requested: 0, firstByte: 10_000, end: 10_040, asked: 10_000, mediaSeconds: 1 / 3, isBehind: true, wasHeld: false };

function stats(): WritableStats & { aborted: boolean; retry: number; parsing: { start: number; end: number }; buffering: { start: number; first: number; end: number } } {
  return {
    aborted: false, loaded: 0, retry: 0, total: 0, chunkCount: 0, bwEstimate: 0,
    loading: { start: 0, first: 0, end: 0 }, parsing: { start: 0, end: 0 }, buffering: { start: 0, first: 0, end: 0 },
  };
}

const bitrate = 1_500_000;
const believed = 3 * bitrate;

/** An hls.js instance with the given estimate and 3 ms of parsing after each load. */
class Estimator {
  readonly hls = new Hls({ abrEwmaDefaultEstimate: 4e6, abrEwmaFastLive: 3, abrEwmaSlowLive: 9 });

  /** Lets hls.js sample `n` loads. */
  feed(load: SwarmLoad, n: number, fill: 'ours' | 'naive' = 'ours', most = believed): number {
    for (let i = 0; i < n; i++) {
      const partStats = stats();
      const now = load.end + 1;
      if (fill === 'ours') {
        fillStats(partStats, load, { bandwidth: this.hls.bandwidthEstimate, timeToFirstByte: this.hls.ttfbEstimate, believed: most }, now);
      } else {
        partStats.loading = { start: load.asked, first: load.asked, end: now };
        partStats.loaded = partStats.total = load.size;
      }
      partStats.parsing.end = now + 3;
      const frag = { type: 'main', sn: 5, level: 0, bitrate: 1_500_000, duration: 2, stats: partStats };
      const data = { frag, part: { index: i, duration: load.mediaSeconds, stats: partStats } };
      this.hls.trigger(Events.FRAG_LOADED, data as unknown as FragLoadedData);
      if (fill === 'ours') discountParsing(partStats);
      this.hls.trigger(Events.FRAG_BUFFERED, { ...data, id: 'main', stats: partStats } as unknown as FragBufferedData);
    }
    return this.hls.bandwidthEstimate;
  }
}

describe('bandwidth estimate of hls.js', () => {
  it('is fooled when pushed bytes are told as a load of no time (the reason for this module)', () => {
    const held: SwarmLoad = { ...part, firstByte: 9_900, end: 9_950, asked: 10_000 };
    expect(new Estimator().feed({ ...held, end: 10_000 }, 30, 'naive')).toBeGreaterThan(50e6);
  });

  it('stays where it was while the swarm keeps up at the pace of the encoder', () => {
    const estimator = new Estimator();
    const before = estimator.feed({ ...part, requested: partSize, end: part.firstByte + 50 }, 10); // 10 Mbit/s by HTTP
    const after = estimator.feed({ ...part, firstByte: 9_700, end: 10_000 }, 10_000); // an hour of parts, each trickled in over 300 ms
    expect(before).toBeGreaterThan(8e6);
    expect(after / before).toBeGreaterThan(0.97);
    expect(after / before).toBeLessThan(1.03);
  });

  it('rises to the rate at which a push arrived, however long before the request, up to three times the rung', () => {
    const slow = new Estimator();
    slow.feed({ ...part, requested: partSize, end: part.firstByte + 320 }, 100); // 1.6 Mbit/s
    expect(slow.feed({ ...part, firstByte: 9_700, end: 9_900 }, 200)).toBeGreaterThan(2.4e6); // 2.5 Mbit/s
    expect(slow.feed({ ...part, firstByte: 9_800, end: 9_805 }, 1000)).toBeGreaterThan(4.4e6); // 100 Mbit/s
    expect(slow.feed({ ...part, firstByte: 9_800, end: 9_805 }, 10_000)).toBeLessThan(4.6e6);
  });

  it('is not raised by the part of the bytes that were there before the request', () => {
    // 90 % came early; the rest came 3 ms after the request. The transfer took 100 ms: 5 Mbit/s.
    const estimate = new Estimator().feed({ ...part, firstByte: 9_903, end: 10_003, asked: 10_000 }, 200);
    expect(estimate).toBeLessThan(5.1e6);
  });

  it('falls below the rung when the swarm is slower than real time', () => {
    const estimator = new Estimator();
    estimator.feed({ ...part, requested: partSize, end: part.firstByte + 50 }, 10);
    expect(estimator.feed({ ...part, end: part.firstByte + 500 }, 40)).toBeLessThan(1.5e6);
  });

  it('follows the link, down too, when the bytes were requested from the edge', () => {
    const estimator = new Estimator();
    estimator.feed({ ...part, requested: partSize, end: part.firstByte + 20 }, 20);
    const slow = estimator.feed({ ...part, requested: partSize, end: part.firstByte + 250 }, 60); // 2 Mbit/s, faster than real time
    expect(slow).toBeLessThan(2.6e6);
  });

  it('leaves the time to first byte alone', () => {
    const estimator = new Estimator();
    const before = estimator.hls.ttfbEstimate;
    estimator.feed(part, 50);
    expect(estimator.hls.ttfbEstimate).toBeCloseTo(before, 5);
  });
});

/** Ten minutes of a viewer that takes the rung hls.js would; `load` says how a part of a rung comes. */
function watch(rungs: readonly number[], start: number, load: (bitrate: number, now: number) => SwarmLoad, memory: Pick<ClimbMemory, 'noteFall' | 'believed'>) {
  const estimator = new Estimator();
  const seconds = new Map<number, number>();
  let rung = start;
  let climbs = 0;
  for (let n = 0; n < 1800; n++) {
    const now = n / 3;
    const own = rungs[rung] ?? 0;
    const next = rungs[rung + 1];
    const estimate = estimator.feed(load(own, now * second), 1, 'ours', memory.believed(now, own, next));
    seconds.set(own, (seconds.get(own) ?? 0) + 1 / 3);
    if (next !== undefined && estimate * 0.7 >= next) {
      rung++;
      climbs++;
    } else if (rung > 0 && estimate * 0.95 < own) {
      rung--;
      memory.noteFall(now, own);
    }
  }
  return { climbs, seconds };
}

describe('the rung', () => {
  const rungs = [500_000, 1_500_000, 3_000_000];
  const sizeOf = (bitrate: number) => bitrate / 8 / 3;
  /** Bytes at a rate, the first of them `early` ms before the player asked. */
  const at = (rate: number, early = 50) => (bitrate: number, asked: number): SwarmLoad => {
    const size = sizeOf(bitrate);
    return { size, requested: 0, firstByte: asked - early, end: asked - early + (size * 8 * second) / rate, asked, mediaSeconds: 1 / 3, isBehind: true, wasHeld: false };
  };

  it('is tried now and then, not again and again, where neighbours bring 20 Mbit/s and the line carries 2', () => {
    const [burst, line] = [at(20e6), at(2e6, 0)];
    const load = (bitrate: number, asked: number) => (bitrate > 2e6 ? line : burst)(bitrate, asked);
    const { climbs, seconds } = watch(rungs, 1, load, new ClimbMemory());
    expect(climbs).toBeGreaterThan(0);
    expect(climbs).toBeLessThanOrEqual(5);
    expect(seconds.get(3_000_000)).toBeLessThan(30);
    const forgetful = { believed: new ClimbMemory().believed.bind(new ClimbMemory()), noteFall: () => undefined };
    expect(watch(rungs, 1, load, forgetful).climbs).toBeGreaterThan(4 * climbs); // the reason for the memory
  });

  it('stays where pushes come at the pace of the encoder', () => {
    const paced = (bitrate: number, asked: number) => at(bitrate * 1.15, 290)(bitrate, asked);
    const { seconds } = watch(rungs, 1, paced, new ClimbMemory());
    expect(seconds.get(500_000) ?? 0).toBe(0);
  });

  it('comes back up from the lowest by pushes alone', () => {
    const { seconds } = watch(rungs, 0, at(20e6), new ClimbMemory());
    expect(seconds.get(3_000_000)).toBeGreaterThan(550);
  });
});

describe('transferTime', () => {
  it('does not count the spread of paths against a part that nobody waited for', () => {
    const spread: SwarmLoad = { ...part, firstByte: 9_500, end: 9_990, asked: 10_000 };
    expect(transferTime(spread, { bandwidth: 4e6, believed })).toBeCloseTo((partSize * 8 * second) / 4e6);
    const steady: SwarmLoad = { ...part, end: part.firstByte + 400, isBehind: false };
    expect(transferTime(steady, { bandwidth: 4e6, believed })).toBeCloseTo((partSize * 8 * second) / 4e6);
  });

  it('is neutral for held segments, and finite without an estimate', () => {
    expect(transferTime({ ...part, wasHeld: true, firstByte: 0, end: 2000 }, { bandwidth: 8e6, believed })).toBeCloseTo(62.5);
    expect(transferTime(part, { bandwidth: Number.NaN, believed })).toBe(40);
    expect(transferTime({ ...part, end: part.firstByte }, { bandwidth: 0, believed })).toBe(4);
  });
});
