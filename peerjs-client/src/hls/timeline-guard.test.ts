import { describe, expect, it } from 'vitest';
import { TimelineGuard, type TimedFragment } from './timeline-guard';

const epoch = 1_790_000_000_000;

class Fragment implements TimedFragment {
  constructor(public start: number, readonly programDateTime: number | null, readonly cc: number) {}
  setStart(start: number): void {
    this.start = start;
  }
}

/** Fragments of two seconds; `first` is the number of the first one, `shift` the fault of the timeline. */
function playlist(first: number, count: number, options: { shift?: number; cc?: number; clockShift?: number } = {}): Fragment[] {
  return Array.from({ length: count }, (_, i) => {
    const at = (first + i) * 2;
    return new Fragment(at + (options.shift ?? 0), epoch + (at + (options.clockShift ?? 0)) * 1000, options.cc ?? 0);
  });
}

const starts = (fragments: readonly Fragment[]) => fragments.map((fragment) => fragment.start);

describe('TimelineGuard', () => {
  it('moves an audio playlist that was shifted by a segment', () => {
    const guard = new TimelineGuard();
    guard.mend('main', playlist(0, 10));
    const audio = playlist(-2, 12, { shift: 2 });
    expect(guard.mend('audio', audio)).toBeCloseTo(-2);
    expect(starts(audio)).toEqual(starts(playlist(-2, 12)));
  });

  it('moves the main playlist back to where it was', () => {
    const guard = new TimelineGuard();
    guard.mend('main', playlist(0, 10));
    const shifted = playlist(1, 10, { shift: -2 });
    expect(guard.mend('main', shifted)).toBeCloseTo(2);
    expect(starts(shifted)).toEqual(starts(playlist(1, 10)));
  });

  it('follows slow drift between the clock and the media', () => {
    const guard = new TimelineGuard();
    for (let i = 0; i < 1000; i++) expect(guard.mend('main', playlist(i, 10, { clockShift: i * 0.01 }))).toBe(0);
    expect(guard.mend('audio', playlist(990, 10, { clockShift: 9.99 }))).toBe(0);
  });

  it('has one anchor for each discontinuity, and leaves what it has none for', () => {
    const guard = new TimelineGuard();
    guard.mend('main', playlist(0, 10));
    expect(guard.mend('audio', playlist(10, 3, { cc: 1, shift: 50 }))).toBe(0);
    expect(guard.mend('main', playlist(10, 3, { cc: 1, clockShift: 3600 }))).toBe(0);
    expect(guard.mend('audio', playlist(10, 3, { cc: 1, clockShift: 3600, shift: 2 }))).toBeCloseTo(-2);
    guard.clear();
    expect(guard.mend('audio', playlist(0, 10, { shift: 9 }))).toBe(0);
  });

  it('skips gaps of delta updates and playlists without a clock', () => {
    const guard = new TimelineGuard();
    guard.mend('main', playlist(0, 10));
    const delta = [null, null, ...playlist(2, 8, { shift: 2 })];
    expect(guard.mend('audio', delta)).toBeCloseTo(-2);
    expect(guard.mend('audio', [new Fragment(99, null, 0)])).toBe(0);
    expect(guard.mend('main', [])).toBe(0);
  });
});
