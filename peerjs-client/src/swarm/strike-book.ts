const WINDOW_MS = 30_000;
const MAX_STRIKES = 3;
/** Several slices of one hiccup are one strike. */
const SAME_MS = 2_000;

/** Counts how often sources were silent: one hiccup is forgiven, three in half a minute are told to the tracker. */
export class StrikeBook {
  private readonly strikes = new Map<string, number[]>();

  /** @returns whether it was once too often. */
  strike(id: string, now: number): boolean {
    const recent = (this.strikes.get(id) ?? []).filter((at) => now - at <= WINDOW_MS);
    if (now - (recent.at(-1) ?? -Infinity) < SAME_MS) return false;
    recent.push(now);
    if (recent.length < MAX_STRIKES) {
      this.strikes.set(id, recent);
      return false;
    }
    this.strikes.delete(id);
    return true;
  }
}
