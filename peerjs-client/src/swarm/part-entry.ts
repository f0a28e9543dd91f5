import type { Bytes } from '../wire/bytes.js';
import { chunkRange, type PartHeader } from '../wire/part-header.js';
import { sliceChunks, sliceOf } from '../wire/slices.js';
import { ChunkSet } from './chunk-set.js';
import type { ByteSource } from './engine-types.js';
import { partKey, type PartId } from './part-id.js';
import type { Pending } from './repair-policy.js';

/** Times of one slice of a part, in milliseconds; 0 means never. */
export interface SliceTimes {
  since: number;
  first: number;
  last: number;
  /** Its present source sent a chunk of it. */
  pushed: boolean;
}

/** One part: what is known of it, its bytes, and the repairs under way. */
export class PartEntry {
  readonly key: string;
  readonly slices: readonly SliceTimes[];
  header: PartHeader | undefined;
  /** Verified chunks; there once the header is. */
  have: ChunkSet | undefined;
  /** Chunks whose digest is being computed. */
  verifying: ChunkSet | undefined;
  /** The part's bytes, in one allocation; valid where `have` says so. */
  data: Bytes | undefined;
  /** First chunk of any slice. */
  firstAt = 0;
  completeAt = 0;
  readonly bytes: Record<ByteSource, number> = { peer: 0, feed: 0, edge: 0 };
  pending: Pending[] = [];
  /** Neighbours that failed to send what they announced. */
  readonly failed = new Set<string>();
  retryAt = 0;
  /** The player has the part: from here, or by its own HTTP request. */
  isSettled = false;
  /** The player was told to fetch the part itself: nothing more is asked for it. */
  isLeft = false;
  /** What the slices' sources missed has been counted. */
  isJudged = false;
  /** First chunk that waited for the header, 0 when none did. */
  earlyAt = 0;
  /** The header had to be asked for. */
  isHeaderLate = false;
  /** Slices, as bits, that were repaired although their source was up, */
  late = 0;
  /** and of those, the ones whose source had announced the part. */
  had = 0;
  private readonly cancelled: { readonly id: string; readonly first: number; readonly end: number }[] = [];

  constructor(readonly track: number, readonly id: PartId, k: number, readonly seenAt: number) {
    this.key = partKey(track, id);
    this.slices = Array.from({ length: k }, () => ({ since: seenAt, first: 0, last: 0, pushed: false }));
  }

  /** Notes that a source is told not to push chunks [first, end); false when it has been told. */
  cancel(id: string, first: number, end: number): boolean {
    if (this.cancelled.some((c) => c.id === id && c.first <= first && end <= c.end)) return false;
    this.cancelled.push({ id, first, end });
    return true;
  }

  get isComplete(): boolean {
    return this.have?.full === true;
  }

  /** Bytes verified so far. */
  get loaded(): number {
    return this.bytes.peer + this.bytes.feed + this.bytes.edge;
  }

  /** Takes the verified header: the part's memory is made here, once. */
  begin(header: PartHeader, now: number): void {
    this.header = header;
    this.have = new ChunkSet(header.chunks);
    this.verifying = new ChunkSet(header.chunks);
    this.data = new Uint8Array(header.size);
    if (header.chunks === 0) this.completeAt = this.firstAt = now;
  }

  /** Stores a verified chunk; false when it is there already. */
  put(chunk: number, bytes: Bytes, source: ByteSource, now: number): boolean {
    const { header, have, data } = this;
    if (header === undefined || have === undefined || data === undefined || !have.add(chunk)) return false;
    data.set(bytes, chunkRange(header, chunk)[0]);
    this.bytes[source] += bytes.length;
    const first = this.earlyAt === 0 ? now : this.earlyAt;
    if (this.firstAt === 0) this.firstAt = first;
    if (have.full) this.completeAt = now;
    const slice = this.slices[sliceOf(have.length, this.slices.length, chunk)];
    if (slice !== undefined) {
      if (slice.first === 0) slice.first = first;
      slice.last = Math.max(now, first);
    }
    return true;
  }

  /** A view of a verified chunk. */
  chunk(i: number): Bytes | undefined {
    if (this.header === undefined || this.have?.has(i) !== true) return undefined;
    return this.data?.subarray(...chunkRange(this.header, i));
  }

  /** Runs of chunks of the slice that are held: first and count. */
  heldRuns(s: number): readonly (readonly [number, number])[] {
    const [first, end] = this.sliceRange(s);
    const out: [number, number][] = [];
    for (let i = first; i < end; i++) {
      const run = i;
      while (i < end && this.have?.has(i) === true) i++;
      if (i > run) out.push([run, i - run]);
    }
    return out;
  }

  /** Whether every chunk of slice `s` is there. */
  sliceHeld(s: number): boolean {
    return this.have?.hasRange(...this.sliceRange(s)) === true;
  }

  /** The chunks [first, end) of slice `s`; none before the header. */
  sliceRange(s: number): readonly [first: number, end: number] {
    return sliceChunks(this.have?.length ?? 0, this.slices.length, s);
  }

  /** Which source the bytes came from. */
  get source(): ByteSource | 'mixed' {
    const used = (['peer', 'feed', 'edge'] as const).filter((s) => this.bytes[s] > 0);
    return used.length === 1 ? used[0] ?? 'mixed' : 'mixed';
  }
}
