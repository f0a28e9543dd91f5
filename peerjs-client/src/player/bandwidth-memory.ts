/** The first guess of a viewer's bandwidth, so that playback starts at a rung that fits. */

/** Key in `localStorage`. */
const key = 'starling.bandwidth';
/** Without any knowledge: enough for 720p, which most links carry. bit/s. */
const fallback = 4e6;
const lowest = 3e5;
const highest = 50e6;
/** A remembered figure is trusted this much: the network may be another one today. */
const caution = 0.8;

/** The part of `Storage` that is used. It may throw (blocked cookies). */
export interface Memory {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/**
 * The guess in bit/s. `networkType` is the browser's own class of the network (Network Information API), if it has one;
 * its figure of the downlink is no use: a fresh profile reports a default.
 */
export function guessBandwidth(memory: Memory | undefined, networkType: string | undefined): number {
  const remembered = Number(quiet(() => memory?.getItem(key)) ?? Number.NaN);
  const known = remembered > 0 ? remembered * caution : fallback;
  return clamp(networkType?.endsWith('2g') === true ? lowest : known);
}

/** Keeps the estimate for the next visit. */
export function rememberBandwidth(memory: Memory | undefined, bitsPerSecond: number): void {
  if (Number.isFinite(bitsPerSecond)) quiet(() => memory?.setItem(key, String(Math.round(clamp(bitsPerSecond)))));
}

/** The page's storage, or undefined where it is blocked. */
export function pageMemory(): Memory | undefined {
  return quiet(() => globalThis.localStorage);
}

/** The browser's class of the network: `slow-2g`, `2g`, `3g` or `4g`. */
export function browserNetworkType(): string | undefined {
  const connection = (navigator as Navigator & { readonly connection?: { readonly effectiveType?: string } }).connection;
  return connection?.effectiveType;
}

function clamp(value: number): number {
  return Math.min(Math.max(value, lowest), highest);
}

function quiet<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined; // storage is a convenience: pages that block it play all the same
  }
}
