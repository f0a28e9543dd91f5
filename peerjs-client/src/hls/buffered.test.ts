import { describe, expect, it } from 'vitest';
import { bufferedEnd, type Ranges } from './buffered';

const ranges = (...pairs: [number, number][]): Ranges => ({
  length: pairs.length,
  start: (i) => pairs[i]?.[0] ?? Number.NaN,
  end: (i) => pairs[i]?.[1] ?? Number.NaN,
});

describe('bufferedEnd', () => {
  it('is the end of the range under the playhead', () => {
    expect(bufferedEnd(ranges([0, 4], [6, 9]), 2)).toBe(4);
    expect(bufferedEnd(ranges([0, 4], [6, 9]), 7)).toBe(9);
  });

  it('bridges gaps that browsers play through, and no others', () => {
    expect(bufferedEnd(ranges([0, 4], [4.05, 9]), 2)).toBe(9);
    expect(bufferedEnd(ranges([0.05, 4]), 0)).toBe(4);
    expect(bufferedEnd(ranges([0, 4], [4.2, 9]), 2)).toBe(4);
  });

  it('is undefined outside', () => {
    expect(bufferedEnd(ranges(), 0)).toBeUndefined();
    expect(bufferedEnd(ranges([0, 4]), 5)).toBeUndefined();
  });
});
