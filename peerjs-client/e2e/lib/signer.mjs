// An origin in miniature: parts of seeded bytes with signed headers
// (docs/part-header.md), written apart from the client's own code so that the
// two check each other.
import { createHash, generateKeyPairSync, sign } from 'node:crypto';

const context = Buffer.from('starling-part/1\0');
const minChunk = 1024;
const maxChunk = 16_384;

export function varint(value) {
  if (value < 64) return Buffer.from([value]);
  const size = value < 16_384 ? 2 : value < 2 ** 30 ? 4 : 8;
  const out = Buffer.alloc(size);
  out.writeBigUInt64BE === undefined || (size === 8 ? out.writeBigUInt64BE(BigInt(value)) : out.writeUIntBE(value, 0, size));
  out[0] |= { 2: 0x40, 4: 0x80, 8: 0xc0 }[size];
  return out;
}

export function createSigner(stream) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);

  function part({ track, slices, msn, index, last, bytes }) {
    const n = slices * Math.ceil(bytes.length / (slices * maxChunk));
    const chunkSize = Math.min(Math.max(Math.ceil(bytes.length / n), minChunk), maxChunk);
    const chunks = [];
    for (let from = 0; from < bytes.length; from += chunkSize) chunks.push(bytes.subarray(from, from + chunkSize));
    const pdt = Buffer.alloc(8);
    pdt.writeBigUInt64BE(BigInt(Date.now()) * 1000n);
    const unsigned = Buffer.concat([
      Buffer.from([1, (index === 0 ? 1 : 0) | (last ? 2 : 0), stream.length]), Buffer.from(stream), Buffer.from([track]),
      varint(msn), varint(index), varint(0), varint(1), pdt, varint(333_333), varint(bytes.length), varint(chunkSize),
      ...chunks.map((c) => createHash('sha256').update(c).digest().subarray(0, 16)), varint(0),
    ]);
    const header = Buffer.concat([unsigned, sign(null, Buffer.concat([context, unsigned]), privateKey)]);
    return { track, msn, index, bytes, chunks, header, hash: createHash('sha256').update(bytes).digest('hex') };
  }

  return { key, part };
}
