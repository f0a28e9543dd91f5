import { allSlices } from '../wire/slices.js';
import type { CatalogTrack } from './catalog.js';
import { comparePart, type PartId } from './part-id.js';

/** A hard limit on upload: bytes leave only while there are tokens. Pure; times in milliseconds. */
export class TokenBucket {
  private tokens: number;
  private at: number | undefined;
  private bytesPerMs = 0;
  private capacity = 0;

  /**
   * @param bitsPerSecond - the rate; 0 lets nothing pass.
   * @param burstMs - so much of the rate may leave at once; at least a chunk.
   */
  constructor(bitsPerSecond: number, private readonly burstMs = 30) {
    this.tokens = Infinity;
    this.limitTo(bitsPerSecond);
  }

  /** Changes the rate from now on; what was saved up stays, as far as the new rate lets it. */
  setRate(bitsPerSecond: number, now: number): void {
    this.refill(now);
    this.limitTo(bitsPerSecond);
  }

  /** Takes `bytes` if they may leave now. */
  take(bytes: number, now: number): boolean {
    this.refill(now);
    if (this.tokens < bytes) return false;
    this.tokens -= bytes;
    return true;
  }

  /** Milliseconds until `bytes` may leave; Infinity at rate 0. */
  wait(bytes: number, now: number): number {
    this.refill(now);
    if (this.bytesPerMs === 0) return Infinity;
    return Math.max(0, (bytes - this.tokens) / this.bytesPerMs);
  }

  private limitTo(bitsPerSecond: number): void {
    this.bytesPerMs = bitsPerSecond / 8_000;
    this.capacity = bitsPerSecond === 0 ? 0 : Math.max(this.bytesPerMs * this.burstMs, 16_384);
    this.tokens = Math.min(this.tokens, this.capacity);
  }

  private refill(now: number): void {
    if (this.at !== undefined) this.tokens = Math.min(this.capacity, this.tokens + Math.max(0, now - this.at) * this.bytesPerMs);
    this.at = now;
  }
}

/** What pushing one slice takes of the uplink in bit/s, with a quarter to spare for repairs and bursts. */
export function sliceCost(track: CatalogTrack): number {
  return (track.bitrate / track.slices) * 1.25;
}

/**
 * The slices that children subscribed to, and admission of more: the sum of
 * their costs stays within the uplink. The tracker plans with 2× headroom; the
 * rest is for children that come over from a lost parent before it knows.
 */
export class ChildBook {
  /** child → track number → first part wanted, by slice. */
  private readonly children = new Map<string, Map<number, Map<number, PartId>>>();
  /** In which order they came; what is over is still in it. */
  private order: { readonly child: string; readonly track: number; readonly slice: number }[] = [];

  /** @param uplink - bit/s; it may change. */
  constructor(public uplink: number, private readonly trackOf: (number: number) => CatalogTrack | undefined) {}

  /** Adds what fits. Slices that the child has already are neither added nor refused. */
  subscribe(child: string, track: CatalogTrack, mask: number, from: PartId): { readonly added: number; readonly refused: number } {
    const wanted = mask & allSlices(track.slices);
    let [added, refused] = [0, 0];
    for (let s = 0; s < track.slices; s++) {
      const bit = 1 << s;
      if ((wanted & bit) === 0 || this.slicesOf(child, track.number)?.has(s) === true) continue;
      if (this.committed() + sliceCost(track) > this.uplink) {
        refused |= bit;
        continue;
      }
      this.slicesOf(child, track.number, true)?.set(s, from);
      this.order.push({ child, track: track.number, slice: s });
      added |= bit;
    }
    return { added, refused };
  }

  unsubscribe(child: string, track: number, mask: number): void {
    this.order = this.order.filter((o) => o.child !== child || o.track !== track || ((mask >> o.slice) & 1) === 0);
    const slices = this.slicesOf(child, track);
    for (const s of [...slices?.keys() ?? []]) {
      if (((mask >> s) & 1) === 1) slices?.delete(s);
    }
    if (slices?.size === 0) this.children.get(child)?.delete(track);
    if (this.children.get(child)?.size === 0) this.children.delete(child);
  }

  remove(child: string): void {
    this.order = this.order.filter((o) => o.child !== child);
    this.children.delete(child);
  }

  /** Children that are to be pushed slice `s` of the part. */
  subscribers(track: number, id: PartId, s: number): readonly string[] {
    const out: string[] = [];
    for (const [child, tracks] of this.children) {
      const from = tracks.get(track)?.get(s);
      if (from !== undefined && comparePart(id, from) >= 0) out.push(child);
    }
    return out;
  }

  /** Whether the viewer is a child for any slice, of one track or at all. */
  has(child: string, track?: number): boolean {
    const tracks = this.children.get(child);
    return track === undefined ? tracks !== undefined : tracks?.has(track) === true;
  }

  /** Children that have slice `s` of the track. */
  childrenOf(track: number, s: number): number {
    let n = 0;
    for (const tracks of this.children.values()) n += tracks.get(track)?.has(s) === true ? 1 : 0;
    return n;
  }

  /** Takes slices beyond the uplink from the children that came last. */
  shed(): readonly { readonly child: string; readonly track: number; readonly mask: number }[] {
    const out = new Map<string, { readonly child: string; readonly track: number; mask: number }>();
    this.order = this.order.filter((o) => this.slicesOf(o.child, o.track)?.has(o.slice) === true);
    while (this.committed() > this.uplink) {
      const last = this.order.pop();
      if (last === undefined) break;
      this.unsubscribe(last.child, last.track, 1 << last.slice);
      const key = `${last.child}/${last.track}`;
      const shed = out.get(key);
      if (shed === undefined) out.set(key, { child: last.child, track: last.track, mask: 1 << last.slice });
      else shed.mask |= 1 << last.slice;
    }
    return [...out.values()];
  }

  /** bit/s promised, to one child or to all. */
  committed(child?: string): number {
    let sum = 0;
    for (const [id, tracks] of this.children) {
      if (child !== undefined && child !== id) continue;
      for (const [number, slices] of tracks) {
        const track = this.trackOf(number);
        if (track !== undefined) sum += slices.size * sliceCost(track);
      }
    }
    return sum;
  }

  private slicesOf(child: string, track: number, isMade = false): Map<number, PartId> | undefined {
    let tracks = this.children.get(child);
    if (tracks === undefined && isMade) this.children.set(child, tracks = new Map());
    let slices = tracks?.get(track);
    if (slices === undefined && isMade) tracks?.set(track, slices = new Map());
    return slices;
  }
}
