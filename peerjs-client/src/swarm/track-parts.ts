import type { CatalogTrack } from './catalog.js';
import { PartEntry } from './part-entry.js';
import { comparePart, NEXT_PART, partAfter, type PartId } from './part-id.js';

/** So much media is kept for neighbours and for seeks, in milliseconds. */
export const KEEP_MS = 12_000;
/** No track holds more parts than that, whatever their length. */
const MAX_PARTS = 128;

/** The live window of one track: parts in order, the oldest forgotten first. */
export class TrackParts {
  private entries: PartEntry[] = [];
  /** Parts before it are over. */
  private floor: PartId = NEXT_PART;

  constructor(readonly info: CatalogTrack) {}

  get all(): readonly PartEntry[] {
    return this.entries;
  }

  get newest(): PartEntry | undefined {
    return this.entries.at(-1);
  }

  /** Bytes of memory held. */
  get bytes(): number {
    return this.entries.reduce((sum, e) => sum + (e.data?.length ?? 0), 0);
  }

  find(id: PartId): PartEntry | undefined {
    // From the live end: nearly every look-up is for one of the last parts.
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const entry = this.entries[i];
      const order = entry === undefined ? 1 : comparePart(entry.id, id);
      if (order === 0) return entry;
      if (order < 0) return undefined;
    }
    return undefined;
  }

  /** Finds or makes the entry; undefined when the part is over. */
  ensure(id: PartId, now: number): PartEntry | undefined {
    const found = this.find(id);
    if (found !== undefined) return found;
    if (comparePart(id, this.floor) < 0) return undefined;
    const entry = new PartEntry(this.info.number, id, this.info.slices, now);
    this.adopt(entry);
    return entry;
  }

  /** Puts an entry in its place. */
  adopt(entry: PartEntry): void {
    let at = this.entries.length;
    while (at > 0 && comparePart(this.entries[at - 1]?.id ?? entry.id, entry.id) > 0) at--;
    this.entries.splice(at, 0, entry);
  }

  /** An id that no known part reaches: the next one to begin. */
  after(): PartId {
    const newest = this.newest;
    return newest === undefined ? this.floor : partAfter(newest.id);
  }

  /** The first part of the last `recentMs` of which the slice is not wholly there, and which is still wanted. */
  firstMissing(s: number, now: number, recentMs = 2_000): PartId | undefined {
    return this.entries.find((e) => !e.isSettled && !e.isLeft && now - e.seenAt < recentMs && !e.sliceHeld(s))?.id;
  }

  /** Whether a part before `id` still waits for the slice. */
  waitsBefore(id: PartId, s: number, now: number): boolean {
    const first = this.firstMissing(s, now);
    return first !== undefined && comparePart(first, id) < 0;
  }

  /** Takes out what is too old, or too much; `isHeld` keeps parts that somebody waits for. */
  evict(now: number, isHeld: (entry: PartEntry) => boolean): readonly PartEntry[] {
    let n = 0;
    while (n < this.entries.length) {
      const entry = this.entries[n];
      const isOld = entry !== undefined && (now - entry.seenAt > KEEP_MS || this.entries.length - n > MAX_PARTS);
      if (entry === undefined || !isOld || isHeld(entry)) break;
      this.floor = partAfter(entry.id);
      n++;
    }
    return this.entries.splice(0, n);
  }
}
