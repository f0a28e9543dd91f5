import { describe, expect, it } from 'vitest';
import { readVectors } from '../wire/testing.js';
import { headerSource, type Headed } from './header-source.js';
import { damaged, Trust } from './reputation.js';
import { isMute, shouldAsk, type Probe } from './silence.js';
import { Skips } from './skips.js';
import { Retreat, Strain } from './strain.js';

const vectors = readVectors<{
  readonly seed: number;
  readonly strain: readonly { readonly late: boolean; readonly level: number; readonly active: boolean }[];
  readonly retreat: readonly { readonly relapse?: boolean; readonly level: number; readonly taken: number; readonly all: number; readonly now: number; readonly quota: number }[];
  readonly trust: readonly { readonly do: string; readonly now: number; readonly avoid: number; readonly report: boolean; readonly doubted: boolean }[];
  readonly probes: readonly (Probe & { readonly name: string; readonly due: number; readonly now: number; readonly ask: boolean; readonly mute: boolean })[];
  readonly headers: readonly { readonly name: string; readonly slices: readonly Headed[]; readonly now: string; readonly not: string; readonly source: string }[];
  readonly damage: readonly { readonly late: boolean; readonly had: boolean; readonly count: number }[];
  readonly skips: readonly { readonly index: number; readonly first: number; readonly count: number; readonly add: boolean; readonly has: boolean }[];
}>('repair-state.json');

describe('the state of repairs, as in Go', () => {
  it('strain', () => {
    const strain = new Strain();
    for (const s of vectors.strain) {
      strain.note(s.late);
      expect({ late: s.late, level: strain.level, active: strain.isActive }).toEqual(s);
    }
  });

  it('retreat', () => {
    const retreat = new Retreat(vectors.seed);
    vectors.retreat.forEach((s, i) => {
      if (s.relapse === true) retreat.relapse(s.now);
      else expect(retreat.update(s.level, s.taken, s.all, s.now), `step ${i}`).toBe(s.quota);
    });
  });

  it('trust', () => {
    const trust = new Trust();
    vectors.trust.forEach((s, i) => {
      let [avoid, report] = [0, false];
      if (s.do === 'strike') ({ avoidMs: avoid, isReported: report } = trust.strike(s.now));
      else if (s.do === 'excuse') trust.excuse();
      else if (s.do === 'broke') trust.broke(s.now);
      else trust.kept();
      expect({ do: s.do, now: s.now, avoid, report, doubted: trust.isDoubted(s.now) }, `step ${i}`).toEqual(s);
    });
  });

  it.each(vectors.probes)('probe: $name', (c) => {
    expect([shouldAsk(c, c.due, c.now), isMute(c, c.now)]).toEqual([c.ask, c.mute]);
  });

  it.each(vectors.headers)('header source: $name', (c) => {
    expect(headerSource(c.slices, c.now, c.not)).toBe(c.source);
  });

  it('damage', () => {
    let count = 0;
    for (const s of vectors.damage) expect(count = damaged(count, s.late, s.had)).toBe(s.count);
  });

  it('skips', () => {
    const skips = new Skips();
    vectors.skips.forEach((s, i) => {
      if (s.add) skips.add(`${s.index}`, s.first, s.count);
      expect(skips.has(`${s.index}`, s.first, s.first + s.count), `step ${i}`).toBe(s.has);
    });
  });
});
