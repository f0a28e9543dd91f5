/**
 * Timing that hls.js is told for media that did not come by its own request.
 *
 * hls.js 1.7 takes one bandwidth sample a part or segment when it is buffered:
 * `bytes / (parsing.end - loading.start - min(loading.first - loading.start, TTFB estimate))`, weighted by that duration.
 * Bytes that were pushed before hls.js asked would make the duration a millisecond and the estimate hundreds of
 * megabits, and the next rung up would be chosen on a link that cannot carry it. Bytes that trickled in at the pace of
 * the encoder would do the contrary: look like a link just as fast as the rung, and no rung up would ever be tried.
 *
 * So the transfer time told is the time between the first and the last byte on the network, wherever it lies relative
 * to the request, and:
 *  - slower than real time (hls.js waited longer than the media lasts, the transfer itself took longer, and playback falls
 *    behind, see pace.ts): told as measured; the rung is too high. A long transfer alone is only the spread of the slices' paths;
 *  - all from the edge by request: told as measured; that is the viewer's own link;
 *  - else a push says only that the link carries *at least* that much: told as the larger of the measured rate and the
 *    present estimate, so that it can raise the estimate and never lowers it. A busy page handles many chunks at once and
 *    would see an endless rate, and a neighbour in the same house is faster than the line: so a push is believed up to
 *    a rate that lets the next rung be tried (climb-memory.ts).
 *
 * hls.js adds its parsing time to every sample. Without a correction, telling it its own estimate would wear the
 * estimate down by that time at every part: see {@link discountParsing}.
 */

/** The fields of hls.js `LoaderStats` that are written. */
export interface WritableStats {
  loaded: number;
  total: number;
  chunkCount: number;
  bwEstimate: number;
  loading: { start: number; first: number; end: number };
}

/** One finished load from the swarm, in milliseconds of `performance.now()`. */
export interface SwarmLoad {
  /** Bytes of the result. */
  readonly size: number;
  /** Of them, bytes that the engine itself fetched from the edge by request. */
  readonly requested: number;
  readonly firstByte: number;
  readonly end: number;
  /** When hls.js asked. */
  readonly asked: number;
  /** Duration of the media in seconds. */
  readonly mediaSeconds: number;
  /** It ended further after the part before it than it lasts (pace.ts). */
  readonly isBehind: boolean;
  /** True for media put together from older parts, whose times say nothing about the network's rate. */
  readonly wasHeld: boolean;
}

/** The network's present estimates, from hls.js. */
export interface Estimates {
  /** bit/s. */
  readonly bandwidth: number;
  /** Milliseconds. */
  readonly timeToFirstByte: number;
  /** bit/s up to which a push is believed. */
  readonly believed: number;
}

/** Shorter transfers than this say more about timers than about the network. */
const minTransferMs = 4;
/** At most this share of the bytes by request, and the load counts as a push. */
const requestedShare = 0.9;

/** How long the transfer is told to have taken, in milliseconds. */
export function transferTime(load: SwarmLoad, { bandwidth, believed }: Pick<Estimates, 'bandwidth' | 'believed'>): number {
  const realTime = load.mediaSeconds * 1000;
  const measured = Math.max(load.end - load.firstByte, minTransferMs);
  const neutral = bandwidth > 0 && Number.isFinite(bandwidth) ? (load.size * 8000) / bandwidth : measured;
  if (load.wasHeld) return neutral;
  if (load.isBehind && measured > realTime && load.end - load.asked > realTime) return measured;
  if (load.requested >= requestedShare * load.size) return measured;
  return Math.min(Math.max(measured, (load.size * 8000) / believed), neutral);
}

/** Transfer times told for loads that came from the swarm, until they are parsed. */
const told = new WeakMap<object, number>();

/** Writes the statistics of a load that ended at `now` so that hls.js samples {@link transferTime}. */
export function fillStats(stats: WritableStats, load: SwarmLoad, estimates: Estimates, now: number): void {
  const transfer = transferTime(load, estimates);
  const first = now - transfer;
  // A time to first byte equal to the estimate leaves the estimate alone and is subtracted whole.
  stats.loading.start = first - estimates.timeToFirstByte;
  stats.loading.first = first;
  stats.loading.end = now;
  stats.loaded = stats.total = load.size;
  stats.bwEstimate = (load.size * 8000) / transfer;
  told.set(stats, transfer);
}

/**
 * Takes the parsing time out of the sample of a load from the swarm. To be called when hls.js has parsed the media
 * (`FRAG_PARSED`), before it samples (`FRAG_BUFFERED`). Loads by plain HTTP are left as hls.js measured them.
 */
export function discountParsing(stats: WritableStats & { readonly parsing: { readonly end: number } }): void {
  const transfer = told.get(stats);
  if (transfer === undefined) return;
  told.delete(stats);
  const timeToFirstByte = stats.loading.first - stats.loading.start;
  stats.loading.first = stats.parsing.end - transfer;
  stats.loading.start = stats.loading.first - timeToFirstByte;
}
