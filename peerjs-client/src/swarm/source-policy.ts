import { EDGE_ID } from '../wire/peer-frames.js';
import type { PartEntry } from './part-entry.js';
import { comparePart, NEXT_PART, type PartId } from './part-id.js';
import type { SliceView } from './repair-policy.js';
import type { SourceCommand } from './source-commands.js';
import { DEFAULT_RULES } from './rules.js';
import type { TrackParts } from './track-parts.js';

/** A source that was silent once is left for so long and then tried again: one hiccup must not end a pair. */
const AVOID_MS = 2_000;
/** A source that refused a subscription is left for so long. */
const REFUSED_MS = 5_000;
/** The old source of a planned handover is left at the latest after so long. */
const HANDOVER_MS = 1_000;
/** A new source that has pushed nothing yet is not blamed before. */
const BEGIN_MS = 1_000;
/** Bounds what a slow tree may delay the discovery of a silent parent. */
const MAX_LAG_MS = 200;

interface Avoided {
  readonly until: number;
  readonly wasSilent: boolean;
}

interface Source {
  parent: string;
  backup: string;
  /** Who pushes the slice now; empty: nobody. */
  id: string;
  from: PartId;
  movedAt: number;
  /** Still pushes the parts before `from`, during a planned handover. */
  old: string;
  /** Usual delay behind the first chunk of a part. */
  lag: number;
  missed: number;
  /** Something of it was pushed, by whomever. */
  isBegun: boolean;
  /** Newest part of which the source pushed something. */
  lastPushed: PartId | undefined;
  /** Who was silent or refused, and until when it is not used. */
  readonly avoid: Map<string, Avoided>;
}

/** What the policy must know of the world. */
export interface SourceWorld {
  /** Whether the neighbour, or `edge` (the feed), could push now. */
  usable(id: string): boolean;
  /** The source was left because it was silent. */
  struck(id: string, now: number): void;
  /** A source that was left as silent was only slow. */
  excused(id: string): void;
  /** A source delivered a slice of a part. */
  delivered(id: string): void;
  /** ms that a source may be late beyond its usual lag. */
  grace(id: string): number;
}

/**
 * Who pushes each slice of one track: the assigned parent as soon as it works,
 * its backup when it does not, the feed when neither does. Pure: events come
 * in with the time, subscriptions to change come out (docs/repair.md).
 */
export class SourcePolicy {
  private readonly slices: readonly Source[];
  private out: SourceCommand[] = [];

  /** @param graceUntil - until then a slice without an assignment waits for one instead of taking the feed. */
  constructor(private readonly parts: TrackParts, private readonly world: SourceWorld, private graceUntil: number) {
    this.slices = Array.from({ length: parts.info.slices }, () => ({
      parent: '', backup: '', id: '', from: NEXT_PART, movedAt: 0, old: '', lag: 0, missed: 0, isBegun: false, lastPushed: undefined, avoid: new Map<string, Avoided>(),
    }));
  }

  /** Who pushes each slice now. */
  get current(): readonly string[] {
    return this.slices.map((s) => s.id);
  }

  /** The slices that `id` is to push, and from which part on. */
  subscriptionsOf(id: string): readonly SourceCommand[] {
    return this.slices.flatMap((slice, s) => (slice.id === id || slice.old === id
      ? [{ kind: 'subscribe' as const, id, slice: s, from: slice.id === id ? slice.from : NEXT_PART }] : []));
  }

  /** Takes the commands gathered since the last call. */
  drain(): readonly SourceCommand[] {
    const out = this.out;
    this.out = [];
    return out;
  }

  /** Whether `id` pushes a slice, or is to. */
  uses(id: string): boolean {
    return this.slices.some((s) => s.id === id || s.old === id);
  }

  /** The tracker's sources; slices that are not named keep theirs. */
  assign(assigned: readonly { readonly slice: number; readonly parent: string; readonly backup: string }[], now: number): void {
    this.graceUntil = 0;
    for (const a of assigned) {
      const slice = this.slices[a.slice];
      if (slice !== undefined) [slice.parent, slice.backup] = [a.parent, a.backup];
    }
    this.reconsider(now);
  }

