import { EDGE_ID } from '../wire/peer-frames.js';

/** One slice as the choice of the header source sees it. */
export interface Headed {
  /** Who pushes it; empty when nobody can. */
  readonly source: string;
  /** Children that it is passed on to. */
  readonly children: number;
  /** ms behind the first slice of a part. */
  readonly lag: number;
}

/**
 * Who sends a track's headers (docs/repair.md, rule 17): the feed when it pushes
 * anything of the track, since it always sends them; else the source of the
 * slice with the most children, so that the headers come by the way of the
 * chunks that are to be passed on; of equals the one that does it now, then the
 * one with the least lag, then the first. `not` is left out when there is
 * another.
 */
export function headerSource(slices: readonly Headed[], now: string, not: string): string {
  if (slices.some((x) => x.source === EDGE_ID)) return EDGE_ID;
  let best: Headed | undefined;
  for (const x of slices) {
    if (x.source !== '' && x.source !== not && (best === undefined || isBetter(x, best, now))) best = x;
  }
  return (best ?? slices.find((x) => x.source !== ''))?.source ?? '';
}

function isBetter(x: Headed, y: Headed, now: string): boolean {
  if (x.children !== y.children) return x.children > y.children;
  if ((x.source === now) !== (y.source === now)) return x.source === now;
  return x.lag < y.lag;
}
