import { expect, it } from 'vitest';
import { allSlices, chunkCount, chunkSizeFor, MAX_CHUNK_SIZE, MIN_CHUNK_SIZE, sliceChunks, sliceOf } from './slices.js';
import { seeded } from './testing.js';

it('slices partition every part', () => {
  const random = seeded(2);
  for (let round = 0; round < 400; round++) {
    const size = 1 + Math.floor(random() * (round % 4 === 0 ? 8 << 20 : 200_000));
    const k = 1 + Math.floor(random() * 8);
    const chunkSize = chunkSizeFor(size, k);
    expect(chunkSize).toBeGreaterThanOrEqual(MIN_CHUNK_SIZE);
    expect(chunkSize).toBeLessThanOrEqual(MAX_CHUNK_SIZE);
    const n = chunkCount(size, chunkSize);
    let next = 0;
    for (let s = 0; s < k; s++) {
      const [first, end] = sliceChunks(n, k, s);
      expect(first).toBe(next);
      for (let i = first; i < end; i++) expect(sliceOf(n, k, i)).toBe(s);
      next = end;
    }
    expect(next).toBe(n);
  }
});

it('masks', () => {
  expect([allSlices(0), allSlices(1), allSlices(5), allSlices(16), allSlices(99)]).toEqual([0, 1, 31, 65_535, 65_535]);
});
