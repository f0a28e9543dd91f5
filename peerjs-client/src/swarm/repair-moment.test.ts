// Rule 11 of docs/repair.md: only browsers have a last moment; the edge's time that it is counted back by, and what is asked at it, are shared with Go.
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.js';
import { TestOrigin } from '../testing/test-origin.js';
import { parsePartHeader } from '../wire/part-header.js';
import { readVectors } from '../wire/testing.js';
import type { CatalogTrack } from './catalog.js';
import { ChunkSet } from './chunk-set.js';
import { ByteCounters } from './counters.js';
import { HttpRate } from './edge-fetch.js';
import { Loader } from './loader.js';
import type { PartEntry } from './part-entry.js';
import { plan, type PartView, type SliceView } from './repair-policy.js';
import { Reputation } from './reputation.js';
import { DEFAULT_RULES } from './rules.js';
import { Retreat, Strain } from './strain.js';
import { TrackState } from './track-state.js';

interface Moment {
  readonly answers: number;
  readonly missing: number;
  readonly edge: number;
  readonly askedBefore: number;
}

const { answers, moments } = readVectors<{
  readonly answers: readonly { readonly bytes: number; readonly first: number; readonly total: number }[];
  readonly moments: readonly Moment[];
}>('repair-edge.json');
/** A part of a third of a second has 41,625 bytes while its header is not there. */
const track: CatalogTrack = { number: 1, name: 'v', kind: 'video', bitrate: 1_000_000, slices: 2 };
const unknownBytes = 41_625;
const deadline = 20_000;

/** The edge as it is known after so many answers. */
function rateAfter(count: number): HttpRate {
  const rate = new HttpRate();
  for (const a of answers.slice(0, count)) rate.note(a.bytes, a.first, a.total);
  return rate;
}

it.each(moments)('$missing bytes after $answers answers: the same steps at the same time as in Go', ({ answers: count, missing, edge, askedBefore }) => {
  expect(Math.trunc(rateAfter(count).reserveMs(missing))).toBe(edge);
  const slice: SliceView = { source: 'p', up: true, backup: 'q', backupUp: true, since: deadline - askedBefore - 10, first: 0, last: 0, missed: 0 };
  const part: PartView = { seenAt: 1, deadline, have: new ChunkSet(6), slices: [slice, slice], neighbours: [], pending: [], strained: false, retryAt: 0, edgeMs: edge };
  expect(plan(DEFAULT_RULES, part, deadline - askedBefore - 1)).toEqual([]);
  expect(plan(DEFAULT_RULES, part, deadline - askedBefore)).toEqual([{ kind: 'fetch', first: 0, count: 6 }]);
});

describe('the last moment of a browser', () => {
  let clock: FakeClock;
  let asked: string[];
  let hasFailed: boolean;
  let state: TrackState;

  beforeEach(() => {
    clock = new FakeClock();
    asked = [];
    hasFailed = false;
    state = new TrackState(track, {
      strain: new Strain(), retreat: new Retreat(1), usable: () => true, trust: (id) => new Reputation().of(id), onSlow: () => undefined, cancel: () => undefined,
      hasAnnounced: () => false, children: () => 0, roundTrip: () => 0,
    }, clock.now());
  });

  function loader(rate: HttpRate): Loader {
    return new Loader({
      clock, rate, counters: new ByteCounters(), hasSign: () => false, onLeft: () => undefined,
      fetchMissing: (entry) => {
        asked.push(entry.key);
        return !hasFailed;
      },
    });
  }

  /** A part that the player waits for; of `bytes` if its header is there. */
  function part(bytes: number | undefined): PartEntry {
    const entry = state.parts.ensure({ msn: 7, index: 0 }, clock.now());
    if (entry === undefined) throw new Error('no part');
    if (bytes === undefined) return entry;
    const header = parsePartHeader(origin.part(track, { msn: 7, index: 0 }, bytes).header);
    if (header === undefined) throw new Error('no header');
    entry.begin(header, clock.now());
    return entry;
  }

  const origin = new TestOrigin();

  it.each(moments.filter((m) => m.missing > unknownBytes))('comes $edge ms before the deadline for $missing bytes: the edge is asked, and awaited for a second beyond', async ({ answers: count, missing, edge }) => {
    const waits = loader(rateAfter(count));
    const entry = part(missing);
    let result: unknown = 'none';
    void waits.wait(state, entry, { deadline }).then((r) => (result = r));
    waits.tick(deadline - edge - 1);
    expect(asked).toEqual([]);
    waits.tick(deadline - edge);
    expect(asked).toEqual([entry.key]);
    waits.tick(deadline + 999);
    await clock.advance(0);
    expect(result).toBe('none');
    waits.tick(deadline + 1_000);
    await clock.advance(0);
    expect(result).toBeUndefined();
  });

  it.each(moments.filter((m) => m.missing === unknownBytes))('leaves a part without a header to the player $edge ms before the deadline', async ({ answers: count, edge }) => {
    const waits = loader(rateAfter(count));
    let result: unknown = 'none';
    void waits.wait(state, part(undefined), { deadline }).then((r) => (result = r));
    waits.tick(deadline - edge - 1);
    await clock.advance(0);
    expect(result).toBe('none');
    waits.tick(deadline - edge);
    await clock.advance(0);
    expect([result, asked]).toEqual([undefined, []]);
  });

  it('leaves the whole part to the player when a range has just failed', async () => {
    const waits = loader(rateAfter(0));
    let result: unknown = 'none';
    void waits.wait(state, part(100_000), { deadline }).then((r) => (result = r));
    hasFailed = true;
    waits.tick(deadline - 100);
    await clock.advance(0);
    expect(result).toBeUndefined();
  });
});
