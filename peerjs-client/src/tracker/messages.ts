import { fromBase64Url } from '../wire/bytes.js';

/** Version sent in `join`. */
export const TRACKER_VERSION = 1;
/** WebSocket subprotocol. */
export const TRACKER_SUBPROTOCOL = 'starling-tracker.1';
/** Longest message, in characters. */
export const MAX_MESSAGE = 16 << 10;

/** What two viewers tell each other through the tracker; texts are squeezed (docs/tracker.md). */
export type SignalData =
  | { readonly offer: string }
  | { readonly answer: string }
  | { readonly candidate: string }
  | { readonly restart: true };

/** Why a pair does not work. */
export type LostReason = 'closed' | 'timeout' | 'connect-failed' | 'slow';

/** Cumulative counters of a session; bytes, milliseconds and counts. */
export interface Beacon {
  readonly peerBytes: number;
  readonly feedBytes: number;
  readonly httpBytes: number;
  readonly sentBytes: number;
  readonly duplicateBytes: number;
  readonly rejectedBytes: number;
  readonly controlBytes: number;
  readonly stalls: number;
  readonly stallMs: number;
  /** Left out while unknown. */
  readonly startupMs?: number;
  /** Left out while unknown. */
  readonly latencyMs?: number;
  readonly bufferMs: number;
  readonly rung: string;
  readonly droppedFrames: number;
  readonly peers: number;
  readonly connectFailures: number;
  readonly uplink: number;
}

/** Viewer → tracker. */
export type ViewerMessage =
  | {
    readonly type: 'join'; readonly version: number; readonly stream: string; readonly tracks: readonly string[];
    readonly uplink: number; readonly browser: string; readonly session: string; readonly token?: string;
  }
  | { readonly type: 'tracks'; readonly tracks: readonly string[] }
  | { readonly type: 'signal'; readonly to: string; readonly data: SignalData }
  | { readonly type: 'lost'; readonly peer: string; readonly reason: LostReason }
  | { readonly type: 'report'; readonly peer: string; readonly track: string; readonly msn: number; readonly index: number; readonly chunk: number }
  | ({ readonly type: 'beacon' } & Beacon)
  | { readonly type: 'leave' };

export interface Welcome {
  readonly type: 'welcome';
  readonly id: string;
  readonly stream: string;
  /** The stream's public key, base64url. */
  readonly key: string;
  readonly iceServers: readonly { readonly urls: string | string[] }[];
  readonly beaconMs: number;
  readonly maxPeers: number;
  /** False: play from the edge. */
  readonly p2p: boolean;
}

export interface SliceAssignment { readonly slice: number; readonly parent: string; readonly backup: string }
export interface TrackAssignment { readonly name: string; readonly slices: readonly SliceAssignment[] }

export interface Assign {
  readonly type: 'assign';
  readonly revision: number;
  readonly tracks: readonly TrackAssignment[];
  /** Ids that may subscribe. */
  readonly children: readonly string[];
  /** All ids paired with this viewer. */
  readonly peers: readonly string[];
}

/** Tracker → viewer. */
export type TrackerMessage =
  | Welcome
  | Assign
  | { readonly type: 'signal'; readonly from: string; readonly data: SignalData }
  | { readonly type: 'ban'; readonly peer: string }
  | { readonly type: 'error'; readonly code: string; readonly message: string };

type Fields = Readonly<Record<string, unknown>>;

/** Reads a message; undefined when it is malformed or of an unknown type, which is ignored. */
export function parseTrackerMessage(text: unknown): TrackerMessage | undefined {
  if (typeof text !== 'string' || text.length > MAX_MESSAGE) return undefined;
  const m = fieldsOf(parseJson(text));
  switch (m?.['type']) {
    case 'welcome':
      return welcome(m);
    case 'assign':
      return assign(m);
    case 'signal': {
      const data = signalData(m['data']);
      return isId(m['from']) && data !== undefined ? { type: 'signal', from: m['from'], data } : undefined;
    }
    case 'ban':
      return isId(m['peer']) ? { type: 'ban', peer: m['peer'] } : undefined;
    case 'error':
      return isText(m['code']) ? { type: 'error', code: m['code'], message: isText(m['message']) ? m['message'] : '' } : undefined;
    default:
      return undefined;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // malformed JSON is a malformed message
  }
}

function welcome(m: Fields): Welcome | undefined {
  const { id, stream, key, beaconMs } = m as { [K in keyof Welcome]?: unknown };
  if (!isId(id) || !isText(stream) || !isText(key) || fromBase64Url(key)?.length !== 32) return undefined;
  return {
    type: 'welcome', id, stream, key, iceServers: allOf(m['iceServers'], iceServer) ?? [],
    beaconMs: isCount(beaconMs) ? Math.min(Math.max(beaconMs, 500), 120_000) : 5_000,
    maxPeers: isCount(m['maxPeers']) ? Math.min(m['maxPeers'], 50) : 10,
    p2p: m['p2p'] !== false,
  };
}

function iceServer(value: unknown): { readonly urls: string | string[] } | undefined {
  const urls = fieldsOf(value)?.['urls'];
  if (isText(urls)) return { urls };
  return Array.isArray(urls) && urls.length > 0 && urls.every(isText) ? { urls } : undefined;
}

/** An assignment replaces the last one whole, so it is taken whole or not at all. */
function assign(m: Fields): Assign | undefined {
  const [tracks, children, peers] = [allOf(m['tracks'], trackAssignment), allOf(m['children'], asId), allOf(m['peers'], asId)];
  if (!isCount(m['revision']) || tracks === undefined || children === undefined || peers === undefined) return undefined;
  return { type: 'assign', revision: m['revision'], tracks, children, peers };
}

function trackAssignment(value: unknown): TrackAssignment | undefined {
  const t = fieldsOf(value);
  const slices = allOf(t?.['slices'], sliceAssignment);
  return isText(t?.['name']) && slices !== undefined ? { name: t['name'], slices } : undefined;
}

function sliceAssignment(value: unknown): SliceAssignment | undefined {
  const s = fieldsOf(value);
  const slice = s?.['slice'];
  if (!isCount(slice) || slice > 15 || !isId(s?.['parent']) || !isId(s['backup'])) return undefined;
  return { slice, parent: s['parent'], backup: s['backup'] };
}

function signalData(value: unknown): SignalData | undefined {
  const d = fieldsOf(value);
  if (d === undefined) return undefined;
  if (isText(d['offer'])) return { offer: d['offer'] };
  if (isText(d['answer'])) return { answer: d['answer'] };
  if (isText(d['candidate'])) return { candidate: d['candidate'] };
  return d['restart'] === true ? { restart: true } : undefined;
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Fields : undefined;
}

/** The items of a list of at most 256; undefined when one is not sound. */
function allOf<T>(value: unknown, read: (item: unknown) => T | undefined): readonly T[] | undefined {
  if (!Array.isArray(value) || value.length > 256) return undefined;
  const items = value.map(read).filter((item) => item !== undefined);
  return items.length === value.length ? items : undefined;
}

function asId(value: unknown): string | undefined {
  return isId(value) ? value : undefined;
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 64;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