  /** Moves each slice to its parent when that works, and away from a source that does not. */
  reconsider(now: number): void {
    this.slices.forEach((slice, s) => {
      const isHandoverOver = slice.old !== '' && (!this.parts.waitsBefore(slice.from, s, now) || now - slice.movedAt >= HANDOVER_MS);
      if (isHandoverOver) this.release(s);
      const parentWorks = slice.parent !== '' && this.usable(slice, slice.parent, now);
      if (slice.id !== '' && (!this.usable(slice, slice.id, now) || slice.missed >= DEFAULT_RULES.missedParts)) {
        if (slice.missed >= DEFAULT_RULES.missedParts) this.leave(slice, slice.id, now);
        this.move(s, this.successor(slice, now), true, now);
      } else if (parentWorks && slice.id !== slice.parent) {
        this.move(s, slice.parent, slice.id === '', now);
      } else if (slice.id === '' && (slice.parent !== '' || now >= this.graceUntil)) {
        this.move(s, this.successor(slice, now), true, now);
      }
    });
  }

  /** `id` is subscribed to only now that it is ready: from the first part that is still wanted. */
  renew(id: string, now: number): void {
    this.slices.forEach((slice, s) => {
      if (slice.id !== id) return;
      const first = this.firstWanted(slice, s, now);
      if (first === NEXT_PART || comparePart(first, slice.from) > 0) slice.from = first;
    });
  }

  /** A neighbour or the feed is gone: it needs no UNSUBSCRIBE, and what it pushed comes from another at once. */
  gone(id: string, now: number): void {
    for (const slice of this.slices) {
      if (slice.old === id) slice.old = '';
    }
    this.reconsider(now);
  }

  /** A whole SUBSCRIBE was refused for the slices of `mask`. */
  refused(id: string, mask: number, now: number): void {
    this.slices.forEach((slice, s) => {
      if (((mask >> s) & 1) === 0) return;
      if (slice.old === id) slice.old = '';
      if (slice.id !== id) return;
      slice.avoid.set(id, { until: now + REFUSED_MS, wasSilent: false });
      slice.id = '';
      this.move(s, this.successor(slice, now), true, now);
    });
  }

  /** Carries out a switch that the repair policy decided on for `entry`. */
  switchFrom(entry: PartEntry, s: number, to: string, now: number): void {
    const slice = this.slices[s];
    if (slice === undefined) return;
    if (comparePart(entry.id, slice.from) < 0) {
      this.release(s); // the old source of a handover failed: repair does the rest
      return;
    }
    if (slice.id !== '' && this.usable(slice, slice.id, now)) this.leave(slice, slice.id, now);
    if (this.world.usable(to)) this.move(s, to, true, now);
  }

  /** A verified chunk of slice `s` came from `from`. */
  pushed(entry: PartEntry, s: number, from: string, isFresh: boolean, now: number): void {
    const slice = this.slices[s];
    const times = entry.slices[s];
    if (slice === undefined || times === undefined) return;
    const avoided = slice.avoid.get(from);
    if (avoided?.wasSilent === true && now < avoided.until) {
      slice.avoid.delete(from);
      this.world.excused(from);
    }
    if (from !== slice.id || times.pushed || comparePart(entry.id, slice.from) < 0) return;
    times.pushed = true;
    slice.missed = 0;
    slice.isBegun = true;
    if (slice.from === NEXT_PART) slice.from = entry.id; // earlier parts do not come from it
    if (slice.lastPushed === undefined || comparePart(entry.id, slice.lastPushed) > 0) slice.lastPushed = entry.id;
    const isFirst = isFresh && times.first === times.last;
    if (isFirst) slice.lag = Math.min(slice.lag + (times.first - entry.firstAt - slice.lag) / 4, MAX_LAG_MS);
    this.world.delivered(from);
  }

