/** The list of live streams as the edge gives it (`/streams.json`). */

/** One live stream. */
export interface LiveStream {
  /** `APP/NAME`. */
  readonly id: string;
  /** Track names, video from best to least, then audio. */
  readonly tracks: readonly string[];
  /** Unix milliseconds; 0 when unknown. */
  readonly startedAtMs: number;
}

const streamId = /^[A-Za-z0-9_-][\w.-]{0,63}\/[A-Za-z0-9_-][\w.-]{0,63}$/;

/** Reads the list, leaving out what is not a stream. Throws when it is no list at all. */
export function parseStreams(json: unknown): LiveStream[] {
  if (!Array.isArray(json)) throw new TypeError('the list of streams is not a list');
  return json.flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null || !('id' in entry) || typeof entry.id !== 'string' || !streamId.test(entry.id)) return [];
    const tracks: unknown[] = 'tracks' in entry && Array.isArray(entry.tracks) ? entry.tracks : [];
    const startedAtMs = 'startedAtMs' in entry && typeof entry.startedAtMs === 'number' ? entry.startedAtMs : 0;
    return [{ id: entry.id, tracks: tracks.filter((track) => typeof track === 'string'), startedAtMs }];
  });
}

/** What viewers call a track: `v720` is `720p`; audio is not named. */
export function trackLabel(track: string): string | undefined {
  const height = /^v(\d{2,4})$/.exec(track)?.[1];
  if (height !== undefined) return `${height}p`;
  return /^a\d+$/.test(track) ? undefined : track;
}

/** A hue from 0 to 359 that belongs to a name, so that a stream's card keeps its colour. */
export function hueOf(name: string): number {
  let hash = 7;
  for (const char of name) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return hash;
}
