import type { Bytes } from './bytes.js';
import { MAX_HEADER_SIZE } from './part-header.js';
import { MAX_CHUNK_SIZE } from './slices.js';
import { ByteReader, ByteWriter, varintLength } from './varint.js';

/** Version sent in HELLO. */
export const PEER_VERSION = 1;
/** Largest frame, in bytes. */
export const MAX_FRAME_SIZE = 32 << 10;
/** Most chunks a part can have. */
export const MAX_CHUNKS = 8_192;
/** Largest value of a slice mask (16 bits). */
export const MAX_SLICE_MASK = 0xffff;
/** WebSocket subprotocol of the feed. */
export const FEED_SUBPROTOCOL = 'starling-peer.1';
/** Id of an edge in its HELLO, and of the edge as a parent. */
export const EDGE_ID = 'edge';
const MAX_DEADLINE_MS = 60_000;
const MAX_TEXT = 256;

/** SUBSCRIBE flag: the chunks alone, since the headers come from another parent. */
export const NO_HEADERS = 1;

/** Why a REFUSE or BYE was sent. */
export const Reason = {
  none: 0, busy: 1, absent: 2, late: 3, protocol: 4, badData: 5, version: 6, wrongStream: 7, leaving: 8, banned: 9,
} as const;

/** Type byte of each frame. */
export const FrameType = {
  hello: 0x01, subscribe: 0x02, unsubscribe: 0x03, header: 0x04, chunk: 0x05, have: 0x06,
  request: 0x07, cancel: 0x08, refuse: 0x09, ping: 0x0a, pong: 0x0b, bye: 0x0c, want: 0x0d,
} as const;

/** A run of chunks [first, first + count) of a part. */
export interface ChunkRun {
  readonly track: number;
  readonly msn: number;
  readonly index: number;
  readonly first: number;
  readonly count: number;
}

export interface HelloFrame { readonly type: 'hello'; readonly version: number; readonly features: number; readonly id: string; readonly stream: string }
export interface SubscribeFrame {
  readonly type: 'subscribe'; readonly track: number; readonly slices: number; readonly msn: number; readonly index: number;
  /** Options for the whole track, such as {@link NO_HEADERS}; unknown bits mean nothing. */
  readonly flags: number;
}
export interface UnsubscribeFrame { readonly type: 'unsubscribe'; readonly track: number; readonly slices: number }
export interface HeaderFrame { readonly type: 'header'; readonly raw: Bytes }
export interface ChunkFrame {
  readonly type: 'chunk'; readonly track: number; readonly msn: number; readonly index: number; readonly chunk: number;
  /** Aliases the parsed buffer. */
  readonly data: Bytes;
}
export interface HaveFrame { readonly type: 'have'; readonly track: number; readonly msn: number; readonly index: number; readonly chunks: number; readonly bitmap: Bytes }
export interface RequestFrame extends ChunkRun { readonly type: 'request'; readonly deadlineMs: number }
export interface CancelFrame extends ChunkRun { readonly type: 'cancel' }
export interface RefuseFrame extends ChunkRun { readonly type: 'refuse'; readonly reason: number }
export interface PingFrame { readonly type: 'ping'; readonly token: Bytes }
export interface PongFrame { readonly type: 'pong'; readonly token: Bytes }
export interface ByeFrame { readonly type: 'bye'; readonly reason: number; readonly text: string }
/** Asks for the header that a {@link NO_HEADERS} subscription left out. */
export interface WantFrame { readonly type: 'want'; readonly track: number; readonly msn: number; readonly index: number }
/** A frame of a later version: ignored. */
export interface UnknownFrame { readonly type: 'unknown'; readonly code: number }

/** One message of the peer protocol (docs/peer.md). */
export type Frame =
  | HelloFrame | SubscribeFrame | UnsubscribeFrame | HeaderFrame | ChunkFrame | HaveFrame
  | RequestFrame | CancelFrame | RefuseFrame | PingFrame | PongFrame | ByeFrame | WantFrame | UnknownFrame;

/** Encodes a frame. */
export function encodeFrame(f: Exclude<Frame, UnknownFrame>): Bytes {
  switch (f.type) {
    case 'hello':
      return start(FrameType.hello).varint(f.version).varint(f.features).text(f.id).text(f.stream).finish();
    case 'subscribe': {
      const w = start(FrameType.subscribe).varint(f.track).varint(f.slices).varint(f.msn).varint(f.index);
      return (f.flags === 0 ? w : w.varint(f.flags)).finish();
    }
    case 'unsubscribe':
      return start(FrameType.unsubscribe).varint(f.track).varint(f.slices).finish();
    case 'header':
      return new ByteWriter(1 + f.raw.length).byte(FrameType.header).raw(f.raw).finish();
    case 'chunk':
      return encodeChunk(f.track, f.msn, f.index, f.chunk, f.data);
    case 'have':
      return part(start(FrameType.have), f).varint(f.chunks).raw(f.bitmap.subarray(0, Math.ceil(f.chunks / 8))).finish();
    case 'request':
      return run(start(FrameType.request), f).varint(f.deadlineMs).finish();
    case 'cancel':
      return run(start(FrameType.cancel), f).finish();
    case 'refuse':
      return run(start(FrameType.refuse).varint(f.reason), f).finish();
    case 'ping':
    case 'pong':
      return start(f.type === 'ping' ? FrameType.ping : FrameType.pong).raw(f.token).finish();
    case 'bye':
      return start(FrameType.bye).varint(f.reason).text(f.text.slice(0, MAX_TEXT / 4)).finish();
    case 'want':
      return part(start(FrameType.want), f).finish();
  }
}

