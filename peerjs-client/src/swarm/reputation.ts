/** A source left as silent is not used for so long, then twice as long each time within the window. */
const AVOID_MS = 2_000;
const MAX_AVOID_MS = 32_000;
/** So many departures within the window are reported to the tracker. */
const MAX_STRIKES = 3;
const WINDOW_MS = 60_000;
/** Requests that ran out, in a row, before it is not asked for a while, then for twice as long each time. */
const MAX_BROKEN = 2;
const DOUBT_MS = 10_000;
const MAX_DOUBT_MS = 80_000;
/** A part of which a source sent a slice late adds to its damage, less when it may be a victim itself; a whole one takes 1 off. */
const DAMAGE_COST = 3;
const VICTIM_COST = 1;
/** Damage with which a source is left. */
export const DAMAGE_LIMIT = 8;

/** What is held against one neighbour (docs/repair.md, rules 9 and 16). */
export class Trust {
  private strikes: number[] = [];
  private broken = 0;
  private doubt = 0;
  private doubtUntil = 0;

  /** Counts a departure from it. @returns for how long it is not used, and whether the tracker should know. */
  strike(now: number): { readonly avoidMs: number; readonly isReported: boolean } {
    this.strikes = this.strikes.filter((at) => now - at <= WINDOW_MS);
    const n = this.strikes.push(now);
    return { avoidMs: Math.min(AVOID_MS << Math.min(n - 1, 8), MAX_AVOID_MS), isReported: n % MAX_STRIKES === 0 };
  }

  /** It was only away for a moment: takes the latest strike back. */
  excuse(): void {
    this.strikes.pop();
  }

  /** A request to it ran out. */
  broke(now: number): void {
    if (++this.broken < MAX_BROKEN) return;
    this.broken = 0;
    this.doubt = Math.min(Math.max(2 * this.doubt, DOUBT_MS), MAX_DOUBT_MS);
    this.doubtUntil = now + this.doubt;
  }

  /** It answered a request. */
  kept(): void {
    this.broken = 0;
  }

  /** Whether it is not to be asked now. */
  isDoubted(now: number): boolean {
    return now < this.doubtUntil;
  }

  /** Whether what was held against it is over. */
  isForgiven(now: number): boolean {
    const last = this.strikes.at(-1);
    return (last === undefined || now - last > WINDOW_MS) && now >= this.doubtUntil;
  }

  get isClean(): boolean {
    return this.strikes.length === 0 && this.doubt === 0;
  }
}

/** The new count of a source's damage after a part. @param had - it had announced the part when the slice was repaired. */
export function damaged(count: number, isLate: boolean, had: boolean): number {
  if (isLate) return count + (had ? DAMAGE_COST : VICTIM_COST);
  return Math.max(count - 1, 0);
}

/** The trust in each neighbour. */
export class Reputation {
  private readonly neighbours = new Map<string, Trust>();

  of(id: string): Trust {
    let trust = this.neighbours.get(id);
    if (trust === undefined) this.neighbours.set(id, trust = new Trust());
    return trust;
  }

  /** The neighbour is gone; what is held against it stays. */
  forget(id: string): void {
    if (this.neighbours.get(id)?.isClean === true) this.neighbours.delete(id);
  }

  /** Forgets neighbours that are gone, once what is held against them is over: a long session meets many. */
  evict(now: number, isThere: (id: string) => boolean): void {
    for (const [id, trust] of this.neighbours) {
      if (!isThere(id) && trust.isForgiven(now)) this.neighbours.delete(id);
    }
  }
}
