import { describe, expect, it } from 'vitest';
import { formatBitrate, formatBytes, formatDuration, formatMs, formatSeconds, formatShare } from './format';

describe('figures', () => {
  it.each([[0, '0 kbit/s'], [128_000, '128 kbit/s'], [1_254_000, '1.25 Mbit/s'], [22_500_000, '22.5 Mbit/s'], [3.2e9, '3.20 Gbit/s'], [undefined, '–'], [Number.NaN, '–']])('bitrate %s', (value, text) => {
    expect(formatBitrate(value)).toBe(text);
  });
  it.each([[0, '0 B'], [999, '999 B'], [1500, '1.5 kB'], [123_456_789, '123 MB'], [9.99e14, '999 TB'], [1e16, '10000 TB']])('bytes %s', (value, text) => {
    expect(formatBytes(value)).toBe(text);
  });
  it('others', () => {
    expect(formatShare(0.876)).toBe('88 %');
    expect(formatShare(undefined)).toBe('–');
    expect(formatSeconds(1.234)).toBe('1.23 s');
    expect(formatMs(12.6)).toBe('13 ms');
    expect([5, 65, 3700].map(formatDuration)).toEqual(['5 s', '1 min', '1 h 01 min']);
  });
});
