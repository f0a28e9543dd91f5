/** Addresses a part inside a track: media sequence number of the segment, and index in it. */
export interface PartId {
  readonly msn: number;
  readonly index: number;
}

/** Orders parts by time: negative when `a` is before `b`. */
export function comparePart(a: PartId, b: PartId): number {
  return a.msn - b.msn || a.index - b.index;
}

/** An id that is after `id` and not after any later part. */
export function partAfter(id: PartId): PartId {
  return { msn: id.msn, index: id.index + 1 };
}

/** "msn.index", the form used in URLs and logs. */
export function partText(id: PartId): string {
  return `${id.msn}.${id.index}`;
}

/** A map key of a part of any track. */
export function partKey(track: number, id: PartId): string {
  return `${track}/${id.msn}.${id.index}`;
}

/** In SUBSCRIBE: from the next part. */
export const NEXT_PART: PartId = { msn: 0, index: 0 };
