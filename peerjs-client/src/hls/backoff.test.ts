import { describe, expect, it } from 'vitest';
import { Backoff } from './backoff';

describe('Backoff', () => {
  it('doubles up to the maximum and starts again after a reset', () => {
    const backoff = new Backoff({ first: 100, max: 500, random: () => 1 });
    expect([1, 2, 3, 4, 5].map(() => backoff.next())).toEqual([100, 200, 400, 500, 500]);
    expect(backoff.attempts).toBe(5);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });

  it('spreads attempts over half of the ceiling', () => {
    expect(new Backoff({ first: 100, random: () => 0 }).next()).toBe(50);
  });
});
