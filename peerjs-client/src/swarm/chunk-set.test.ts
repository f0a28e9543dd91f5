import { expect, it } from 'vitest';
import { ChunkSet } from './chunk-set.js';

it('counts members once and keeps to its range', () => {
  const set = new ChunkSet(10);
  expect([set.add(0), set.add(0), set.add(9), set.add(10), set.add(-1)]).toEqual([true, false, true, false, false]);
  expect([set.count, set.full, set.has(9), set.has(10)]).toEqual([2, false, true, false]);
  expect([...set.bytes]).toEqual([1, 2]);
  set.remove(0);
  set.remove(0);
  expect([set.count, set.has(0)]).toEqual([1, false]);
});

it('drops the bits of a HAVE beyond its last chunk', () => {
  const set = ChunkSet.from(9, Uint8Array.from([0xff, 0xff]));
  expect([set.count, set.full, set.hasRange(0, 9), set.hasRange(0, 10)]).toEqual([9, true, true, false]);
  expect(ChunkSet.from(9, new Uint8Array(0)).count).toBe(0);
  expect(new ChunkSet(0).full).toBe(true);
});
