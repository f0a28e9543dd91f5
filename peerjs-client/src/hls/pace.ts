/**
 * Notices that media comes more slowly than it plays, before the buffer is empty. A part may take long from its first
 * byte to its last although all keeps up, where slices come by paths of different length; only when the ends of
 * parts come further apart than their durations, playback falls behind. Pure: times come in.
 */
import type { PartAddress } from './part-source';

/** How a part came, in milliseconds of one clock. */
export interface PartTransfer {
  readonly firstByte: number;
  readonly end: number;
  readonly size: number;
  readonly mediaSeconds: number;
}

/** What a part's arrival shows. */
export interface PaceVerdict {
  /** It came more slowly than it plays. */
  readonly isBehind: boolean;
  /** After several such in a row: the rate at which they came, bit/s. */
  readonly rate: number | undefined;
}

/** One slow part is a hiccup; so many in a row are a line that does not carry the rung. */
const enough = 3;
/** Durations in headers are rounded, and a page's timers are not exact. */
const tolerance = 1.05;

interface Previous {
  readonly id: PartAddress;
  readonly end: number;
  /** Bytes and beginning of the present streak. */
  readonly streak: { readonly parts: number; readonly bytes: number; readonly since: number };
}

/** One a playback. */
export class Pace {
  readonly #previous = new Map<string, Previous>();

  /** A part of a track came. */
  note(track: string, id: PartAddress, part: PartTransfer): PaceVerdict {
    const last = this.#previous.get(track);
    const realTime = part.mediaSeconds * 1000 * tolerance;
    const isNext = last !== undefined && follows(last.id, id);
    const isBehind = isNext && part.end - part.firstByte > realTime && part.end - last.end > realTime;
    const streak = isBehind && last !== undefined
      ? { parts: last.streak.parts + 1, bytes: last.streak.bytes + part.size, since: last.streak.parts === 0 ? last.end : last.streak.since }
      : { parts: 0, bytes: 0, since: part.end };
    this.#previous.set(track, { id, end: part.end, streak });
    return { isBehind, rate: streak.parts >= enough ? (streak.bytes * 8000) / (part.end - streak.since) : undefined };
  }
}

/** Whether `b` may be the part after `a`. */
function follows(a: PartAddress, b: PartAddress): boolean {
  return (b.msn === a.msn && b.index === a.index + 1) || (b.msn === a.msn + 1 && b.index === 0);
}
