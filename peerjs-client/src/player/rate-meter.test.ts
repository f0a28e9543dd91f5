import { describe, expect, it } from 'vitest';
import { RateMeter } from './rate-meter';

const counts = (peer: number) => ({ peer, feed: 0, edge: 0, sent: peer / 2 });

describe('RateMeter', () => {
  it('gives bit rates over the last four seconds only', () => {
    const meter = new RateMeter();
    expect(meter.rates.peer).toBe(0);
    for (let t = 0; t <= 10; t++) meter.add(t, counts(t * 1000));
    for (let t = 11; t <= 14; t++) meter.add(t, counts(10_000 + (t - 10) * 5000));
    expect(meter.rates.peer).toBe(40_000);
    expect(meter.rates.sent).toBe(20_000);
  });

  it('starts over when the counters start over', () => {
    const meter = new RateMeter();
    meter.add(0, counts(1e6));
    meter.add(1, counts(0));
    meter.add(2, counts(1000));
    expect(meter.rates.peer).toBe(8000);
  });
});
