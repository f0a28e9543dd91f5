/** Turns growing byte counters into bit rates over the last few seconds. */
import type { ByteCounts } from './stats';

/** Seconds over which rates are taken. */
const span = 4;

interface Point {
  readonly at: number;
  readonly bytes: ByteCounts;
}

const nothing: ByteCounts = { peer: 0, feed: 0, edge: 0, sent: 0 };

/** Keeps samples of the counters. */
export class RateMeter {
  #points: Point[] = [];

  /** Takes the counters at `now` (seconds). Counters that fell (a new source) start it over. */
  add(now: number, bytes: ByteCounts): void {
    const last = this.#points.at(-1)?.bytes;
    if (last !== undefined && (bytes.peer < last.peer || bytes.feed < last.feed || bytes.edge < last.edge || bytes.sent < last.sent)) this.#points = [];
    this.#points.push({ at: now, bytes });
    while (this.#points.length > 2 && (this.#points[1]?.at ?? now) <= now - span) this.#points.shift();
  }

  /** bit/s by source. */
  get rates(): ByteCounts {
    const first = this.#points[0];
    const last = this.#points.at(-1);
    if (first === undefined || last === undefined || last.at <= first.at) return nothing;
    const perSecond = (from: number, to: number) => ((to - from) * 8) / (last.at - first.at);
    return {
      peer: perSecond(first.bytes.peer, last.bytes.peer),
      feed: perSecond(first.bytes.feed, last.bytes.feed),
      edge: perSecond(first.bytes.edge, last.bytes.edge),
      sent: perSecond(first.bytes.sent, last.bytes.sent),
    };
  }
}
