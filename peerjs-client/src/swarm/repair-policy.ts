import { EDGE_ID } from '../wire/peer-frames.js';
import { sliceChunks, sliceOf } from '../wire/slices.js';
import type { ChunkSet } from './chunk-set.js';
import { patience, requestMs, reserving, strained, type Rules } from './rules.js';

/** One slice of a part and where it should come from. Times are milliseconds of one clock; 0 means never. */
export interface SliceView {
  /** Who pushes it: a neighbour or the edge. */
  readonly source: string;
  /** The source is connected and its subscription covers this part. */
  readonly up: boolean;
  /** Who comes next: a neighbour or the edge. */
  readonly backup: string;
  readonly backupUp: boolean;
  /** The source is waited for since then. */
  readonly since: number;
  /** First chunk of the slice. */
  readonly first: number;
  /** Latest chunk of the slice. */
  readonly last: number;
  /** Parts in a row without any chunk from the source. */
  readonly missed: number;
}

/** A neighbour that holds chunks of the part. */
export interface Holder {
  readonly id: string;
  readonly has: ChunkSet;
  /** Chunks asked of it and outstanding, over all parts. */
  readonly load: number;
}

/** A repair under way. */
export interface Pending {
  readonly from: string;
  readonly first: number;
  readonly count: number;
  /** The whole part and its header. */
  readonly all: boolean;
  /** When it is given up; 0 at the edge, where HTTP has its own limits. */
  readonly until: number;
}

/** All that the repair of one part depends on. */
export interface PartView {
  /** First sign of life. */
  readonly seenAt: number;
  /** When the player needs the whole part. */
  readonly deadline: number;
  /** Verified chunks; undefined while there is no verified header. */
  readonly have: ChunkSet | undefined;
  readonly slices: readonly SliceView[];
  /** Neighbours that announced the part, without those that failed it. */
  readonly neighbours: readonly Holder[];
  readonly pending: readonly Pending[];
  /** Lateness is general: waiting is better than asking twice. */
  readonly strained: boolean;
  /** No edge fetch before this time. */
  readonly retryAt: number;
  /** How long the edge would take for what is missing. */
  readonly edgeMs: number;
}

/** One decision of {@link plan}. */
export type Step =
  /** The part is of no use any more. */
  | { readonly kind: 'giveUp' }
  /** A request ran out of time; its holder is not asked again for this part. */
  | { readonly kind: 'cancel'; readonly peer: string; readonly first: number; readonly count: number }
  /** Leave the slice's source for `peer`. */
  | { readonly kind: 'switch'; readonly peer: string; readonly slice: number }
  /** Ask a neighbour for chunks until `until`. */
  | { readonly kind: 'request'; readonly peer: string; readonly first: number; readonly count: number; readonly until: number }
  /** Fetch chunks from the edge by byte range. */
  | { readonly kind: 'fetch'; readonly first: number; readonly count: number }
  /** Fetch the whole part from the edge. */
  | { readonly kind: 'fetchAll' };

/**
 * Decides what to do about a part now. Pure, and the same decisions as the Go
 * `internal/peerstate.Plan`: received chunks are never asked for again; a push
 * is awaited for the patience that the slack allows, then a neighbour that has
 * the chunks is asked, and the edge when none has or the slack is short.
 */
export function plan(rules: Rules, p: PartView, now: number): Step[] {
  const r = reserving(p.strained ? strained(rules) : rules, p.edgeMs);
  const have = p.have;
  if (have?.full === true) return [];
  const slack = p.deadline - now;
  if (-slack >= r.usefulMs) return [{ kind: 'giveUp' }];
  const steps: Step[] = [];
  for (const q of p.pending) {
    if (hasRunOut(q, now)) steps.push({ kind: 'cancel', peer: q.from, first: q.first, count: q.count });
  }
  if (have === undefined) {
    const isFetching = p.pending.some((q) => q.all);
    if (now >= p.retryAt && !isFetching && headerDue(r, p, now)) steps.push({ kind: 'fetchAll' });
    return steps;
  }
  return new Planner(r, p, have, now, slack).run(steps);
}

function hasRunOut(q: Pending, now: number): boolean {
  return q.until !== 0 && now >= q.until;
}

/** Whether waiting for the header has to end: patience is over, or no source of any slice can bring it. */
function headerDue(r: Rules, p: PartView, now: number): boolean {
  if (!p.slices.some((s) => s.up)) return true;
  const since = Math.max(p.seenAt, ...p.slices.map((s) => s.since));
  const wait = (slack: number): number => Math.min(patience(r, slack), r.headerMaxMs);
  return now >= p.seenAt + wait(p.deadline - p.seenAt) && now >= since + wait(p.deadline - since);
}