/** Encodes a CHUNK into one exact allocation. */
export function encodeChunk(track: number, msn: number, index: number, chunk: number, data: Bytes): Bytes {
  const prefix = 1 + varintLength(track) + varintLength(msn) + varintLength(index) + varintLength(chunk);
  return part(new ByteWriter(prefix + data.length).byte(FrameType.chunk), { track, msn, index }).varint(chunk).raw(data).finish();
}

function start(type: number): ByteWriter {
  return new ByteWriter(48).byte(type);
}

function part(w: ByteWriter, f: { readonly track: number; readonly msn: number; readonly index: number }): ByteWriter {
  return w.varint(f.track).varint(f.msn).varint(f.index);
}

function run(w: ByteWriter, f: ChunkRun): ByteWriter {
  return part(w, f).varint(f.first).varint(f.count);
}

/**
 * Decodes one frame; undefined when it breaks the format, which is answered by
 * BYE(protocol). Bytes after the last field are ignored. Byte fields alias `b`.
 */
export function parseFrame(b: Bytes): Frame | undefined {
  if (b.length === 0 || b.length > MAX_FRAME_SIZE) return undefined;
  const r = new ByteReader(b);
  const frame = parseFields(r, r.byte());
  return r.failed ? undefined : frame;
}

function parseFields(r: ByteReader, type: number): Frame {
  switch (type) {
    case FrameType.hello:
      return { type: 'hello', version: r.varint(), features: r.varint(), id: r.text(64), stream: r.text(129) };
    case FrameType.subscribe:
      return {
        type: 'subscribe', track: r.varint(255), slices: r.varint(MAX_SLICE_MASK), msn: r.varint(), index: r.varint(),
        flags: r.left > 0 ? r.varint() : 0,
      };
    case FrameType.unsubscribe:
      return { type: 'unsubscribe', track: r.varint(255), slices: r.varint(MAX_SLICE_MASK) };
    case FrameType.header:
      return { type: 'header', raw: r.rest(MAX_HEADER_SIZE) };
    case FrameType.chunk:
      return { type: 'chunk', track: r.varint(255), msn: r.varint(), index: r.varint(), chunk: r.varint(MAX_CHUNKS - 1), data: r.rest(MAX_CHUNK_SIZE) };
    case FrameType.have: {
      const id = { track: r.varint(255), msn: r.varint(), index: r.varint() };
      const chunks = r.varint(MAX_CHUNKS);
      return { type: 'have', ...id, chunks, bitmap: r.take(Math.ceil(chunks / 8)) };
    }
    case FrameType.request: {
      const range = parseRun(r);
      return { type: 'request', ...range, deadlineMs: r.varint(MAX_DEADLINE_MS) };
    }
    case FrameType.cancel:
      return { type: 'cancel', ...parseRun(r) };
    case FrameType.refuse:
      // The count is a slice mask when a whole SUBSCRIBE is refused.
      return {
        type: 'refuse', reason: r.varint(255), track: r.varint(255), msn: r.varint(), index: r.varint(),
        first: r.varint(MAX_CHUNKS - 1), count: r.varint(MAX_SLICE_MASK),
      };
    case FrameType.ping:
      return { type: 'ping', token: r.take(8) };
    case FrameType.pong:
      return { type: 'pong', token: r.take(8) };
    case FrameType.bye:
      return { type: 'bye', reason: r.varint(255), text: r.text(MAX_TEXT) };
    case FrameType.want:
      return { type: 'want', track: r.varint(255), msn: r.varint(), index: r.varint() };
    default:
      return { type: 'unknown', code: type };
  }
}

function parseRun(r: ByteReader): ChunkRun {
  const range = { track: r.varint(255), msn: r.varint(), index: r.varint(), first: r.varint(MAX_CHUNKS - 1), count: r.varint(MAX_CHUNKS) };
  if (range.count === 0 || range.first + range.count > MAX_CHUNKS) r.failed = true;
  return range;
}

/** Whether a bitmap has the bit of chunk `i`: bit i of byte i/8, least significant first. */
export function bitmapHas(bitmap: Uint8Array, i: number): boolean {
  return (((bitmap[i >> 3] ?? 0) >> (i & 7)) & 1) === 1;
}

/** A bitmap of `n` ones. */
export function fullBitmap(n: number): Bytes {
  const out = new Uint8Array(Math.ceil(n / 8)).fill(0xff);
  if (n % 8 !== 0) out[out.length - 1] = (1 << (n % 8)) - 1;
  return out;
}
