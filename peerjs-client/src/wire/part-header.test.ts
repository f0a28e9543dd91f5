import { describe, expect, it } from 'vitest';
import { chunkRange, MAX_PART_SIZE, parsePartHeader } from './part-header.js';
import { chunkSizeFor } from './slices.js';
import { toHex } from './squeezed-description.js';
import { garbage, hex, readVectors, seeded } from './testing.js';
import { Verifier } from './verifier.js';

interface HeaderVector {
  readonly name: string;
  readonly publicKey: string;
  readonly flags: number;
  readonly stream: string;
  readonly track: number;
  readonly msn: number;
  readonly index: number;
  readonly discontinuity: number;
  readonly init: number;
  readonly pdtMicros: number;
  readonly durationMicros: number;
  readonly size: number;
  readonly chunkSize: number;
  readonly hashes: readonly string[];
  readonly payload: string;
  readonly encoded: string;
}

const vectors = readVectors<HeaderVector[]>('part-header.json');

function pattern(v: HeaderVector): Uint8Array<ArrayBuffer> {
  const msn = BigInt(v.msn) % 251n;
  return Uint8Array.from({ length: v.size }, (_, i) => (i * 7 + Number(msn)) % 251);
}

async function verifier(publicKey: string): Promise<Verifier> {
  const made = await Verifier.create(hex(publicKey), crypto.subtle);
  if (made === undefined) throw new Error('no Ed25519 here');
  return made;
}

describe.each(vectors)('header $name', (v) => {
  it('parses to the fields of the vector', () => {
    const h = parsePartHeader(hex(v.encoded));
    expect(h).toMatchObject({
      flags: v.flags, independent: (v.flags & 1) !== 0, last: (v.flags & 2) !== 0, gap: (v.flags & 4) !== 0, discontinuous: (v.flags & 8) !== 0,
      stream: v.stream, track: v.track, msn: v.msn, index: v.index, discontinuity: v.discontinuity, init: v.init,
      pdtMicros: v.pdtMicros, durationMicros: v.durationMicros, size: v.size, chunkSize: v.chunkSize, chunks: v.hashes.length,
    });
    expect(toHex(h?.hashes ?? new Uint8Array(1))).toBe(v.hashes.join(''));
    if (v.payload !== '') expect(toHex(pattern(v))).toBe(v.payload);
  });

  it('verifies, and so does every chunk; an altered chunk does not', async () => {
    const checks = await verifier(v.publicKey);
    const h = await checks.header(hex(v.encoded));
    if (h === undefined) throw new Error('signature refused');
    const part = pattern(v);
    for (let i = 0; i < h.chunks; i++) {
      const [from, to] = chunkRange(h, i);
      const bytes = part.slice(from, to);
      expect(await checks.chunk(h, i, bytes)).toBe(true);
      expect(await checks.chunk(h, i, bytes.slice(1))).toBe(false);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      expect(await checks.chunk(h, i, bytes)).toBe(false);
    }
    expect(await checks.chunk(h, h.chunks, new Uint8Array(1))).toBe(false);
  });
});

it('rejects every altered byte and every truncation', async () => {
  const v = vectors[0];
  if (v === undefined) throw new Error('no vectors');
  const checks = await verifier(v.publicKey);
  const raw = hex(v.encoded);
  for (let i = 0; i < raw.length; i++) {
    const bad = new Uint8Array(raw);
    bad[i] = (bad[i] ?? 0) ^ 0x10;
    expect(await checks.header(bad), `byte ${i}`).toBeUndefined();
    expect(parsePartHeader(raw.slice(0, i)), `${i} bytes`).toBeUndefined();
  }
  expect(parsePartHeader(new Uint8Array([...raw, 0]))).toBeUndefined();
});

it('gives no verifier without WebCrypto or with an unusable key', async () => {
  expect(await Verifier.create(new Uint8Array(32), undefined)).toBeUndefined();
  expect(await Verifier.create(new Uint8Array(31), crypto.subtle)).toBeUndefined();
});

it('parses garbage without harm', () => {
  const random = seeded(3);
  const samples = vectors.map((v) => hex(v.encoded));
  let parsed = 0;
  for (let i = 0; i < 5_000; i++) {
    const h = parsePartHeader(garbage(random, 400, samples));
    if (h === undefined) continue;
    parsed++;
    expect(h.size).toBeLessThanOrEqual(MAX_PART_SIZE);
    expect(h.hashes.length).toBe(h.chunks * 16);
    if (h.chunks > 0) expect(chunkRange(h, h.chunks - 1)[1]).toBe(h.size);
  }
  expect(parsed).toBeGreaterThan(0);
});

it('chooses the chunk size of the vectors', () => {
  expect(chunkSizeFor(62_500, 3)).toBe(10_417);
});
