import type { Bytes } from './bytes.js';
import { chunkCount, MAX_CHUNK_SIZE, MIN_CHUNK_SIZE } from './slices.js';
import { ByteReader } from './varint.js';

/** Largest part, in bytes. */
export const MAX_PART_SIZE = 8 << 20;
/** Largest encoded header, in bytes. */
export const MAX_HEADER_SIZE = 16 << 10;
/** Length of a truncated SHA-256. */
export const HASH_SIZE = 16;
/** Length of an Ed25519 signature. */
export const SIGNATURE_SIZE = 64;

const VERSION = 1;
const ONE_HOUR_US = 3_600_000_000;

/** The signed description of a part (docs/part-header.md). */
export interface PartHeader {
  /** Starts with an IDR, or is audio. */
  readonly independent: boolean;
  /** Last part of its segment. */
  readonly last: boolean;
  /** No media, size 0. */
  readonly gap: boolean;
  /** Timestamps or parameters break before this part. */
  readonly discontinuous: boolean;
  /** All flag bits as sent; unknown ones have no meaning. */
  readonly flags: number;
  /** `app/name`. */
  readonly stream: string;
  /** Number of the track in the catalog. */
  readonly track: number;
  readonly msn: number;
  readonly index: number;
  /** Discontinuity sequence number of the segment. */
  readonly discontinuity: number;
  /** Id of the initialization section. */
  readonly init: number;
  /** Wall clock of the first sample, Unix microseconds. */
  readonly pdtMicros: number;
  /** Duration in microseconds. */
  readonly durationMicros: number;
  /** Bytes of the part. */
  readonly size: number;
  readonly chunkSize: number;
  /** Number of chunks. */
  readonly chunks: number;
  /** The truncated hashes, one after the other. */
  readonly hashes: Bytes;
  /** The whole signed encoding, as it is passed on. */
  readonly raw: Bytes;
}

/** Decodes a header without checking its signature; undefined when it is malformed. */
export function parsePartHeader(raw: Bytes): PartHeader | undefined {
  if (raw.length > MAX_HEADER_SIZE) return undefined;
  const r = new ByteReader(raw);
  if (r.byte() !== VERSION) return undefined;
  const flags = r.byte();
  const stream = ascii(r.take(r.byte()));
  const track = r.byte();
  const msn = r.varint();
  const index = r.varint();
  const discontinuity = r.varint();
  const init = r.varint();
  const pdtMicros = r.uint64();
  const durationMicros = r.varint(ONE_HOUR_US);
  const size = r.varint(MAX_PART_SIZE);
  const chunkSize = r.varint(MAX_CHUNK_SIZE);
  if (r.failed || chunkSize < MIN_CHUNK_SIZE) return undefined;
  const chunks = chunkCount(size, chunkSize);
  const hashes = r.take(chunks * HASH_SIZE);
  r.take(r.varint(MAX_HEADER_SIZE));
  if (r.failed || r.left !== SIGNATURE_SIZE || !isStreamId(stream)) return undefined;
  return {
    independent: (flags & 1) !== 0, last: (flags & 2) !== 0, gap: (flags & 4) !== 0, discontinuous: (flags & 8) !== 0,
    flags, stream, track, msn, index, discontinuity, init, pdtMicros, durationMicros, size, chunkSize, chunks, hashes, raw,
  };
}

/** The bytes [from, to) of chunk `i` in its part. */
export function chunkRange(h: Pick<PartHeader, 'chunkSize' | 'size'>, i: number): readonly [from: number, to: number] {
  return [i * h.chunkSize, Math.min((i + 1) * h.chunkSize, h.size)];
}

/** Length of chunk `i` in bytes. */
export function chunkLength(h: Pick<PartHeader, 'chunkSize' | 'size'>, i: number): number {
  return Math.min((i + 1) * h.chunkSize, h.size) - i * h.chunkSize;
}

const NAME = '[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}';
const STREAM_ID = new RegExp(`^${NAME}/${NAME}$`);

/** Whether a text can be `app/name`. */
export function isStreamId(text: string): boolean {
  return STREAM_ID.test(text);
}

function ascii(bytes: Uint8Array): string {
  let out = '';
  for (const b of bytes) out += String.fromCharCode(b);
  return out;
}
