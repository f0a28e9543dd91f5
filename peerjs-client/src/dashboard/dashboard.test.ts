import { describe, expect, it } from 'vitest';
import { parseHistory, parseNode, parseRows } from './api';
import { lastMinute } from './counters';
import { historyCsv, streamsCsv, toCsv } from './csv';
import { moneySaved, parsePrice, totalsOf } from './totals';

const row = { id: 'live/demo', live: true, viewers: 6, peerBitrate: 8e6, edgeBitrate: 2e6, peerBytes: 4e9, edgeBytes: 1e9, offload: 0.8, tracks: ['v720', 3] };

describe('api', () => {
  it('reads rows of any server version', () => {
    const rows = parseRows([row, { viewers: 3 }, null, 7]);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ id: 'live/demo', live: true, tracks: ['v720'], stalls: 0, latencyP95Ms: 0 });
    expect(() => parseRows({})).toThrow();
  });

  it('gives history lists one length', () => {
    const history = parseHistory({ stepMs: 2000, t: [1, 2, 3], viewers: [5], offload: 'no' });
    expect(history).toMatchObject({ t: [1, 2, 3], viewers: [5, 0, 0], offload: [0, 0, 0] });
    expect(parseHistory(null).t).toEqual([]);
    expect(parseNode({ node: 'a', uptimeMs: 5 })).toEqual({ node: 'a', role: '', version: '', uptimeMs: 5 });
  });
});

describe('totals', () => {
  it('weights offload by traffic', () => {
    const totals = totalsOf(parseRows([row, { ...row, id: 'live/b', live: false, peerBitrate: 0, edgeBitrate: 10e6, viewers: 4 }]));
    expect(totals).toMatchObject({ liveStreams: 1, viewers: 10, offload: 0.4, peerBytes: 8e9 });
    expect(totalsOf([]).offload).toBeUndefined();
  });

  it('prices bytes by 10^9', () => {
    expect(moneySaved(4e9, 0.05)).toBeCloseTo(0.2);
  });

  it.each([['0.05', 0.05], [' 0,08 ', 0.08], ['3', 3], ['', undefined], ['-1', undefined], ['1e9', undefined], ['free', undefined]])('reads the price %s', (typed, price) => {
    expect(parsePrice(typed)).toBe(price);
  });
});

describe('lastMinute', () => {
  it('counts over a sliding minute', () => {
    const t = [0, 20_000, 40_000, 60_000, 80_000, 100_000];
    expect(lastMinute(t, [5, 5, 7, 8, 8, 8])).toEqual([0, 0, 2, 3, 3, 1]);
    expect(lastMinute([0, 1000, 2000], [5, 6, 0])).toEqual([0, 1, null]);
    expect(lastMinute([], [])).toEqual([]);
  });
});

describe('csv', () => {
  it('quotes, and defuses formulas', () => {
    expect(toCsv(['a', 'b'], [['x,"y"', '=1+1'], [2, true]])).toBe('a,b\r\n"x,""y""",\'=1+1\r\n2,true\r\n');
  });

  it('has a column for each heading', () => {
    const at = new Date(0);
    for (const csv of [streamsCsv(parseRows([row]), at), historyCsv('live/demo', parseHistory({ t: [0, 2000] }))]) {
      const widths = csv.trim().split('\r\n').map((line) => line.split(',').length);
      expect(new Set(widths).size).toBe(1);
      expect(csv).toContain('1970-01-01T00:00:00.000Z,live/demo');
    }
  });
});
