import type { Bytes } from './bytes.js';

/**
 * Reads fields off a buffer and remembers the first fault, so that a parser
 * checks once, at its end. After a fault every read gives zero or nothing.
 * Integers are QUIC variable-length integers (RFC 9000 section 16); one above
 * 2^53-1 is a fault, since a number cannot hold it.
 */
export class ByteReader {
  /** True after a truncated or out-of-range field. */
  failed = false;
  private position = 0;

  constructor(private readonly bytes: Bytes) {}

  /** Bytes not read yet. */
  get left(): number {
    return this.bytes.length - this.position;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.position;
  }

  byte(): number {
    if (!this.has(1)) return 0;
    return this.bytes[this.position++] ?? 0;
  }

  /** A varint of at most `limit`. */
  varint(limit = Number.MAX_SAFE_INTEGER): number {
    if (!this.has(1)) return 0;
    const first = this.bytes[this.position] ?? 0;
    const length = 1 << (first >> 6);
    if (!this.has(length)) return 0;
    let value = first & 0x3f;
    // Multiplication, not shifts: a shift works on 32 bits.
    for (let i = 1; i < length; i++) value = value * 256 + (this.bytes[this.position + i] ?? 0);
    this.position += length;
    return this.within(value, limit);
  }

  /** A big-endian u16. */
  uint16(): number {
    return this.byte() * 256 + this.byte();
  }

  /** A big-endian u32. */
  uint32(): number {
    return this.uint16() * 65_536 + this.uint16();
  }

  /** A big-endian u64 of at most 2^53-1. */
  uint64(): number {
    return this.within(this.uint32() * 4_294_967_296 + this.uint32(), Number.MAX_SAFE_INTEGER);
  }

  /** A view of the next bytes; it aliases the buffer. */
  take(length: number): Bytes {
    if (!this.has(length)) return EMPTY;
    const view = this.bytes.subarray(this.position, this.position + length);
    this.position += length;
    return view;
  }

  /** All bytes left, at least one and at most `limit`. */
  rest(limit: number): Bytes {
    if (this.left === 0 || this.left > limit) this.failed = true;
    return this.take(this.left);
  }

  /** A length-prefixed string of at most `limit` bytes. */
  text(limit: number): string {
    return decoder.decode(this.take(this.varint(limit)));
  }

  private has(length: number): boolean {
    if (this.failed || length > this.left) this.failed = true;
    return !this.failed;
  }

  private within(value: number, limit: number): number {
    if (value <= limit && !this.failed) return value;
    this.failed = true;
    return 0;
  }
}

const EMPTY: Bytes = new Uint8Array(0);
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Length of the shortest varint of `value`. */
export function varintLength(value: number): number {
  if (value < 64) return 1;
  if (value < 16_384) return 2;
  return value < 1_073_741_824 ? 4 : 8;
}

/** Appends fields to a buffer that grows. */
export class ByteWriter {
  private buffer: Bytes;
  private length = 0;

  /** @param capacity - bytes to begin with; an exact guess saves the copy at the end. */
  constructor(capacity = 64) {
    this.buffer = new Uint8Array(capacity);
  }

  byte(value: number): this {
    this.reserve(1);
    this.buffer[this.length++] = value;
    return this;
  }

  /** Appends the shortest varint of an integer from 0 to 2^53-1. */
  varint(value: number): this {
    const size = varintLength(value);
    this.reserve(size);
    let rest = value;
    for (let i = size - 1; i >= 0; i--) {
      this.buffer[this.length + i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    const prefix = size === 1 ? 0 : size === 2 ? 0x40 : size === 4 ? 0x80 : 0xc0;
    this.buffer[this.length] = (this.buffer[this.length] ?? 0) | prefix;
    this.length += size;
    return this;
  }

  uint16(value: number): this {
    return this.byte((value >>> 8) & 0xff).byte(value & 0xff);
  }

  uint32(value: number): this {
    return this.uint16(value >>> 16).uint16(value & 0xffff);
  }

  raw(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  /** Appends a string with its length as a varint. */
  text(value: string): this {
    const bytes = encoder.encode(value);
    return this.varint(bytes.length).raw(bytes);
  }

  /** The bytes written: the writer's own memory, not to be written to any more. */
  finish(): Bytes {
    return this.length === this.buffer.length ? this.buffer : this.buffer.subarray(0, this.length);
  }

  private reserve(extra: number): void {
    const need = this.length + extra;
    if (need <= this.buffer.length) return;
    const bigger = new Uint8Array(Math.max(need, this.buffer.length * 2));
    bigger.set(this.buffer);
    this.buffer = bigger;
  }
}
