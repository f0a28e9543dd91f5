import type { Clock } from '../clock.js';
import { equalBytes, type Bytes } from '../wire/bytes.js';
import type { ChunkFrame } from '../wire/peer-frames.js';
import { chunkRange, parsePartHeader, type PartHeader } from '../wire/part-header.js';
import type { Verifier } from '../wire/verifier.js';
import type { ByteCounters } from './counters.js';
import type { ByteSource } from './engine-types.js';
import type { PartEntry } from './part-entry.js';
import { partKey, type PartId } from './part-id.js';
import type { TrackParts } from './track-parts.js';

/** Chunks without a header are kept for one part duration, within these bounds. */
const MAX_HELD_BYTES = 4 << 20;
const MAX_HELD_BYTES_A_SENDER = 1 << 20;
/** So long chunks wait for their header before a sender is asked for it, then the next. */
const WANT_AFTER_MS = 40;
/** Headers under verification a part: one a sender, in case the first is a forgery. */
const MAX_RIVAL_HEADERS = 12;

/** Who sent something. */
export interface Sender {
  /** Neighbour, or `edge`. */
  readonly id: string;
  readonly source: ByteSource;
}

interface HeldChunk extends Sender {
  readonly frame: ChunkFrame;
  readonly message: Bytes;
  readonly at: number;
}

export interface ReceiverEvents {
  /** The part's header is verified; its memory is there. */
  onHeader(entry: PartEntry, sender: Sender): void;
  /** Chunks of a part wait for its header: one of their senders is to be asked for it. */
  onWant(id: string, track: number, part: PartId): void;
  /** A verified chunk came; `isFresh` when it was missing. `message` is the CHUNK frame if there was one. */
  onChunk(entry: PartEntry, chunk: number, sender: Sender, isFresh: boolean, message: Bytes | undefined): void;
  /** Bytes failed verification. `chunk` is -1 for a header. */
  onBad(sender: Sender, header: PartHeader | ChunkFrame, chunk: number, size: number): void;
}

export interface ReceiverOptions {
  readonly clock: Clock;
  readonly stream: string;
  readonly counters: ByteCounters;
  readonly events: ReceiverEvents;
  /** One part's duration in ms. */
  partMs(): number;
  verifier(): Verifier | undefined;
  trackOf(number: number): TrackParts | undefined;
}

/** Takes headers and chunks in, and lets nothing through that is not verified. */
export class Receiver {
  private readonly held = new Map<string, HeldChunk[]>();
  /** Who was asked for the header of a part of which chunks are held, and when the next may be. */
  private readonly asked = new Map<string, { readonly ids: Set<string>; nextAt: number }>();
  private heldBytes = 0;
  /** Headers being verified, first to come first, by part. */
  private readonly checking = new Map<string, { readonly raw: Bytes; readonly sender: Sender }[]>();
  private isClosed = false;

  constructor(private readonly o: ReceiverOptions) {}

  /** Whether chunks or a header of the part wait here. */
  hasSign(track: number, id: { readonly msn: number; readonly index: number }): boolean {
    const key = partKey(track, id);
    return this.held.has(key) || this.checking.has(key);
  }

  /** A HEADER frame came. */
  header(sender: Sender, raw: Bytes): void {
    const parsed = parsePartHeader(raw);
    if (parsed === undefined) {
      this.o.counters.rejectedBytes += raw.length;
      return;
    }
    const parts = parsed.stream === this.o.stream ? this.o.trackOf(parsed.track) : undefined;
    if (parts === undefined || parts.find(parsed)?.header !== undefined) return;
    const key = partKey(parsed.track, parsed);
    const rivals = this.checking.get(key);
    if (rivals === undefined) {
      this.checking.set(key, [{ raw, sender }]);
      void this.checkHeaders(key, parts);
    } else if (rivals.length < MAX_RIVAL_HEADERS && !rivals.some((r) => r.sender.id === sender.id || equalBytes(r.raw, raw))) {
      rivals.push({ raw, sender });
    }
  }

  /** A CHUNK frame came. */
  chunk(sender: Sender, frame: ChunkFrame, message: Bytes): void {
    const parts = this.o.trackOf(frame.track);
    const entry = parts?.find(frame);
    if (entry?.header !== undefined) {
      void this.check(entry, frame.chunk, frame.data, sender, message, frame);
    } else if (parts !== undefined) {
      this.hold({ ...sender, frame, message, at: this.o.clock.now() });
    } else {
      this.wasted(sender, frame.data.length);
    }
  }

  /**
   * Verifies a run of chunks that came by HTTP, from chunk `first` on.
   * @returns whether every one was right.
   */
  async range(entry: PartEntry, first: number, bytes: Bytes): Promise<boolean> {
    const { header } = entry;
    if (header === undefined) return false;
    const base = chunkRange(header, first)[0];
    const results: Promise<boolean>[] = [];
    for (let i = first; i < header.chunks && chunkRange(header, i)[0] - base < bytes.length; i++) {
      const [from, to] = chunkRange(header, i);
      if (entry.have?.has(i) !== true) {
        results.push(this.check(entry, i, bytes.subarray(from - base, to - base), { id: 'edge', source: 'edge' }, undefined, header));
      }
    }
    return (await Promise.all(results)).every(Boolean);
  }

