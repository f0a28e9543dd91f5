import { EDGE_ID } from '../wire/peer-frames.js';
import type { PartEntry } from './part-entry.js';
import { comparePart } from './part-id.js';
import type { Source, SourceWorld } from './source-state.js';
import type { TrackParts } from './track-parts.js';

/** So long beyond two round trips a backup gets to begin. */
const STRANDED_MS = 250;

/** A part that the neighbour that took over from a lost source should have begun to push, when it has nothing either. */
export function strandedOn(slice: Source, s: number, parts: TrackParts, world: SourceWorld, now: number): PartEntry | undefined {
  if (slice.hastyAt === 0 || slice.id === EDGE_ID || !world.usable(EDGE_ID) || world.strain.isActive) return undefined;
  const wait = STRANDED_MS + 2 * world.roundTrip(slice.id);
  return parts.all.find((e) => (
    now - Math.max(e.seenAt, slice.hastyAt) >= wait && !e.isSettled && comparePart(e.id, slice.from) >= 0 && !e.sliceHeld(s)));
}
