/**
 * Bytes over a plain ArrayBuffer: what WebCrypto, data channels and WebSockets
 * take without a copy (a view over a SharedArrayBuffer is refused by them).
 */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Compares two byte strings. Not constant-time: nothing secret is compared. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}

/** Encodes bytes as base64url without padding (RFC 4648 section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  let binary = '';
  for (const b of bytes) binary += String.fromCharCode(b);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/**
 * Decodes base64url without padding. Strict: characters outside the alphabet,
 * padding, and unused bits that are not zero give undefined, so that two texts
 * never mean the same bytes.
 */
export function fromBase64Url(text: string): Bytes | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const bytes = decodeBase64(text.replaceAll('-', '+').replaceAll('_', '/'));
  return bytes !== undefined && toBase64Url(bytes) === text ? bytes : undefined;
}

/** Decodes a key written in either base64 alphabet, padded or not: JSON catalogs use the standard one. */
export function keyFromBase64(text: string): Bytes | undefined {
  return fromBase64Url(text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, ''));
}

function decodeBase64(text: string): Bytes | undefined {
  try {
    const binary = atob(text);
    const out = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
    return out;
  } catch {
    return undefined; // atob has one failure: text that is not base64
  }
}
