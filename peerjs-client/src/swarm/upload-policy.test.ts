import { describe, expect, it } from 'vitest';
import { seeded } from '../wire/testing.js';
import type { CatalogTrack } from './catalog.js';
import { ChildBook, sliceCost, TokenBucket } from './upload-policy.js';

const video: CatalogTrack = { number: 1, name: 'v', kind: 'video', bitrate: 1_600_000, slices: 4 };
const audio: CatalogTrack = { number: 2, name: 'a', kind: 'audio', bitrate: 128_000, slices: 1 };
const trackOf = (n: number): CatalogTrack | undefined => [video, audio].find((t) => t.number === n);

describe('token bucket', () => {
  it('never lets more pass than the rate and one burst', () => {
    const random = seeded(7);
    for (const rate of [64_000, 1_000_000, 8_000_000, 100_000_000]) {
      const bucket = new TokenBucket(rate);
      let [now, passed] = [0, 0];
      const burst = Math.max((rate / 8_000) * 100, 65_536);
      for (let i = 0; i < 5_000; i++) {
        now += random() * 10;
        const size = Math.ceil(random() * 16_384);
        if (bucket.take(size, now)) passed += size;
        expect(passed).toBeLessThanOrEqual(burst + (rate / 8_000) * now + 1);
      }
      expect(passed).toBeGreaterThan((rate / 8_000) * now * 0.5 * Math.min(1, (8_192 * 5_000) / ((rate / 8_000) * now)));
    }
  });

  it('says how long to wait, and rate 0 lets nothing pass', () => {
    const bucket = new TokenBucket(8_000);
    expect(bucket.take(16_384, 0)).toBe(true);
    expect(bucket.wait(1_000, 0)).toBe(1_000);
    expect(bucket.take(1_000, 999)).toBe(false);
    expect(bucket.take(1_000, 1_000)).toBe(true);
    const closed = new TokenBucket(0);
    expect([closed.take(1, 1e9), closed.wait(1, 1e9)]).toEqual([false, Infinity]);
  });
});

describe('children', () => {
  it('are admitted while their slices fit the uplink', () => {
    const book = new ChildBook(3 * sliceCost(video), trackOf);
    expect(book.subscribe('a', video, 0b0011, { msn: 5, index: 0 })).toEqual({ added: 0b0011, refused: 0 });
    expect(book.subscribe('b', video, 0b1111, { msn: 5, index: 0 })).toEqual({ added: 0b0001, refused: 0b1110 });
    expect(book.subscribe('a', video, 0b0011, { msn: 9, index: 0 })).toEqual({ added: 0, refused: 0 });
    book.unsubscribe('a', 1, 0b0001);
    expect(book.subscribe('b', video, 0b0010, { msn: 6, index: 1 })).toEqual({ added: 0b0010, refused: 0 });
    book.remove('b');
    expect(book.committed()).toBe(sliceCost(video));
    book.unsubscribe('a', 1, 0xffff);
    expect([book.committed(), book.has('a')]).toEqual([0, false]);
  });

  it('get the slices from the part on that they asked for', () => {
    const book = new ChildBook(1e9, trackOf);
    book.subscribe('a', video, 0b0110, { msn: 5, index: 3 });
    book.subscribe('b', video, 0b0010, { msn: 6, index: 0 });
    book.subscribe('c', audio, 0b1, { msn: 5, index: 0 });
    expect(book.subscribers(1, { msn: 5, index: 2 }, 1)).toEqual([]);
    expect(book.subscribers(1, { msn: 5, index: 3 }, 1)).toEqual(['a']);
    expect(book.subscribers(1, { msn: 6, index: 0 }, 1)).toEqual(['a', 'b']);
    expect(book.subscribers(1, { msn: 6, index: 0 }, 0)).toEqual([]);
    expect(book.subscribers(2, { msn: 6, index: 0 }, 0)).toEqual(['c']);
    expect([book.has('a', 1), book.has('a', 2), book.has('d')]).toEqual([true, false, false]);
    expect(book.subscribe('d', video, 0xfff0, { msn: 0, index: 0 })).toEqual({ added: 0, refused: 0 });
  });

  it('are all refused without an uplink', () => {
    expect(new ChildBook(0, trackOf).subscribe('a', video, 1, { msn: 0, index: 0 })).toEqual({ added: 0, refused: 1 });
  });
});
