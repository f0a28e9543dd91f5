/** Largest chunk in bytes: a data channel message that every implementation takes whole (RFC 8831 section 6.6). */
export const MAX_CHUNK_SIZE = 16_384;
/** Smallest chunk size a part header may name. */
export const MIN_CHUNK_SIZE = 1_024;

/** Number of chunks of a part. */
export function chunkCount(size: number, chunkSize: number): number {
  return Math.ceil(size / chunkSize);
}

/** The chunk size that the origin chooses, so that chunks divide evenly among the slices. */
export function chunkSizeFor(size: number, slices: number): number {
  if (size <= 0) return MIN_CHUNK_SIZE;
  const k = Math.max(slices, 1);
  const n = k * Math.ceil(size / (k * MAX_CHUNK_SIZE));
  return Math.min(Math.max(Math.ceil(size / n), MIN_CHUNK_SIZE), MAX_CHUNK_SIZE);
}

/** The chunks [first, end) of a part with `n` chunks that belong to slice `s` of `k`. */
export function sliceChunks(n: number, k: number, s: number): readonly [first: number, end: number] {
  return [Math.floor((n * s) / k), Math.floor((n * (s + 1)) / k)];
}

/** The slice of `k` to which chunk `i` of `n` belongs. */
export function sliceOf(n: number, k: number, i: number): number {
  return Math.floor(((i + 1) * k - 1) / n);
}

/** The mask of all slices of a track. */
export function allSlices(k: number): number {
  return (1 << Math.min(Math.max(k, 0), 16)) - 1;
}