  /** Forgets chunks whose header did not come in time. */
  tick(now: number): void {
    const limit = Math.max(this.o.partMs(), 250);
    for (const key of this.asked.keys()) {
      if (!this.held.has(key)) this.asked.delete(key);
    }
    for (const [key, chunks] of this.held) {
      this.ask(key, chunks, now);
      const keep = chunks.filter((c) => now - c.at <= limit || this.checking.has(key));
      if (keep.length === chunks.length) continue;
      for (const c of chunks) {
        if (!keep.includes(c)) this.release(c, true);
      }
      if (keep.length === 0) this.held.delete(key);
      else this.held.set(key, keep);
    }
  }

  close(): void {
    this.isClosed = true;
    this.held.clear();
    this.heldBytes = 0;
  }

  private async checkHeaders(key: string, parts: TrackParts): Promise<void> {
    const candidates = this.checking.get(key) ?? [];
    const verifier = this.o.verifier();
    // The list may grow while a signature is being checked.
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i];
      if (candidate === undefined || verifier === undefined || this.isClosed) break;
      const header = await verifier.header(candidate.raw);
      if (this.isClosed) return;
      if (header !== undefined) {
        this.checking.delete(key);
        this.begin(header, parts, candidate.sender);
        return;
      }
      this.o.counters.rejectedBytes += candidate.raw.length;
      const parsed = parsePartHeader(candidate.raw);
      if (parsed !== undefined) this.o.events.onBad(candidate.sender, parsed, -1, candidate.raw.length);
    }
    this.checking.delete(key);
  }

  /** Asks a sender of chunks for the header that they wait for, then another. */
  private ask(key: string, chunks: readonly HeldChunk[], now: number): void {
    const first = chunks[0];
    if (first === undefined || this.checking.has(key)) return;
    let asked = this.asked.get(key);
    if (asked === undefined) this.asked.set(key, asked = { ids: new Set(), nextAt: first.at + WANT_AFTER_MS });
    if (now < asked.nextAt) return;
    const next = chunks.find((c) => c.source === 'peer' && asked.ids.has(c.id) === false);
    if (next === undefined) return;
    asked.ids.add(next.id);
    asked.nextAt = now + WANT_AFTER_MS;
    this.o.events.onWant(next.id, next.frame.track, next.frame);
  }

  private begin(header: PartHeader, parts: TrackParts, sender: Sender): void {
    const now = this.o.clock.now();
    const entry = parts.ensure(header, now);
    const key = partKey(header.track, header);
    const held = this.held.get(key) ?? [];
    this.held.delete(key);
    for (const c of held) this.release(c, entry === undefined);
    if (entry === undefined || entry.header !== undefined) return;
    const early = held[0];
    if (early !== undefined) entry.earlyAt = early.at;
    entry.isHeaderLate = (this.asked.get(key)?.ids.size ?? 0) > 0;
    this.asked.delete(key);
    entry.begin(header, now);
    this.o.events.onHeader(entry, sender);
    for (const c of held) void this.check(entry, c.frame.chunk, c.frame.data, c, c.message, c.frame);
  }

  /** One digest a chunk: a copy that comes while it is computed is a duplicate. */
  private async check(
    entry: PartEntry, chunk: number, data: Bytes, sender: Sender, message: Bytes | undefined, origin: PartHeader | ChunkFrame,
  ): Promise<boolean> {
    const { header, verifying } = entry;
    const verifier = this.o.verifier();
    if (header === undefined || verifying === undefined || verifier === undefined) return false;
    if (entry.have?.has(chunk) === true || verifying.has(chunk)) {
      this.wasted(sender, data.length);
      if (entry.have?.has(chunk) === true) this.o.events.onChunk(entry, chunk, sender, false, message);
      return true;
    }
    verifying.add(chunk);
    let isRight = false;
    try {
      isRight = await verifier.chunk(header, chunk, data);
    } catch {
      isRight = false; // the digest itself failed: the chunk is not verified
    }
    verifying.remove(chunk);
    if (this.isClosed) return false;
    if (!isRight) {
      this.o.counters.rejectedBytes += data.length;
      this.o.events.onBad(sender, origin, chunk, data.length);
      return false;
    }
    const isFresh = entry.put(chunk, data, sender.source, this.o.clock.now());
    this.o.events.onChunk(entry, chunk, sender, isFresh, message);
    return true;
  }

  private hold(c: HeldChunk): void {
    const size = c.message.length;
    if (this.heldBytes + size > MAX_HELD_BYTES || this.heldBy(c.id) + size > MAX_HELD_BYTES_A_SENDER) {
      this.wasted(c, c.frame.data.length);
      return;
    }
    const key = partKey(c.frame.track, c.frame);
    const chunks = this.held.get(key);
    if (chunks === undefined) this.held.set(key, [c]);
    else chunks.push(c);
    this.heldBytes += size;
  }

  private heldBy(id: string): number {
    let sum = 0;
    for (const chunks of this.held.values()) {
      for (const c of chunks) sum += c.id === id ? c.message.length : 0;
    }
    return sum;
  }

  private release(c: HeldChunk, isWasted: boolean): void {
    this.heldBytes -= c.message.length;
    if (isWasted) this.wasted(c, c.frame.data.length);
  }

  private wasted(sender: Sender, bytes: number): void {
    if (sender.source !== 'edge') this.o.counters.duplicateBytes += bytes;
  }
}
