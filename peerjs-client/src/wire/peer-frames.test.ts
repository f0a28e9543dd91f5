import { describe, expect, it } from 'vitest';
import type { Bytes } from './bytes.js';
import { bitmapHas, encodeFrame, fullBitmap, parseFrame, type Frame } from './peer-frames.js';
import { toHex } from './squeezed-description.js';
import { garbage, hex, readVectors, seeded } from './testing.js';

interface FrameVector {
  readonly name: string;
  readonly type: string;
  readonly fields: Readonly<Record<string, number | string>>;
  readonly encoded: string;
}

const vectors = readVectors<{
  readonly frames: readonly FrameVector[];
  readonly tolerated: readonly FrameVector[];
  readonly unknown: readonly FrameVector[];
  readonly invalid: readonly FrameVector[];
}>('peer-frames.json');

/** A parsed frame in the vectors' form: byte fields as hex, no type. */
function fields(frame: Frame | undefined): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(frame ?? {})) {
    if (name !== 'type') out[name] = value instanceof Uint8Array ? toHex(value) : value;
  }
  return out;
}

describe('peer frames', () => {
  it.each(vectors.frames)('$name', (v) => {
    const frame = parseFrame(hex(v.encoded));
    expect(frame?.type).toBe(v.type);
    expect(fields(frame)).toEqual(v.fields);
    if (frame === undefined || frame.type === 'unknown') throw new Error('a vector of a known type');
    expect(toHex(encodeFrame(frame))).toBe(v.encoded);
  });

  it.each(vectors.tolerated)('tolerates $name', (v) => {
    const frame = parseFrame(hex(v.encoded));
    expect(frame?.type).toBe(v.type);
    expect(fields(frame)).toEqual(v.fields);
  });

  it.each(vectors.unknown)('leaves $name to be ignored', (v) => {
    expect(parseFrame(hex(v.encoded))?.type).toBe('unknown');
  });

  it.each(vectors.invalid)('refuses $name', (v) => {
    expect(parseFrame(hex(v.encoded))).toBeUndefined();
  });

  it('refuses a frame over 32 KiB', () => {
    const frame: Bytes = new Uint8Array((32 << 10) + 1);
    frame[0] = 0x0c;
    expect(parseFrame(frame)).toBeUndefined();
    expect(parseFrame(frame.subarray(0, 32 << 10))?.type).toBe('bye');
  });

  it('parses garbage without harm, and what parses encodes to the same frame', () => {
    const random = seeded(4);
    const samples = [...vectors.frames, ...vectors.tolerated].map((v) => hex(v.encoded));
    let parsed = 0;
    for (let i = 0; i < 20_000; i++) {
      const frame = parseFrame(garbage(random, 120, samples));
      if (frame === undefined || frame.type === 'unknown') continue;
      parsed++;
      // Text is compared by its own parse: invalid UTF-8 is replaced.
      if (frame.type !== 'hello' && frame.type !== 'bye') expect(parseFrame(encodeFrame(frame))).toEqual(frame);
    }
    expect(parsed).toBeGreaterThan(1_000);
  });
});

it('bitmaps', () => {
  expect(toHex(fullBitmap(10))).toBe('ff03');
  expect(toHex(fullBitmap(16))).toBe('ffff');
  expect(fullBitmap(0).length).toBe(0);
  expect([0, 8, 9, 10, 11, 500].map((i) => bitmapHas(hex('0102'), i))).toEqual([true, false, true, false, false, false]);
});
