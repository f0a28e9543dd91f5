import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import type { Subtle } from '../wire/verifier.js';

const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** WebCrypto that answers without leaving the thread, so that a fake clock governs the order of everything. */
export const fakeSubtle = {
  digestCalls: 0,
  importKey(_format: string, key: Uint8Array): Promise<CryptoKey> {
    const imported = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key]), format: 'der', type: 'spki' });
    return Promise.resolve(imported as unknown as CryptoKey);
  },
  verify(_algorithm: unknown, key: CryptoKey, signature: Uint8Array, data: Uint8Array): Promise<boolean> {
    return Promise.resolve(verify(null, data, key as unknown as KeyObject, signature));
  },
  digest(_algorithm: unknown, data: Uint8Array): Promise<ArrayBuffer> {
    fakeSubtle.digestCalls++;
    return Promise.resolve(new Uint8Array(createHash('sha256').update(data).digest()).buffer);
  },
} as unknown as Subtle & { digestCalls: number };
