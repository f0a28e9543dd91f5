import { describe, expect, it } from 'vitest';
import { Pace } from './pace';

const part = { size: 62_500, mediaSeconds: 1 / 3 };

/** Parts of a third of a second whose transfers take `took(n)` ms and end `apart` ms after each other. */
function feed(pace: Pace, n: number, apart: number, took: (n: number) => number, from = 0) {
  return Array.from({ length: n }, (_, i) => {
    const end = (from + i) * apart;
    const at = from + i;
    return pace.note('v720', { msn: 100 + Math.floor(at / 6), index: at % 6 }, { ...part, firstByte: end - took(i), end });
  });
}

describe('Pace', () => {
  it('is kept by parts that take long but end at the pace of the encoder', () => {
    const verdicts = feed(new Pace(), 60, 333, () => 600);
    expect(verdicts.every((v) => !v.isBehind && v.rate === undefined)).toBe(true);
  });

  it('is lost when parts end further apart than they last: the third tells the rate of the line', () => {
    const verdicts = feed(new Pace(), 5, 417, () => 417); // 62,500 bytes in 417 ms: 1.2 Mbit/s
    expect(verdicts.map((v) => v.isBehind)).toEqual([false, true, true, true, true]);
    expect(verdicts.map((v) => v.rate !== undefined)).toEqual([false, false, false, true, true]);
    expect(verdicts[3]?.rate).toBeCloseTo(1.2e6, -4);
  });

  it('forgives a hiccup, and quick parts after a pause of the encoder', () => {
    const pace = new Pace();
    expect(feed(pace, 3, 500, () => 450).at(-1)?.rate).toBeUndefined();
    expect(feed(pace, 1, 333, () => 40, 3)[0]?.isBehind).toBe(false);
    expect(feed(new Pace(), 10, 900, () => 40).every((v) => !v.isBehind)).toBe(true);
  });

  it('compares parts of one track that follow each other only', () => {
    const pace = new Pace();
    const slow = (track: string, index: number, end: number) => pace.note(track, { msn: 1, index }, { ...part, firstByte: end - 900, end });
    slow('v720', 0, 1000);
    expect(slow('v720', 2, 2000).isBehind).toBe(false); // one by HTTP lay between
    expect(slow('a128', 3, 3000).isBehind).toBe(false);
    expect(slow('v720', 3, 3000).isBehind).toBe(true);
  });
});
