/** Short family name of the browser, for the tracker's `join`. */
export function browserFamily(userAgent: string): string {
  if (/Firefox\//.test(userAgent)) return 'firefox';
  if (/Chrom(e|ium)\//.test(userAgent)) return 'chromium';
  return /Safari\//.test(userAgent) ? 'safari' : 'other';
}

/** The page's user agent; empty outside browsers. */
export function pageUserAgent(): string {
  return typeof navigator === 'undefined' ? '' : navigator.userAgent;
}

/** Opens peer connections as the page does; undefined where there are none (old or locked-down browsers). */
export function pagePeerConnections(): ((configuration: RTCConfiguration) => RTCPeerConnection) | undefined {
  return typeof RTCPeerConnection === 'undefined' ? undefined : (configuration) => new RTCPeerConnection(configuration);
}

/** WebCrypto; undefined in an insecure context. */
export function pageSubtle(): SubtleCrypto | undefined {
  return (globalThis.crypto as Crypto | undefined)?.subtle;
}

/** 16 random bytes in hex. */
export function randomSession(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
}
