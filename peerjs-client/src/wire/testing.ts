import { readFileSync } from 'node:fs';
import type { Bytes } from './bytes.js';
import { fromHex } from './squeezed-description.js';

/** Reads a golden vector file shared with the Go code. Tests only. */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../testdata/vectors/${name}`, import.meta.url), 'utf8')) as T;
}

/** Decodes hex that a test relies on. */
export function hex(text: string): Bytes {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error(`not hex: ${text}`);
  return bytes;
}

/** A seeded generator (mulberry32), so that a failing run can be repeated. */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Random bytes of random length below `limit`, or a damaged copy of one of `samples`. */
export function garbage(random: () => number, limit: number, samples: readonly Bytes[]): Bytes {
  const sample = samples[Math.floor(random() * samples.length)];
  if (sample === undefined || random() < 0.4) {
    return Uint8Array.from({ length: Math.floor(random() * limit) }, () => Math.floor(random() * 256));
  }
  const out = new Uint8Array(sample);
  for (let n = Math.floor(random() * 4); n >= 0; n--) out[Math.floor(random() * out.length)] = Math.floor(random() * 256);
  return random() < 0.5 ? out : out.slice(0, Math.floor(random() * (out.length + 1)));
}
