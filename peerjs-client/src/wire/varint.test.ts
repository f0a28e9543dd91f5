import { describe, expect, it } from 'vitest';
import { hex, seeded } from './testing.js';
import { ByteReader, ByteWriter, varintLength } from './varint.js';

describe('varint', () => {
  it('decodes the examples of RFC 9000 appendix A.1', () => {
    expect(new ByteReader(hex('9d7f3e7d')).varint()).toBe(494_878_333);
    expect(new ByteReader(hex('7bbd')).varint()).toBe(15_293);
    expect(new ByteReader(hex('25')).varint()).toBe(37);
    expect(new ByteReader(hex('4025')).varint()).toBe(37);
  });

  it('round-trips across every length boundary and at random', () => {
    const random = seeded(1);
    const values = [0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 53 - 1];
    for (let i = 0; i < 500; i++) values.push(Math.floor(random() * 2 ** Math.ceil(random() * 53)));
    for (const value of values) {
      const bytes = new ByteWriter(1).varint(value).finish();
      expect(bytes.length).toBe(varintLength(value));
      const r = new ByteReader(bytes);
      expect(r.varint()).toBe(value);
      expect([r.left, r.failed]).toEqual([0, false]);
    }
  });

  it('refuses a number that 53 bits cannot hold, and every truncation', () => {
    for (const text of ['ffffffffffffffff', 'c020000000000000', 'c01fffffffffff', '9d7f3e', '7b', '']) {
      const r = new ByteReader(hex(text));
      expect(r.varint()).toBe(0);
      expect(r.failed).toBe(true);
      expect(r.byte()).toBe(0);
    }
  });

  it('reads and writes fixed widths', () => {
    const bytes = new ByteWriter(1).uint16(0xfffe).uint32(0xfedcba98).byte(7).finish();
    const r = new ByteReader(bytes);
    expect([r.uint16(), r.uint32(), r.byte(), r.failed, r.offset]).toEqual([0xfffe, 0xfedcba98, 7, false, 7]);
    expect(new ByteReader(hex('00065bfeda27c240')).uint64()).toBe(1_790_000_000_123_456);
  });
});