class Planner {
  private readonly switches: readonly (string | undefined)[];

  constructor(
    private readonly r: Rules, private readonly p: PartView, private readonly have: ChunkSet,
    private readonly now: number, private readonly slack: number,
  ) {
    this.switches = p.slices.map((slice, s) => this.switchTo(slice, s));
  }

  run(steps: Step[]): Step[] {
    this.switches.forEach((peer, slice) => {
      if (peer !== undefined) steps.push({ kind: 'switch', peer, slice });
    });
    return this.repairs(steps);
  }

  /** For whom slice `s` leaves its source, if it does. */
  private switchTo(slice: SliceView, s: number): string | undefined {
    if (slice.source === EDGE_ID || this.have.hasRange(...sliceChunks(this.have.length, this.p.slices.length, s))) return undefined;
    if (slice.up && (slice.missed < this.r.missedParts || this.p.strained)) return undefined;
    return slice.backupUp && slice.backup !== slice.source ? slice.backup : EDGE_ID;
  }

  /** Whether waiting for the pushes of slice `s` is over. */
  private due(s: number): boolean {
    const slice = this.p.slices[s];
    if (slice === undefined) return true;
    const to = this.switches[s];
    // A new source gets its own patience, unless it is no better than a fetch:
    // the feed's push and a range come from the same edge.
    if (to !== undefined) return this.slack <= this.r.requestSlackMs || (to === EDGE_ID && !slice.backupUp);
    if (!slice.up || this.slack <= 0) return true;
    // A source that came in the middle of the part gets no time that the edge needs.
    if (slice.since > this.p.seenAt && this.slack <= this.r.requestSlackMs) return true;
    const until = slice.since + patience(this.r, this.p.deadline - slice.since);
    const isFlowing = slice.last !== 0 && this.slack > this.r.requestSlackMs;
    return this.now >= (isFlowing ? Math.max(until, slice.last + this.r.flowingMs) : until);
  }

  /** Asks neighbours and the edge for every chunk that is missing, due and not on its way. */
  private repairs(steps: Step[]): Step[] {
    const n = this.have.length;
    const due = this.p.slices.map((_, s) => this.due(s));
    const asked = new Map<string, number>();
    const fetches: { kind: 'fetch'; first: number; count: number }[] = [];
    for (let i = 0; i < n;) {
      let end = i;
      while (end < n && this.wanted(end, due)) end++;
      if (end === i) i++;
      while (i < end) {
        const [holder, upTo] = this.holder(i, end, asked);
        if (holder !== undefined) {
          steps.push({ kind: 'request', peer: holder, first: i, count: upTo - i, until: this.now + this.requestMs() });
          asked.set(holder, (asked.get(holder) ?? 0) + upTo - i);
          i = upTo;
          continue;
        }
        const last = fetches.at(-1);
        if (last !== undefined && last.first + last.count === i) last.count++;
        else fetches.push({ kind: 'fetch', first: i, count: 1 });
        i++;
      }
    }
    if (this.now >= this.p.retryAt) steps.push(...fetches);
    return steps;
  }

  /** How long a neighbour is waited for: what it does not bring must still come from the edge in time. */
  private requestMs(): number {
    return Math.min(requestMs(this.r, this.slack), Math.max(this.slack - this.p.edgeMs, this.r.patienceMinMs));
  }

  private wanted(i: number, due: readonly boolean[]): boolean {
    if (this.have.has(i) || due[sliceOf(this.have.length, this.p.slices.length, i)] === false) return false;
    return !this.p.pending.some((q) => q.all || (q.first <= i && i < q.first + q.count && !hasRunOut(q, this.now)));
  }

  /** The neighbour with the longest run of chunks from `first` on, then the least loaded, then the first by id. */
  private holder(first: number, end: number, asked: ReadonlyMap<string, number>): readonly [id: string | undefined, upTo: number] {
    let best: { readonly id: string; readonly to: number; readonly load: number } | undefined;
    if (this.slack <= this.r.requestSlackMs || this.p.strained) return [undefined, 0];
    for (const h of this.p.neighbours) {
      if (this.p.pending.some((q) => q.from === h.id && hasRunOut(q, this.now))) continue;
      let to = first;
      while (to < end && h.has.has(to)) to++;
      if (to === first) continue;
      const load = h.load + (asked.get(h.id) ?? 0);
      const isBetter = best === undefined || to > best.to
        || (to === best.to && (load < best.load || (load === best.load && h.id < best.id)));
      if (isBetter) best = { id: h.id, to, load };
    }
    return [best?.id, best?.to ?? 0];
  }
}
