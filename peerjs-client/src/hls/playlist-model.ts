/**
 * A media playlist that the viewer writes itself: begun with one of the edge, it grows by the signed headers of the
 * parts. It gives the same text as the edge for the same part (`internal/hls`; vectors: `testdata/vectors/playlist.json`),
 * but for rendition reports. Pure: no clock, no network.
 */

/** What a playlist needs to know of a part. `PartHeader` (wire/part-header.ts) satisfies it. */
export interface PartFacts {
  readonly msn: number;
  readonly index: number;
  readonly independent: boolean;
  /** Last part of its segment. */
  readonly last: boolean;
  /** No media. */
  readonly gap: boolean;
  /** Timestamps or parameters break before this part. */
  readonly discontinuous: boolean;
  /** Discontinuity sequence number of the segment. */
  readonly discontinuity: number;
  /** Id of the initialization section. */
  readonly init: number;
  /** Wall clock of the first sample, Unix microseconds. */
  readonly pdtMicros: number;
  readonly durationMicros: number;
}

/** A segment as the playlist lists it. */
export interface ListedSegment {
  readonly msn: number;
  readonly durationMicros: number;
  /** EXT-X-PROGRAM-DATE-TIME as written. */
  readonly clock: string;
  readonly discontinuity: number;
  /** URI of the initialization section; means nothing for a gap. */
  readonly init: string;
  readonly isGap: boolean;
  /** The EXT-X-PART lines; empty where the playlist does not list them any more. */
  readonly parts: readonly string[];
}

/** A playlist at one moment. Immutable. */
export interface MediaPlaylist {
  /** The tags before EXT-X-MEDIA-SEQUENCE, which never change. */
  readonly head: string;
  readonly targetMicros: number;
  readonly partTargetMicros: number;
  readonly partHoldBackMicros: number;
  readonly segments: readonly ListedSegment[];
  /** The segment that is not complete yet. */
  readonly growing: ListedSegment | undefined;
}

/** The address of a part. */
export interface PartPosition {
  readonly msn: number;
  readonly index: number;
}

/** Parts are listed for so many target durations (draft-pantos-hls-rfc8216bis section 6.2.2). */
const partListTargets = 3;
/** CAN-SKIP-UNTIL in target durations (draft section 4.4.3.8). */
const skipTargets = 6;
/** Segments that an edge lists by default (docs/hls.md, rule 1); one that lists more is followed. */
const usualSegments = 13;
/** A larger step of the discontinuity numbers is a new beginning (docs/hls.md, rule 3). */
const maxBreaks = 8;

/** The newest part. */
export function lastPart(playlist: MediaPlaylist): PartPosition {
  const newest = playlist.growing ?? playlist.segments.at(-1);
  return { msn: newest?.msn ?? -1, index: Math.max(newest?.parts.length ?? 0, 1) - 1 };
}

/** The part that follows the newest one. */
export function nextPart(playlist: MediaPlaylist): PartPosition {
  const { growing, segments } = playlist;
  return growing === undefined ? { msn: (segments.at(-1)?.msn ?? -1) + 1, index: 0 } : { msn: growing.msn, index: growing.parts.length };
}

/** Whether the playlist has the part, as a blocking reload asks for it (draft section 6.2.5.2). */
export function covers(playlist: MediaPlaylist, { msn, index }: PartPosition): boolean {
  const newest = lastPart(playlist);
  if (msn !== newest.msn) return msn < newest.msn;
  // One beyond the end of a complete segment is part 0 of the next.
  return index <= newest.index;
}

/**
 * The playlist with one more part; undefined when the part does not follow the newest directly, or when only the
 * edge can tell what to list: after a hole in the numbers, a segment without its end, or a restart.
 */
