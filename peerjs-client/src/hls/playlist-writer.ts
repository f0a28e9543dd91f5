/**
 * Answers the reloads of one track's playlist from pushed headers, and says when the edge is to be asked. Pure: time
 * comes in, nothing goes out but answers.
 */
import { covers, lastPart, nextPart, renderPlaylist, withPart, type MediaPlaylist, type PartFacts, type PartPosition } from './playlist-model';
import { parsePlaylist } from './playlist-parser';

/** A reload that the player waits for. */
export interface Reload {
  /** The part that the playlist must have. */
  readonly part: PartPosition;
  /** A Playlist Delta Update will do. */
  readonly isDelta: boolean;
}

/** In part targets: how long after the newest part the next one is waited for, before the edge is asked as well. */
const patienceParts = 1.5;
/** Headers that cannot be appended yet; more are not kept. */
const maxEarly = 32;

/** One track's playlist, from the edge and from headers. Times are `performance.now()` milliseconds. */
export class PlaylistWriter {
  #playlist: MediaPlaylist | undefined;
  /** Headers after the playlist's end, by position. */
  readonly #early = new Map<string, PartFacts>();
  #newest: PartPosition | undefined;
  #headerAt = -Infinity;
  #grownAt = -Infinity;

  /** The present playlist, or undefined before the edge's first. */
  get playlist(): MediaPlaylist | undefined {
    return this.#playlist;
  }

  /** A playlist of the edge came: it is right, whatever was written here. */
  take(text: string, now: number): void {
    this.#playlist = parsePlaylist(text, this.#playlist);
    this.#grownAt = now;
    if (this.#playlist === undefined) return;
    for (const [key, part] of this.#early) if (covers(this.#playlist, part)) this.#early.delete(key);
    this.#grow(now);
  }

  /** A verified header of the track came. */
  note(part: PartFacts, now: number): void {
    this.#headerAt = now;
    if (this.#newest === undefined || isAfter(part, this.#newest)) this.#newest = { msn: part.msn, index: part.index };
    if (this.#playlist !== undefined && covers(this.#playlist, part)) return;
    this.#early.set(`${part.msn}.${part.index}`, part);
    this.#grow(now);
    if (this.#early.size > maxEarly) this.#dropOldest();
  }

  /** Whether a reload can be answered now. */
  has(reload: Reload): boolean {
    return this.#playlist !== undefined && covers(this.#playlist, reload.part);
  }

  /** The text for a reload, if it can be written now. */
  answer(reload: Reload): string | undefined {
    return this.#playlist !== undefined && this.has(reload) ? renderPlaylist(this.#playlist, reload.isDelta) : undefined;
  }

  /**
   * Until when a reload should wait for a header alone. The past where none is to be expected: headers do not come, or
   * do not keep up with the playlist.
   */
  patience(now: number): number {
    const playlist = this.#playlist;
    if (playlist === undefined || this.#newest === undefined) return -Infinity;
    const patienceMs = (playlist.partTargetMicros / 1000) * patienceParts;
    const isFlowing = now - this.#headerAt < 2 * patienceMs && !isAfter(partBefore(playlist), this.#newest);
    return isFlowing ? this.#grownAt + patienceMs : -Infinity;
  }

  #grow(now: number): void {
    for (;;) {
      const playlist = this.#playlist;
      if (playlist === undefined) return;
      const { msn, index } = nextPart(playlist);
      const key = `${msn}.${index}`;
      const part = this.#early.get(key);
      const grown = part === undefined ? undefined : withPart(playlist, part);
      if (grown === undefined) return; // also where only the edge can tell: it is asked in a moment
      this.#early.delete(key);
      this.#playlist = grown;
      this.#grownAt = now;
    }
  }

  #dropOldest(): void {
    let oldest: [string, PartFacts] | undefined;
    for (const entry of this.#early) if (oldest === undefined || isAfter(oldest[1], entry[1])) oldest = entry;
    if (oldest !== undefined) this.#early.delete(oldest[0]);
  }
}

function isAfter(a: PartPosition, b: PartPosition): boolean {
  return a.msn > b.msn || (a.msn === b.msn && a.index > b.index);
}

/** The part before the newest: headers that keep up are at most one part behind the edge's playlist. */
function partBefore(playlist: MediaPlaylist): PartPosition {
  const { msn, index } = lastPart(playlist);
  if (index > 0) return { msn, index: index - 1 };
  const before = playlist.segments.findLast((s) => s.msn < msn);
  return { msn: msn - 1, index: Math.max(before?.parts.length ?? 0, 1) - 1 };
}
