/**
 * Keeps hls.js's knowledge of which parts are loaded.
 *
 * hls.js 1.7.4 forgets parts of the segment in progress when it looks for evicted media (after each trim of the back
 * buffer, and while the audio controller idles) at the moment between a part's load and its append. That alone is
 * harmless. But when the end of the buffer then lies a fraction of a millisecond before the segment's end by the playlist
 * (timestamps there are rounded), it looks for the missing part of a segment that it holds complete, finds nothing to
 * load, and stands still until the playhead is moved. The book remembers what was loaded, and restores the mark where
 * the media is buffered in fact.
 */
import type { Ranges } from './buffered';

interface StreamInfo {
  startPTS: number;
  endPTS: number;
  startDTS: number;
  endDTS: number;
}

/** The part of hls.js's `Part` that is read and mended. */
export interface BookPart {
  readonly fragment: { readonly sn: number; readonly level: number; readonly type: string };
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly loaded: boolean;
  readonly elementaryStreams: { audio: StreamInfo | null; video: StreamInfo | null };
}

/** Parts of older segments than this are not kept: they are not looked for any more. */
const keptSegments = 4;
/** Rounding of timestamps in playlists. */
const tolerance = 0.02;

function isBuffered(part: BookPart, ranges: Ranges): boolean {
  for (let i = 0; i < ranges.length; i++) {
    if (ranges.start(i) <= part.start + tolerance && ranges.end(i) >= part.end - tolerance) return true;
  }
  return false;
}

/** Remembers loaded parts by track kind, rung, segment and index. */
export class PartBook {
  readonly #loaded = new Map<string, number>();
  #newest = 0;

  /** hls.js loaded a part. */
  note(part: BookPart): void {
    const { sn } = part.fragment;
    this.#loaded.set(key(part), sn);
    if (sn <= this.#newest) return;
    this.#newest = sn;
    for (const [known, at] of this.#loaded) if (at <= sn - keptSegments) this.#loaded.delete(known);
  }

  /** Marks the parts that were loaded and are buffered but forgotten; gives how many. */
  mend(parts: readonly BookPart[], buffered: Ranges): number {
    let mended = 0;
    for (let i = parts.length - 1; i >= 0; i--) {
      const part = parts[i];
      if (part === undefined || part.fragment.sn <= this.#newest - keptSegments) break;
      if (part.loaded || !this.#loaded.has(key(part)) || !isBuffered(part, buffered)) continue;
      const times = { startPTS: part.start, endPTS: part.end, startDTS: part.start, endDTS: part.end };
      if (part.fragment.type === 'audio') part.elementaryStreams.audio = times;
      else part.elementaryStreams.video = times;
      mended++;
    }
    return mended;
  }

  /** A new timeline: nothing is loaded. */
  clear(): void {
    this.#loaded.clear();
    this.#newest = 0;
  }
}

function key(part: BookPart): string {
  const { type, level, sn } = part.fragment;
  return `${type}/${level}/${sn}.${part.index}`;
}
