/** The admin listener's JSON (`/api/v1/…`), read with care: a dashboard outlives server versions. */

/** One row of `/api/v1/streams`. Rates are over the last 10 s, bytes since the node started. */
export interface StreamRow {
  readonly id: string;
  readonly live: boolean;
  readonly startedAtMs: number;
  readonly tracks: readonly string[];
  readonly viewers: number;
  readonly peers: number;
  /** 0 to 1. */
  readonly offload: number;
  readonly offloadTotal: number;
  /** bit/s. */
  readonly peerBitrate: number;
  readonly edgeBitrate: number;
  readonly peerBytes: number;
  readonly edgeBytes: number;
  readonly latencyP50Ms: number;
  readonly latencyP95Ms: number;
  readonly startupP50Ms: number;
  readonly stalls: number;
  readonly stallMs: number;
  readonly roots: number;
  readonly banned: number;
}

/** `/api/v1/history`: lists of one length, oldest first. */
export interface History {
  readonly stepMs: number;
  /** Unix milliseconds. */
  readonly t: readonly number[];
  readonly viewers: readonly number[];
  readonly offload: readonly number[];
  readonly edgeBitrate: readonly number[];
  readonly peerBitrate: readonly number[];
  readonly latencyP50Ms: readonly number[];
  /** Cumulative. */
  readonly stalls: readonly number[];
}

/** `/api/v1/node`. */
export interface NodeInfo {
  readonly node: string;
  readonly role: string;
  readonly version: string;
  readonly uptimeMs: number;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}
function number(fields: Fields, name: string): number {
  const value = fields[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
function text(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === 'string' ? value : '';
}
function numbers(fields: Fields, name: string, length: number): number[] {
  const value: unknown = fields[name];
  const list: unknown[] = Array.isArray(value) ? value : [];
  return Array.from({ length }, (_, i) => (typeof list[i] === 'number' ? list[i] : 0));
}

/** Reads the list of streams; rows without an id are left out. */
export function parseRows(json: unknown): StreamRow[] {
  if (!Array.isArray(json)) throw new TypeError('/api/v1/streams is not a list');
  return json.map(fieldsOf).filter((fields) => text(fields, 'id') !== '').map((fields) => ({
    id: text(fields, 'id'),
    live: fields['live'] === true,
    startedAtMs: number(fields, 'startedAtMs'),
    tracks: Array.isArray(fields['tracks']) ? fields['tracks'].filter((track): track is string => typeof track === 'string') : [],
    viewers: number(fields, 'viewers'),
    peers: number(fields, 'peers'),
    offload: number(fields, 'offload'),
    offloadTotal: number(fields, 'offloadTotal'),
    peerBitrate: number(fields, 'peerBitrate'),
    edgeBitrate: number(fields, 'edgeBitrate'),
    peerBytes: number(fields, 'peerBytes'),
    edgeBytes: number(fields, 'edgeBytes'),
    latencyP50Ms: number(fields, 'latencyP50Ms'),
    latencyP95Ms: number(fields, 'latencyP95Ms'),
    startupP50Ms: number(fields, 'startupP50Ms'),
    stalls: number(fields, 'stalls'),
    stallMs: number(fields, 'stallMs'),
    roots: number(fields, 'roots'),
    banned: number(fields, 'banned'),
  }));
}

/** Reads a history; lists that are missing or short are filled with zeros. */
export function parseHistory(json: unknown): History {
  const fields = fieldsOf(json);
  const length = Array.isArray(fields['t']) ? fields['t'].length : 0;
  return {
    stepMs: number(fields, 'stepMs'),
    t: numbers(fields, 't', length),
    viewers: numbers(fields, 'viewers', length),
    offload: numbers(fields, 'offload', length),
    edgeBitrate: numbers(fields, 'edgeBitrate', length),
    peerBitrate: numbers(fields, 'peerBitrate', length),
    latencyP50Ms: numbers(fields, 'latencyP50Ms', length),
    stalls: numbers(fields, 'stalls', length),
  };
}

/** Reads the node's description. */
export function parseNode(json: unknown): NodeInfo {
  const fields = fieldsOf(json);
  return { node: text(fields, 'node'), role: text(fields, 'role'), version: text(fields, 'version'), uptimeMs: number(fields, 'uptimeMs') };
}

const timeoutMs = 4000;

async function getJson(path: string): Promise<unknown> {
  const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return response.json();
}

/** All streams. */
export async function fetchRows(): Promise<StreamRow[]> {
  return parseRows(await getJson('/api/v1/streams'));
}
/** The last 15 minutes of one stream. */
export async function fetchHistory(id: string): Promise<History> {
  return parseHistory(await getJson(`/api/v1/history?stream=${encodeURIComponent(id)}`));
}
/** The node itself. */
export async function fetchNode(): Promise<NodeInfo> {
  return parseNode(await getJson('/api/v1/node'));
}