  /** A part is complete, or came by plain HTTP: counts the sources that sent nothing of it. */
  judge(entry: PartEntry): void {
    if (entry.isJudged) return;
    entry.isJudged = true;
    this.slices.forEach((slice, s) => {
      const isEmpty = entry.have !== undefined && entry.sliceRange(s)[0] === entry.sliceRange(s)[1];
      const times = entry.slices[s];
      const isSourced = slice.id !== '' && slice.id !== EDGE_ID && !isEmpty && comparePart(entry.id, slice.from) >= 0;
      // A part from before the subscription, fetched late, says nothing
      // about the source; a new source gets time to begin.
      const isAfter = slice.lastPushed === undefined
        ? entry.seenAt >= slice.movedAt + BEGIN_MS
        : entry.seenAt >= slice.movedAt && comparePart(entry.id, slice.lastPushed) > 0;
      if (isSourced && isAfter && times?.pushed === false) slice.missed++;
    });
  }

  /** The slices of a part as the repair policy sees them. */
  view(entry: PartEntry, isUp: (id: string) => boolean, now: number): SliceView[] {
    return this.slices.map((slice, s) => {
      const isBefore = comparePart(entry.id, slice.from) < 0;
      const source = isBefore ? slice.old : slice.id;
      const backup = this.successor(slice, now);
      const times = entry.slices[s];
      return {
        source: source === '' ? EDGE_ID : source, up: source !== '' && isUp(source), backup: backup === '' ? EDGE_ID : backup,
        backupUp: backup !== '' && isUp(backup), since: times?.since ?? now, first: times?.first ?? 0, last: times?.last ?? 0,
        lag: slice.lag + this.world.grace(source), missed: slice.missed,
      };
    });
  }

  /** Ends every subscription: the track is not wanted any more. */
  end(): void {
    this.slices.forEach((slice, s) => {
      this.release(s);
      if (slice.id !== '') this.command('unsubscribe', slice.id, s);
      slice.id = '';
    });
  }

  private usable(slice: Source, id: string, now: number): boolean {
    return now >= (slice.avoid.get(id)?.until ?? 0) && this.world.usable(id);
  }

  /** Who takes over when the source fails: the parent or backup that works, else the feed, else nobody. */
  private successor(slice: Source, now: number): string {
    for (const id of [slice.parent, slice.backup, EDGE_ID]) {
      if (id !== '' && id !== slice.id && this.usable(slice, id, now)) return id;
    }
    return '';
  }

  private leave(slice: Source, id: string, now: number): void {
    slice.avoid.set(id, { until: now + AVOID_MS, wasSilent: true });
    this.world.struck(id, now);
  }

  /**
   * Changes the source of a slice. An urgent move takes all that is missing
   * from the new one; a planned move begins with the next part, and the old
   * source ends when the parts before have the slice.
   */
  private move(s: number, to: string, isUrgent: boolean, now: number): void {
    const slice = this.slices[s];
    if (slice === undefined || to === slice.id) return;
    const left = slice.id;
    if (to !== '' && to === slice.old) {
      // Still subscribed there: it simply goes on.
      if (left !== '') this.command('unsubscribe', left, s);
      Object.assign(slice, { id: to, old: '', from: NEXT_PART, missed: 0, lastPushed: undefined, movedAt: now });
      return;
    }
    this.release(s);
    if (isUrgent || left === '') {
      if (left !== '') this.command('unsubscribe', left, s);
      slice.from = this.firstWanted(slice, s, now);
    } else {
      slice.from = this.parts.after();
      slice.old = left;
    }
    Object.assign(slice, { id: to, missed: 0, lag: 0, lastPushed: undefined, movedAt: now });
    for (const entry of this.parts.all) {
      const times = entry.slices[s];
      if (times === undefined || entry.isComplete || comparePart(entry.id, slice.from) < 0) continue;
      times.since = now;
      times.pushed = false;
    }
    if (to !== '') this.command('subscribe', to, s, slice.from);
  }

  /** The first part to take from a new source. Before the first push the player loads what is past by itself. */
  private firstWanted(slice: Source, s: number, now: number): PartId {
    const missing = this.parts.firstMissing(s, now);
    return missing ?? (slice.isBegun ? this.parts.after() : NEXT_PART);
  }

  private release(s: number): void {
    const slice = this.slices[s];
    if (slice === undefined || slice.old === '') return;
    this.command('unsubscribe', slice.old, s);
    slice.old = '';
  }

  private command(kind: SourceCommand['kind'], id: string, slice: number, from: PartId = NEXT_PART): void {
    this.out.push({ kind, id, slice, from });
  }
}
