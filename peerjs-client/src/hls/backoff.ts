/** Waiting times between attempts: doubling, bounded, with full jitter so that viewers do not come back together. */

/** Bounds in milliseconds. */
export interface BackoffRules {
  /** First ceiling. Default 500. */
  readonly first?: number;
  /** Last ceiling. Default 5,000. */
  readonly max?: number;
  /** 0 to 1, for tests. Default `Math.random`. */
  readonly random?: () => number;
}

/** Counts failed attempts and gives the wait before the next. */
export class Backoff {
  readonly #first: number;
  readonly #max: number;
  readonly #random: () => number;
  #attempts = 0;

  constructor(rules: BackoffRules = {}) {
    this.#first = rules.first ?? 500;
    this.#max = rules.max ?? 5000;
    this.#random = rules.random ?? Math.random;
  }

  /** Attempts since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The wait before the next attempt: between half of the ceiling and the ceiling. */
  next(): number {
    const ceiling = Math.min(this.#first * 2 ** this.#attempts, this.#max);
    this.#attempts++;
    return ceiling * (0.5 + 0.5 * this.#random());
  }

  reset(): void {
    this.#attempts = 0;
  }
}
