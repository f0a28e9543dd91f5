const WINDOW_MS = 60_000;
const MAX_STRIKES = 5;
const MIN_GRACE_MS = 100;
const MAX_GRACE_MS = 1_000;

/**
 * How patient to be with each neighbour (docs/repair.md, rule 9). One that was
 * left as silent, and whose chunks then came, was only slow: it may be so much
 * slower from now on. This keeps a swarm together whose machines or links are
 * busy for a while.
 */
export class Reputation {
  private readonly neighbours = new Map<string, { strikes: number[]; grace: number }>();

  /** The neighbour was left because it was silent. @returns whether that was once too often. */
  strike(id: string, now: number): boolean {
    const n = this.of(id);
    n.strikes = n.strikes.filter((at) => now - at <= WINDOW_MS);
    n.strikes.push(now);
    if (n.strikes.length < MAX_STRIKES) return false;
    n.strikes = [];
    return true;
  }

  /** What was taken for silence was only slowness. */
  excuse(id: string): void {
    const n = this.of(id);
    n.grace = Math.min(Math.max(2 * n.grace, MIN_GRACE_MS), MAX_GRACE_MS);
    n.strikes.pop();
  }

  /** It delivered a slice of a part: a little of the grace is taken back. */
  reward(id: string): void {
    const n = this.neighbours.get(id);
    if (n !== undefined) n.grace -= n.grace / 16;
  }

  /** ms that it may be late beyond the usual lag of its slices. */
  grace(id: string): number {
    return this.neighbours.get(id)?.grace ?? 0;
  }

  /** The neighbour is gone; what is held against it stays. */
  forget(id: string): void {
    if (this.neighbours.get(id)?.strikes.length === 0) this.neighbours.delete(id);
  }

  private of(id: string): { strikes: number[]; grace: number } {
    let n = this.neighbours.get(id);
    if (n === undefined) this.neighbours.set(id, n = { strikes: [], grace: 0 });
    return n;
  }
}
