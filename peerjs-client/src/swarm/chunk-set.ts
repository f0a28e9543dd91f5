import type { Bytes } from '../wire/bytes.js';

/**
 * A set of chunk numbers of one part. Its bytes are in the order of the HAVE
 * frame: bit i of byte i/8, least significant first, is chunk i.
 */
export class ChunkSet {
  /** The bitmap of a HAVE frame; not to be written to. */
  readonly bytes: Bytes;
  private members = 0;

  /** @param length - number of chunks that the set ranges over. */
  constructor(readonly length: number) {
    this.bytes = new Uint8Array(Math.ceil(length / 8));
  }

  /** Copies the bitmap of a HAVE frame; bits beyond `length` are dropped. */
  static from(length: number, bitmap: Uint8Array): ChunkSet {
    const set = new ChunkSet(length);
    for (let i = 0; i < length; i++) {
      if ((((bitmap[i >> 3] ?? 0) >> (i & 7)) & 1) === 1) set.add(i);
    }
    return set;
  }

  /** Number of chunks in the set. */
  get count(): number {
    return this.members;
  }

  /** Whether every chunk is in the set. */
  get full(): boolean {
    return this.members === this.length;
  }

  has(i: number): boolean {
    return i >= 0 && i < this.length && (((this.bytes[i >> 3] ?? 0) >> (i & 7)) & 1) === 1;
  }

  /** Adds chunk `i`; false when it is there already or out of range. */
  add(i: number): boolean {
    if (i < 0 || i >= this.length || this.has(i)) return false;
    this.bytes[i >> 3] = (this.bytes[i >> 3] ?? 0) | (1 << (i & 7));
    this.members++;
    return true;
  }

  /** Takes chunk `i` out. */
  remove(i: number): void {
    if (!this.has(i)) return;
    this.bytes[i >> 3] = (this.bytes[i >> 3] ?? 0) & ~(1 << (i & 7));
    this.members--;
  }

  /** Whether all of [first, end) is in the set. */
  hasRange(first: number, end: number): boolean {
    for (let i = first; i < end; i++) {
      if (!this.has(i)) return false;
    }
    return true;
  }
}
