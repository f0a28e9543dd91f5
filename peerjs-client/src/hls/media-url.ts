/**
 * Recognises media addresses of docs/hls.md: `/APP/NAME/TRACK/MSN.m4s` (segment) and
 * `/APP/NAME/TRACK/MSN.INDEX.m4s` (part). Names are the same on every edge, so the host is ignored.
 */

/** What a media URL names. `index` is undefined for a whole segment. */
export interface MediaAddress {
  readonly stream: string;
  readonly track: string;
  readonly msn: number;
  readonly index: number | undefined;
}

const mediaPath = /\/([A-Za-z0-9_-][\w.-]{0,63}\/[A-Za-z0-9_-][\w.-]{0,63})\/([A-Za-z0-9_-][\w.-]{0,63})\/(\d{1,16})(?:\.(\d{1,6}))?\.m4s$/;
const playlistPath = /\/([A-Za-z0-9_-][\w.-]{0,63})\/index\.m3u8$/;
const mediaPlaylistPath = /\/([A-Za-z0-9_-][\w.-]{0,63}\/[A-Za-z0-9_-][\w.-]{0,63})\/([A-Za-z0-9_-][\w.-]{0,63})\/index\.m3u8$/;
const multivariantPath = /^(.*\/)?([A-Za-z0-9_-][\w.-]{0,63}\/[A-Za-z0-9_-][\w.-]{0,63})\/index\.m3u8$/;

function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}

/** Parses a media URL; undefined for anything else (init sections, playlists, foreign media). */
export function parseMediaUrl(url: string): MediaAddress | undefined {
  const match = mediaPath.exec(pathOf(url));
  const [, stream, track, msn, index] = match ?? [];
  if (stream === undefined || track === undefined || msn === undefined) return undefined;
  const number = Number(msn);
  if (!Number.isSafeInteger(number)) return undefined;
  return { stream, track, msn: number, index: index === undefined ? undefined : Number(index) };
}

/** The track that a media playlist URL belongs to: `…/v720/index.m3u8` is `v720`. */
export function trackOfPlaylist(url: string): string | undefined {
  return playlistPath.exec(pathOf(url))?.[1];
}

/** Parses a media playlist's URL, `…/APP/NAME/TRACK/index.m3u8`; undefined for anything else. */
export function parsePlaylistUrl(url: string): { readonly stream: string; readonly track: string } | undefined {
  const [, stream, track] = mediaPlaylistPath.exec(pathOf(url)) ?? [];
  return stream === undefined || track === undefined ? undefined : { stream, track };
}

/** Where a stream lives. */
export interface StreamLocation {
  /** Address of the stream's directory, with a trailing slash. */
  readonly baseUrl: string;
  /** `APP/NAME`. */
  readonly stream: string;
  /** The multivariant playlist. */
  readonly playlistUrl: string;
}

/** The location of stream `APP/NAME` at an edge such as `https://cdn.example`. */
export function locateStream(edge: string, stream: string): StreamLocation {
  const baseUrl = `${edge.replace(/\/+$/, '')}/${stream}/`;
  return { baseUrl, stream, playlistUrl: `${baseUrl}index.m3u8` };
}

/** Reads `…/APP/NAME/index.m3u8` as a stream of an edge; undefined when the URL has another shape. */
export function locatePlaylist(url: string): StreamLocation | undefined {
  const match = multivariantPath.exec(pathOf(url));
  const stream = match?.[2];
  if (stream === undefined) return undefined;
  return { baseUrl: pathOf(url).slice(0, -'index.m3u8'.length), stream, playlistUrl: url };
}
