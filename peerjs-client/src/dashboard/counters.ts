/** Growth of cumulative counters. */

const minute = 60_000;

/**
 * How much a counter grew in the minute before each moment (Unix milliseconds, ascending), or since the first sample
 * where the history is shorter. A counter that fell (a restart) gives null until the fall is a minute old.
 */
export function lastMinute(t: readonly number[], counter: readonly number[]): (number | null)[] {
  let from = 0;
  return counter.map((value, i) => {
    while (from < i && (t[i] ?? 0) - (t[from] ?? 0) > minute) from++;
    const growth = value - (counter[from] ?? 0);
    return growth < 0 ? null : growth;
  });
}
