import { describe, expect, it, vi } from 'vitest';
import { GuardedSource, type PartSource } from './part-source';

const result = { data: new Uint8Array(3), source: 'peer', firstByte: 1, end: 2, bytes: { peer: 3, feed: 0, edge: 0 } } as const;

function source(overrides: Partial<PartSource>): PartSource {
  return { loadPart: async () => result, loadSegment: () => result, provide: () => undefined, ...overrides };
}

describe('GuardedSource', () => {
  it('passes results through', async () => {
    const guard = new GuardedSource(source({}), vi.fn());
    expect(await guard.loadPart('v', { msn: 1, index: 0 }, { deadline: 0 })).toBe(result);
    expect(guard.loadSegment('v', 1)).toBe(result);
  });

  it('turns failures into "not available" and stops asking after five in a row', async () => {
    const loadPart = vi.fn(async () => { throw new Error('broken'); });
    const failures: boolean[] = [];
    const guard = new GuardedSource(source({ loadPart }), (_, off) => failures.push(off));
    for (let i = 0; i < 8; i++) expect(await guard.loadPart('v', { msn: 1, index: i }, { deadline: 0 })).toBeUndefined();
    expect(loadPart).toHaveBeenCalledTimes(5);
    expect(failures).toEqual([false, false, false, false, true]);
    expect(guard.loadSegment('v', 1)).toBeUndefined();
  });

  it('forgets failures after a success, and does not count an abort', async () => {
    let broken = true;
    const aborted = new AbortController();
    aborted.abort();
    const guard = new GuardedSource(source({
      loadPart: async () => { if (broken) throw new Error('broken'); return result; },
      provide: () => { throw new Error('broken'); },
    }), vi.fn());
    for (let i = 0; i < 9; i++) await guard.loadPart('v', { msn: 1, index: i }, { deadline: 0, signal: aborted.signal });
    expect(guard.usable).toBe(true);
    for (let i = 0; i < 4; i++) guard.provide('v', { msn: 1 }, new Uint8Array(1));
    broken = false;
    expect(await guard.loadPart('v', { msn: 1, index: 9 }, { deadline: 0 })).toBe(result);
    for (let i = 0; i < 4; i++) guard.provide('v', { msn: 1 }, new Uint8Array(1));
    expect(guard.usable).toBe(true);
  });
});
