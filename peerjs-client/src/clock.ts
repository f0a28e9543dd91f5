/** A timer of a {@link Clock}. */
export type Timer = unknown;

/** Time and timers, so that tests can move them by hand. */
export interface Clock {
  /** Milliseconds, monotonic: `performance.now()`. */
  now(): number;
  setTimeout(run: () => void, ms: number): Timer;
  clearTimeout(timer: Timer): void;
}

/** The page's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/**
 * Delay before attempt `attempt` (from 0) with full jitter: uniform from 0 to
 * `baseMs` doubled with each attempt, at most `capMs`. Full jitter spreads
 * clients that lost the same server at the same moment.
 */
export function fullJitter(attempt: number, random: () => number, baseMs = 500, capMs = 30_000): number {
  return random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 16));
}
