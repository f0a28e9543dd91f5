import { describe, expect, it } from 'vitest';
import { guessBandwidth, rememberBandwidth, type Memory } from './bandwidth-memory';

function memory(): Memory {
  const values = new Map<string, string>();
  return { getItem: (key) => values.get(key) ?? null, setItem: (key, value) => void values.set(key, value) };
}
const blocked: Memory = { getItem: () => { throw new Error('denied'); }, setItem: () => { throw new Error('denied'); } };

describe('bandwidth guess', () => {
  it('is 4 Mbit/s without knowledge, and survives blocked storage', () => {
    expect(guessBandwidth(undefined, undefined)).toBe(4e6);
    rememberBandwidth(blocked, 1e6);
    expect(guessBandwidth(blocked, '4g')).toBe(4e6);
  });

  it('is what was measured last time, with caution and within reason', () => {
    const m = memory();
    rememberBandwidth(m, 10e6);
    expect(guessBandwidth(m, undefined)).toBe(8e6);
    rememberBandwidth(m, 1e12);
    expect(guessBandwidth(m, undefined)).toBe(40e6);
    rememberBandwidth(m, Number.NaN);
    expect(guessBandwidth(m, undefined)).toBe(40e6);
  });

  it('believes a browser that says slow', () => {
    expect(guessBandwidth(memory(), 'slow-2g')).toBe(3e5);
    expect(guessBandwidth(memory(), '3g')).toBe(4e6);
  });
});
