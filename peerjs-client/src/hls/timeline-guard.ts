/**
 * Keeps the playlists of one playback on one timeline.
 *
 * hls.js 1.7.4 carries the timeline from one playlist to the next by its fragments' start times, and clamps these at
 * zero while it does so. When a stream has just begun, or an edge has just begun to carry a track, the window of one
 * track reaches further back than that of the other: its oldest fragments start before zero, are clamped, and the next
 * playlist is shifted by a whole segment. Audio is then loaded for the wrong time, and playback stalls. The wall clock
 * of the playlists (EXT-X-PROGRAM-DATE-TIME, in every playlist of docs/hls.md) tells the right place.
 */

/** The part of hls.js's `Fragment` that is read and moved. */
export interface TimedFragment {
  readonly start: number;
  /** Discontinuity sequence number: the clock is continuous within one. */
  readonly cc: number;
  /** Unix milliseconds. */
  readonly programDateTime: number | null;
  setStart(start: number): void;
}

/** A point of both clocks. */
interface Anchor {
  readonly start: number;
  readonly clock: number;
}

/** Differences up to this many seconds are drift and rounding, which hls.js follows itself. */
const tolerance = 0.25;

/** Remembers where the main playlist put its media, by discontinuity. */
export class TimelineGuard {
  readonly #anchors = new Map<number, Anchor>();

  /** Looks at a playlist's fragments, oldest first, and moves them if they lie wrong; gives by how many seconds. */
  mend(kind: 'main' | 'audio', fragments: readonly (TimedFragment | null)[]): number {
    const known = fragments.findLast((fragment) => fragment !== null && fragment.programDateTime !== null && (kind === 'main' || this.#anchors.has(fragment.cc)));
    if (known === undefined || known === null || known.programDateTime === null) return 0;
    const { cc, start, programDateTime: clock } = known;
    const anchor = this.#anchors.get(cc);
    const error = anchor === undefined ? 0 : start - anchor.start - (clock - anchor.clock) / 1000;
    if (Math.abs(error) <= tolerance) {
      if (kind === 'main') this.#anchors.set(cc, { start, clock });
      return 0;
    }
    for (const fragment of fragments) fragment?.setStart(fragment.start - error);
    return -error;
  }

  /** A new timeline. */
  clear(): void {
    this.#anchors.clear();
  }
}
