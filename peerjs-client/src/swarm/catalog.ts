import { keyFromBase64, type Bytes } from '../wire/bytes.js';

/** A track as the engine needs it. */
export interface CatalogTrack {
  /** Number on the wire. */
  readonly number: number;
  readonly name: string;
  readonly kind: 'video' | 'audio';
  /** Average, bit/s. */
  readonly bitrate: number;
  /** K, the number of slices. */
  readonly slices: number;
}

/** What `catalog.json` tells (docs/hls.md). */
export interface Catalog {
  readonly key: Bytes;
  readonly segmentMs: number;
  readonly partMs: number;
  /** Where the tracker runs; empty: at the edge. */
  readonly tracker: string;
  readonly tracks: readonly CatalogTrack[];
}

/** Reads a catalog; undefined when it has no usable key or track. */
export function parseCatalog(value: unknown): Catalog | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const c = value as Readonly<Record<string, unknown>>;
  const key = typeof c['key'] === 'string' ? keyFromBase64(c['key']) : undefined;
  if (key?.length !== 32 || !Array.isArray(c['tracks'])) return undefined;
  const tracks = c['tracks'].map(parseTrack).filter((t) => t !== undefined);
  if (tracks.length === 0) return undefined;
  return {
    key, tracks, segmentMs: positive(c['segmentMs'], 2_000), partMs: positive(c['partMs'], 333),
    tracker: typeof c['tracker'] === 'string' ? c['tracker'] : '',
  };
}

function parseTrack(value: unknown): CatalogTrack | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const t = value as Readonly<Record<string, unknown>>;
  const { number, name, slices } = t as { number?: unknown; name?: unknown; slices?: unknown };
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > 255 || typeof name !== 'string') return undefined;
  if (typeof slices !== 'number' || !Number.isInteger(slices) || slices < 1 || slices > 16) return undefined;
  return { number, name, slices, kind: t['kind'] === 'audio' ? 'audio' : 'video', bitrate: positive(t['bitrate'], 1_000_000) };
}

function positive(value: unknown, otherwise: number): number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value) ? value : otherwise;
}
