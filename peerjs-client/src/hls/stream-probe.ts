/** Asks an edge whether a stream is live, without hls.js. */

/** What the edge says. */
export type StreamState = 'live' | 'ended' | 'absent' | 'unreachable';

/** Where to ask: the catalog of a Starling stream, or any playlist. */
export interface ProbeTarget {
  readonly catalogUrl?: string | undefined;
  readonly playlistUrl: string;
}

/** One question. Never throws; an aborted question is `unreachable`. */
export async function probeStream(target: ProbeTarget, signal: AbortSignal, get: typeof fetch = fetch): Promise<StreamState> {
  try {
    const response = await get(target.catalogUrl ?? target.playlistUrl, { signal, cache: 'no-store' });
    if (response.status === 404 || response.status === 410) return 'absent';
    if (!response.ok) return 'unreachable';
    if (target.catalogUrl !== undefined) return catalogState(await response.json());
    return (await response.text()).includes('#EXT-X-ENDLIST') ? 'ended' : 'live';
  } catch {
    return 'unreachable';
  }
}

/** Reads `ended` and `tracks` of a catalog. A stream without tracks has not begun. */
export function catalogState(catalog: unknown): StreamState {
  if (typeof catalog !== 'object' || catalog === null) return 'unreachable';
  if ('ended' in catalog && catalog.ended === true) return 'ended';
  return 'tracks' in catalog && Array.isArray(catalog.tracks) && catalog.tracks.length > 0 ? 'live' : 'absent';
}
