/** Reads the edge's media playlists (docs/hls.md), full and delta, so that the viewer can write on from there. */
import type { ListedSegment, MediaPlaylist } from './playlist-model';

/** A segment while its tags are read. */
interface Draft {
  clock: string;
  breaks: number;
  isGap: boolean;
  durationMicros: number;
  parts: string[];
  partMicros: number;
}

const headTags = /^#EXT(?:M3U|-X-(?:VERSION|TARGETDURATION|PART-INF|SERVER-CONTROL))\b/;
/** What the model does not write or need. */
const ignoredTags = /^#EXT-X-(?:PRELOAD-HINT|RENDITION-REPORT):/;
const segmentUri = /^(\d{1,15})\.m4s$/;

function emptyDraft(): Draft {
  return { clock: '', breaks: 0, isGap: false, durationMicros: 0, parts: [], partMicros: 0 };
}

/**
 * Parses a playlist; undefined when it has ended, is not of the edge's shape, or skips segments that `before`, the
 * viewer's present playlist of the track, does not have.
 */
export function parsePlaylist(text: string, before?: MediaPlaylist): MediaPlaylist | undefined {
  let head = '';
  let targetMicros = 0;
  let partTargetMicros = 0;
  let partHoldBackMicros = 0;
  let msn: number | undefined;
  let discontinuity = 0;
  let init = '';
  let draft = emptyDraft();
  const segments: ListedSegment[] = [];
  const finish = (number: number, durationMicros: number): ListedSegment => {
    discontinuity += draft.breaks;
    return { msn: number, durationMicros, clock: draft.clock, discontinuity, init, isGap: draft.isGap, parts: draft.parts };
  };
  for (const line of text.split('\n')) {
    const value = line.slice(line.indexOf(':') + 1);
    if (line === '') continue;
    if (line.startsWith('#EXT-X-PART:')) {
      draft.parts.push(`${line}\n`);
      draft.partMicros += micros(/DURATION=([\d.]+)/.exec(line)?.[1]);
      draft.isGap ||= line.includes('GAP=YES');
    } else if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) {
      draft.clock = value;
    } else if (line.startsWith('#EXTINF:')) {
      draft.durationMicros = micros(value);
    } else if (line === '#EXT-X-GAP') {
      draft.isGap = true;
    } else if (line === '#EXT-X-DISCONTINUITY') {
      draft.breaks++;
    } else if (line.startsWith('#EXT-X-MAP:')) {
      init = /URI="([^"]*)"/.exec(line)?.[1] ?? '';
    } else if (line.startsWith('#EXT-X-MEDIA-SEQUENCE:')) {
      msn = Number(value);
    } else if (line.startsWith('#EXT-X-DISCONTINUITY-SEQUENCE:')) {
      discontinuity = Number(value);
    } else if (line.startsWith('#EXT-X-SKIP:')) {
      const skipped = Number(/SKIPPED-SEGMENTS=(\d+)/.exec(line)?.[1]);
      const known = before?.segments.filter((s) => msn !== undefined && s.msn >= msn && s.msn < msn + skipped) ?? [];
      if (known.length !== skipped) return undefined;
      segments.push(...known);
      discontinuity = known.at(-1)?.discontinuity ?? discontinuity;
      init = known.findLast((s) => !s.isGap)?.init ?? init;
    } else if (headTags.test(line)) {
      head += `${line}\n`;
      if (line.startsWith('#EXT-X-TARGETDURATION:')) targetMicros = micros(value);
      if (line.startsWith('#EXT-X-PART-INF:')) partTargetMicros = micros(/PART-TARGET=([\d.]+)/.exec(line)?.[1]);
      if (line.startsWith('#EXT-X-SERVER-CONTROL:')) partHoldBackMicros = micros(/PART-HOLD-BACK=([\d.]+)/.exec(line)?.[1]);
    } else if (!ignoredTags.test(line)) {
      const uri = segmentUri.exec(line)?.[1];
      if (msn === undefined || Number(uri) !== msn + segments.length) return undefined;
      segments.push(finish(Number(uri), draft.durationMicros));
      draft = emptyDraft();
    }
  }
  const isWhole = msn !== undefined && segments.length > 0 && targetMicros > 0 && partTargetMicros > 0 && partHoldBackMicros > 0
    && Number.isSafeInteger(discontinuity) && segments.every((s) => s.durationMicros >= 0) && draft.partMicros >= 0;
  if (!isWhole) return undefined;
  const growing = draft.parts.length === 0 ? undefined : finish((msn ?? 0) + segments.length, draft.partMicros);
  return { head, targetMicros, partTargetMicros, partHoldBackMicros, segments, growing };
}

function micros(seconds: string | undefined): number {
  return Math.round(Number.parseFloat(seconds ?? '') * 1e6);
}
