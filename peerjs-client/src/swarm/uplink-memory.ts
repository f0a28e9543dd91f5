/** Where an estimate of the line outlives the page; `localStorage` in browsers. */
export interface UplinkStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const KEY = 'starling-uplink';
/** The line may be another one by then. */
const MAX_AGE_MS = 7 * 24 * 3_600_000;
/** Share of what was measured that a new session begins with: the evening is busier than the morning. */
const CAUTION = 0.75;

/** The page's store, or undefined where the browser denies it. */
export function pageUplinkStore(): UplinkStore | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined; // SecurityError: storage is blocked for this page
  }
}

/** bit/s to begin with, by what was measured last; 0: nothing is known. `nowMs` is Unix time. */
export function recallUplink(store: UplinkStore | undefined, nowMs: number): number {
  try {
    const [rate = NaN, at = NaN] = (store?.getItem(KEY) ?? '').split('@').map(Number);
    return rate > 0 && rate < 1e10 && nowMs - at >= 0 && nowMs - at < MAX_AGE_MS ? Math.trunc(rate * CAUTION) : 0;
  } catch {
    return 0; // storage is blocked
  }
}

/** Keeps what was measured. */
export function rememberUplink(store: UplinkStore | undefined, rate: number, nowMs: number): void {
  try {
    store?.setItem(KEY, `${Math.trunc(rate)}@${Math.trunc(nowMs)}`);
  } catch {
    return; // storage is blocked or full: the next session begins as a first one
  }
}
