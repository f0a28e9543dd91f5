import { describe, expect, it } from 'vitest';
import { PartBook, type BookPart } from './part-book';

function part(sn: number, index: number, change: { level?: number; type?: string } = {}): BookPart {
  const start = (sn - 100) * 2 + index / 3;
  return {
    fragment: { sn, level: change.level ?? 0, type: change.type ?? 'audio' },
    index, start, end: start + 1 / 3,
    elementaryStreams: { audio: null, video: null },
    get loaded() {
      return this.elementaryStreams.audio !== null || this.elementaryStreams.video !== null;
    },
  };
}

const upTo = (end: number) => ({ length: 1, start: () => 0, end: () => end });

describe('PartBook', () => {
  it('restores parts that were loaded and are buffered, in new playlist objects too', () => {
    const book = new PartBook();
    book.note(part(100, 0));
    book.note(part(100, 1));
    const refreshed = [part(100, 0), part(100, 1), part(100, 2)];
    expect(book.mend(refreshed, upTo(0.6666))).toBe(2);
    expect(refreshed.map((p) => p.loaded)).toEqual([true, true, false]);
    expect(refreshed[1]?.elementaryStreams.audio).toMatchObject({ startPTS: 1 / 3, endPTS: 2 / 3 });
    expect(book.mend(refreshed, upTo(0.6666))).toBe(0);
  });

  it('leaves what is not buffered, was never loaded, or belongs to another rung', () => {
    const book = new PartBook();
    book.note(part(100, 0, { type: 'main', level: 1 }));
    book.note(part(100, 5, { type: 'main', level: 1 }));
    const rung = (level: number) => [0, 1, 5].map((i) => part(100, i, { type: 'main', level }));
    expect(book.mend(rung(0), upTo(9))).toBe(0);
    const own = rung(1);
    expect(book.mend(own, upTo(1))).toBe(1);
    expect(own.map((p) => p.loaded)).toEqual([true, false, false]);
    expect(own[0]?.elementaryStreams.video).not.toBeNull();
  });

  it('keeps a few segments only', () => {
    const book = new PartBook();
    for (let sn = 100; sn < 1000; sn++) book.note(part(sn, 0));
    expect(book.mend([part(990, 0)], upTo(1e6))).toBe(0);
    expect(book.mend([part(998, 0), part(999, 0)], upTo(1e6))).toBe(2);
    book.clear();
    expect(book.mend([part(999, 0)], upTo(1e6))).toBe(0);
  });
});
