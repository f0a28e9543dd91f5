import type { Bytes } from './bytes.js';
import { chunkLength, HASH_SIZE, parsePartHeader, SIGNATURE_SIZE, type PartHeader } from './part-header.js';

/** Separates part signatures from any other use of the key: `starling-part/1` and a zero byte. */
const CONTEXT = new TextEncoder().encode('starling-part/1\0');

/** What the verifier needs of WebCrypto. */
export type Subtle = Pick<SubtleCrypto, 'importKey' | 'verify' | 'digest'>;

/**
 * Checks headers and chunks against the stream's key. WebCrypto works on
 * another thread, so a check costs the main thread little more than the call.
 */
export class Verifier {
  private constructor(private readonly subtle: Subtle, private readonly key: CryptoKey) {}

  /**
   * Imports an Ed25519 public key of 32 bytes.
   * @returns undefined when the browser has no WebCrypto here (an insecure context) or no Ed25519.
   */
  static async create(publicKey: Bytes, subtle: Subtle | undefined): Promise<Verifier | undefined> {
    if (subtle === undefined || publicKey.length !== 32) return undefined;
    try {
      return new Verifier(subtle, await subtle.importKey('raw', publicKey, { name: 'Ed25519' }, false, ['verify']));
    } catch {
      return undefined; // NotSupportedError, or a key that is no point of the curve
    }
  }

  /** Parses a header and checks its signature; undefined when either fails. */
  async header(raw: Bytes): Promise<PartHeader | undefined> {
    const header = parsePartHeader(raw);
    if (header === undefined) return undefined;
    const signed = raw.length - SIGNATURE_SIZE;
    const message = new Uint8Array(CONTEXT.length + signed);
    message.set(CONTEXT);
    message.set(raw.subarray(0, signed), CONTEXT.length);
    try {
      return (await this.subtle.verify({ name: 'Ed25519' }, this.key, raw.subarray(signed), message)) ? header : undefined;
    } catch {
      return undefined; // a signature that the implementation refuses to look at
    }
  }

  /** Whether `data` is chunk `i` of the part. */
  async chunk(header: PartHeader, i: number, data: Bytes): Promise<boolean> {
    if (i < 0 || i >= header.chunks || data.length !== chunkLength(header, i)) return false;
    const digest = new Uint8Array(await this.subtle.digest('SHA-256', data));
    const at = i * HASH_SIZE;
    for (let k = 0; k < HASH_SIZE; k++) {
      if (digest[k] !== header.hashes[at + k]) return false;
    }
    return true;
  }
}
