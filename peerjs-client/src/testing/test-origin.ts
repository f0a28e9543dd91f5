import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { CatalogTrack } from '../swarm/catalog.js';
import type { PartId } from '../swarm/part-id.js';
import { toBase64Url, type Bytes } from '../wire/bytes.js';
import { chunkSizeFor } from '../wire/slices.js';
import { ByteWriter } from '../wire/varint.js';

/** A signed part. */
export interface MadePart {
  readonly track: number;
  readonly id: PartId;
  readonly bytes: Bytes;
  readonly chunks: readonly Bytes[];
  readonly header: Bytes;
}

/** Makes parts as the origin does: seeded bytes under signed headers. */
export class TestOrigin {
  readonly key: Bytes;
  private readonly secret: KeyObject;
  private seed = 1;

  constructor(readonly stream = 'live/demo') {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    this.key = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
    this.secret = privateKey;
  }

  catalog(tracks: readonly CatalogTrack[]): unknown {
    return { id: this.stream, key: toBase64Url(this.key), segmentMs: 2_000, partMs: 333, tracks, tracker: '' };
  }

  part(track: CatalogTrack, id: PartId, size: number, last = false): MadePart {
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) {
      this.seed = (Math.imul(this.seed, 1_664_525) + 1_013_904_223) >>> 0;
      bytes[i] = this.seed >>> 24;
    }
    const chunkSize = chunkSizeFor(size, track.slices);
    const chunks: Bytes[] = [];
    for (let from = 0; from < size; from += chunkSize) chunks.push(bytes.slice(from, from + chunkSize));
    const w = new ByteWriter(512).byte(1).byte((id.index === 0 ? 1 : 0) | (last ? 2 : 0) | (size === 0 ? 4 : 0)).byte(this.stream.length);
    for (const c of this.stream) w.byte(c.charCodeAt(0));
    w.byte(track.number).varint(id.msn).varint(id.index).varint(0).varint(1).uint32(0).uint32(0).varint(333_333).varint(size).varint(chunkSize);
    for (const c of chunks) w.raw(createHash('sha256').update(c).digest().subarray(0, 16));
    const unsigned = w.varint(0).finish();
    const signature = sign(null, Buffer.concat([Buffer.from('starling-part/1\0'), unsigned]), this.secret);
    return { track: track.number, id, bytes, chunks, header: new Uint8Array(Buffer.concat([unsigned, signature])) };
  }
}