export function withPart(playlist: MediaPlaylist, part: PartFacts): MediaPlaylist | undefined {
  const next = nextPart(playlist);
  const previous = playlist.segments.at(-1);
  if (part.msn !== next.msn || part.index !== next.index || previous === undefined) return undefined;
  const { growing } = playlist;
  if (growing === undefined) {
    const breaks = part.discontinuity - previous.discontinuity;
    if (breaks < 0 || breaks > maxBreaks || (breaks === 0 && part.discontinuous)) return undefined;
  } else if (part.discontinuity !== growing.discontinuity) {
    return undefined;
  }
  const segment: ListedSegment = {
    msn: part.msn,
    durationMicros: (growing?.durationMicros ?? 0) + part.durationMicros,
    clock: growing?.clock ?? wallClock(part.pdtMicros),
    discontinuity: part.discontinuity,
    init: growing === undefined || growing.isGap ? `init-${part.init}.mp4` : growing.init,
    isGap: part.gap || growing?.isGap === true,
    parts: [...(growing?.parts ?? []), partLine(part)],
  };
  if (!part.last) return { ...playlist, growing: segment };
  return { ...playlist, segments: trimmed([...playlist.segments, segment], playlist), growing: undefined };
}

/** The text; `isDelta`: a Playlist Delta Update (draft section 6.2.5.1) where there is something to skip. */
export function renderPlaylist(playlist: MediaPlaylist, isDelta: boolean): string {
  const { segments, growing, targetMicros } = playlist;
  let rest = segments.reduce((sum, s) => sum + s.durationMicros, growing?.durationMicros ?? 0);
  let isSkipping = isDelta;
  let skipped = 0;
  let init: string | undefined;
  let previous: ListedSegment | undefined;
  let body = '';
  for (const segment of segments) {
    rest -= segment.durationMicros; // from this segment's end to the playlist's
    isSkipping &&= rest >= skipTargets * targetMicros;
    if (isSkipping) {
      skipped++;
    } else {
      body += tags(segment, previous, init);
      if (rest < partListTargets * targetMicros) body += segment.parts.join('');
      if (segment.isGap) body += '#EXT-X-GAP\n';
      body += `#EXTINF:${seconds(segment.durationMicros)},\n${segment.msn}.m4s\n`;
    }
    if (!segment.isGap) init = segment.init;
    previous = segment;
  }
  if (growing !== undefined) body += tags(growing, previous, init) + growing.parts.join('');
  const first = segments[0];
  const { msn, index } = nextPart(playlist);
  return `${playlist.head}#EXT-X-MEDIA-SEQUENCE:${first?.msn ?? 0}\n#EXT-X-DISCONTINUITY-SEQUENCE:${first?.discontinuity ?? 0}\n`
    + (skipped > 0 ? `#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}\n` : '')
    + `${body}#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${msn}.${index}.m4s"\n`;
}

/** What comes before a segment's first part: breaks, a changed initialization section and the wall clock. */
function tags(segment: ListedSegment, previous: ListedSegment | undefined, init: string | undefined): string {
  const breaks = previous === undefined ? 0 : segment.discontinuity - previous.discontinuity;
  const map = segment.isGap || segment.init === init ? '' : `#EXT-X-MAP:URI="${segment.init}"\n`;
  return `${'#EXT-X-DISCONTINUITY\n'.repeat(Math.max(breaks, 0))}${map}#EXT-X-PROGRAM-DATE-TIME:${segment.clock}\n`;
}

function partLine(part: PartFacts): string {
  const flags = `${part.independent ? ',INDEPENDENT=YES' : ''}${part.gap ? ',GAP=YES' : ''}`;
  return `#EXT-X-PART:DURATION=${seconds(part.durationMicros)},URI="${part.msn}.${part.index}.m4s"${flags}\n`;
}

/** Without the oldest segments beyond the window, but never less than three target durations (docs/hls.md, rule 1). */
function trimmed(segments: readonly ListedSegment[], before: MediaPlaylist): readonly ListedSegment[] {
  const limit = Math.max(usualSegments, before.segments.length);
  let rest = segments.reduce((sum, s) => sum + s.durationMicros, 0);
  let from = 0;
  while (segments.length - from > limit) {
    rest -= segments[from]?.durationMicros ?? 0;
    if (rest < 3 * before.targetMicros) break;
    from++;
  }
  return segments.slice(from);
}

/** Seconds with microseconds, without trailing zeros. */
function seconds(micros: number): string {
  return String(Math.round(micros) / 1e6);
}

/** ISO 8601 in milliseconds, rounded. */
function wallClock(micros: number): string {
  return new Date(Math.round(micros / 1000)).toISOString();
}
