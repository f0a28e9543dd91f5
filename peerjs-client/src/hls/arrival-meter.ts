/**
 * Measures how regularly parts come: the live edge by what was announced or came earliest for its time, and how much
 * later than that nearly all parts came. Whatever makes a part late counts alike: encoder, network, other viewers, a
 * busy page. Pure: times come in.
 */

interface Sample {
  readonly at: number;
  /** Arrival less the part's end on the player's timeline: smaller is earlier. */
  readonly offset: number;
  /** The part itself came, and did not wait for the one before it; else a playlist that ends with it. */
  readonly isPart: boolean;
}

/** What came in the last so many seconds counts. */
const window = 20;
/** Below so many parts nothing is said. */
const enough = 6;
/** The share of the parts that come at least so early. The margin is for later ones: one hiccup must not move playback. */
const quantile = 0.95;
/**
 * A part that comes this soon after the one before it, as a share of what it adds to that one, waited with it: what held
 * the two up is one event, and is counted once.
 */
const together = 0.5;

/** One a playback; all times in seconds. */
export class ArrivalMeter {
  #samples: Sample[] = [];
  #timeline = -Infinity;
  #earliest: number | undefined;
  #lateness: number | undefined;
  /** The part before, of each kind of media. */
  readonly #before = new Map<string, { readonly at: number; readonly mediaEnd: number }>();

  /**
   * A part of a kind of media that ends at `mediaEnd` of the player's timeline was buffered at `now`. To be told from
   * when loading has caught up with the live edge. `timeline` is the discontinuity sequence number: a new one starts anew.
   */
  note(now: number, mediaEnd: number, timeline: number, kind: string): void {
    if (timeline < this.#timeline) return;
    if (timeline > this.#timeline) this.clear();
    const before = this.#before.get(kind);
    this.#before.set(kind, { at: now, mediaEnd });
    const waited = before !== undefined && now - before.at < together * (mediaEnd - before.mediaEnd);
    this.#add(now, mediaEnd, timeline, !waited);
    if (waited) return;
    const offsets = this.#samples.filter((s) => s.isPart).map((s) => s.offset).sort((a, b) => a - b);
    const late = offsets[Math.ceil(quantile * offsets.length) - 1];
    this.#lateness = late === undefined || this.#earliest === undefined || offsets.length < enough ? undefined : late - this.#earliest;
  }

  /** A playlist came at `now` that ends at `mediaEnd`: so far the stream is live, wherever the bytes are. */
  noteEdge(now: number, mediaEnd: number, timeline: number): void {
    if (timeline > this.#timeline) this.clear();
    if (timeline >= this.#timeline) this.#add(now, mediaEnd, timeline, false);
  }

  /** How much later than the earliest nearly all parts come; undefined before it is known. */
  get lateness(): number | undefined {
    return this.#lateness;
  }

  /** The live edge at `now` on the player's timeline: the end of a part that would come now, if it came as early as any. */
  edge(now: number): number | undefined {
    return this.#earliest === undefined ? undefined : now - this.#earliest;
  }

  #add(now: number, mediaEnd: number, timeline: number, isPart: boolean): void {
    this.#timeline = timeline;
    this.#samples.push({ at: now, offset: now - mediaEnd, isPart });
    if ((this.#samples[0]?.at ?? now) < now - window) this.#samples = this.#samples.filter((s) => s.at >= now - window);
    this.#earliest = Math.min(...this.#samples.map((s) => s.offset));
  }

  /** The timeline is a new one, or was moved, or what came so far says nothing about what will. */
  clear(): void {
    this.#samples = [];
    this.#before.clear();
    this.#timeline = -Infinity;
    this.#earliest = this.#lateness = undefined;
  }
}
