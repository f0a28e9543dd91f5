import { EDGE_ID, MAX_CHUNKS } from '../wire/peer-frames.js';
import { sliceOf } from '../wire/slices.js';
import { HeaderElection } from './header-election.js';
import type { PartEntry } from './part-entry.js';
import { comparePart, NEXT_PART, type PartId } from './part-id.js';
import type { SliceView } from './repair-policy.js';
import { DAMAGE_LIMIT, damaged } from './reputation.js';
import { DEFAULT_RULES } from './rules.js';
import { laterDue, REST_MS } from './silence.js';
import type { SourceCommand } from './source-commands.js';
import { noSource, type Source, type SourceWorld } from './source-state.js';
import { strandedOn } from './stranded.js';
import type { TrackParts } from './track-parts.js';

/** A mute source that is heard within so long was only away for a moment. */
const EXCUSE_MS = 400;
/** A source that refused a subscription, or may be a victim itself, is left for so long. */
const REFUSED_MS = 5_000;
/** The old source of a planned handover is left at the latest after so long, and a new one that has pushed nothing is not blamed before. */
const HANDOVER_MS = 1_000;
const BEGIN_MS = 1_000;
/** Bounds what a slow tree may delay the discovery of a silent parent. */
const MAX_LAG_MS = 200;

/**
 * Who pushes each slice of one track: the assigned parent as soon as it works,
 * its backup when it does not, the feed when neither does. Pure: events come
 * in with the time, subscriptions to change come out (docs/repair.md).
 */
export class SourcePolicy {
  private readonly slices: readonly Source[];
  private out: SourceCommand[] = [];
  private readonly election = new HeaderElection();

  /** @param graceUntil - until then a slice without an assignment waits for one instead of taking the feed. */
  constructor(private readonly parts: TrackParts, private readonly world: SourceWorld, private graceUntil: number) {
    this.slices = Array.from({ length: parts.info.slices }, noSource);
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

  /** The slices that the tracker assigned to peers. */
  get shared(): readonly { readonly late: number; isResigned: boolean }[] {
    return this.slices.filter((slice) => slice.parent !== '' && slice.parent !== EDGE_ID);
  }

  /** The SUBSCRIBE flags for a source; noted as told to it. */
  flagsFor(id: string): number {
    return this.election.flagsFor(id);
  }

  /** Takes the commands gathered since the last call. */
  drain(): readonly SourceCommand[] {
    const out = this.out;
    this.out = [];
    return out;
  }

  /** Whether `id` pushes a slice, or is to, or as the feed stands by for a parent. */
  uses(id: string): boolean {
    return this.slices.some((s) => s.id === id || s.old === id || (id === EDGE_ID && s.backup === id && s.parent !== ''));
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
      for (const [id, avoided] of slice.avoid) {
        if (now >= avoided.until) slice.avoid.delete(id);
      }
      const isHandoverOver = slice.old !== '' && (!this.parts.waitsBefore(slice.from, s, now) || now - slice.movedAt >= HANDOVER_MS);
      if (isHandoverOver) this.release(s);
      const parentWorks = slice.parent !== '' && this.usable(slice, slice.parent, now);
      const awaited = strandedOn(slice, s, this.parts, this.world, now);
      const hasMissed = slice.missed >= DEFAULT_RULES.missedParts && !this.world.strain.isActive;
      if (slice.isResigned && (slice.parent === '' || slice.parent === EDGE_ID)) slice.isResigned = false;
      if (slice.isResigned && this.world.usable(EDGE_ID)) {
        if (slice.id !== EDGE_ID) this.move(s, EDGE_ID, slice.id === '' || !this.usable(slice, slice.id, now), now);
      } else if (slice.id !== '' && (!this.usable(slice, slice.id, now) || hasMissed)) {
        if (hasMissed) this.depart(slice, slice.hasWithheld, now);
        this.move(s, this.successor(slice, now), true, now);
      } else if (parentWorks && slice.id !== slice.parent) {
        this.move(s, slice.parent, slice.id === '' || awaited !== undefined, now);
      } else if (awaited !== undefined) {
        this.depart(slice, this.world.hasAnnounced(slice.id, awaited), now); // it may have lost the same parent, and wait for another
        this.move(s, EDGE_ID, true, now);
      } else if (slice.id === '' && (slice.parent !== '' || now >= this.graceUntil)) {
        this.move(s, this.successor(slice, now), true, now);
      }
    });
    this.elect(now);
  }

  /**
   * The newest time, if it has passed for long enough, at which `id` should have begun to push something: a slice of a known
   * part, or the rest of it, or by the cadence the part after the newest that it pushed. 0: nothing was due.
   */
  dueFrom(id: string, partMs: number, now: number): number {
    let due = 0;
    this.slices.forEach((slice, s) => {
      if (slice.id !== id || slice.old !== '') return;
      if (slice.pushedAt !== 0) due = laterDue(due, slice.pushedAt + partMs, now);
      for (const entry of this.parts.all) {
        const times = entry.slices[s];
        if (times === undefined || entry.isComplete || entry.isSettled || comparePart(entry.id, slice.from) < 0) continue;
        if (times.first === 0) due = laterDue(due, Math.max(entry.seenAt, times.since), now);
        else if (!entry.sliceHeld(s)) due = laterDue(due, Math.max(times.last, times.since) + REST_MS, now);
      }
    });
    return due;
  }

  /** A neighbour does not answer: its slices move until it is heard, and for `avoidMs` at least. */
  silence(id: string, avoidMs: number, now: number): void {
    for (const slice of this.slices) {
      if (slice.id === id) slice.avoid.set(id, { until: now + avoidMs, leftAt: now });
    }
  }

  /** A mute neighbour is heard again. @returns whether it was away for a moment only. */
  heardAgain(id: string, now: number): boolean {
    let isExcused = false;
    for (const slice of this.slices) {
      const avoided = slice.avoid.get(id);
      if (avoided === undefined || avoided.leftAt === 0 || now >= Math.min(avoided.until, avoided.leftAt + EXCUSE_MS)) continue;
      slice.avoid.delete(id);
      isExcused = true;
    }
    return isExcused;
  }

  /** The header of a part came from `from`. */
  headed(entry: PartEntry, from: string): void {
    this.election.headed(from, entry.isHeaderLate);
  }

  /** Chunks are being repaired from `by`: their slices are late, and their sources are told not to push them. */
  overtaken(entry: PartEntry, first: number, count: number, by: string, isUp: (id: string) => boolean): void {
    const n = entry.have?.length ?? 0;
    for (let i = first; i < first + count;) {
      const s = sliceOf(n, this.slices.length, i);
      let end = i + 1;
      while (end < first + count && sliceOf(n, this.slices.length, end) === s) end++;
      const id = this.sourceOf(entry, s);
      if (id !== '' && isUp(id)) {
        entry.late |= 1 << s;
        if (this.world.hasAnnounced(id, entry)) entry.had |= 1 << s;
        if (id !== EDGE_ID && id !== by && entry.cancel(id, i, end)) this.world.cancel(id, entry, i, end - i);
      }
      i = end;
    }
  }

  /** The whole part is loaded without its header: nobody is to push any of it. */
  abandoned(entry: PartEntry, isUp: (id: string) => boolean): void {
    this.slices.forEach((_, s) => {
      const id = this.sourceOf(entry, s);
      if (id === '' || !isUp(id)) return;
      entry.late |= 1 << s;
      if (id !== EDGE_ID && entry.cancel(id, 0, MAX_CHUNKS)) this.world.cancel(id, entry, 0, MAX_CHUNKS);
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
    this.election.gone(id);
    this.reconsider(now);
  }

  /** A whole SUBSCRIBE was refused for the slices of `mask`. */
  refused(id: string, mask: number, now: number): void {
    this.slices.forEach((slice, s) => {
      if (((mask >> s) & 1) === 0) return;
      if (slice.old === id) slice.old = '';
      if (slice.id !== id) return;
      slice.avoid.set(id, { until: now + REFUSED_MS, leftAt: 0 });
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
    if (slice.id !== '' && this.usable(slice, slice.id, now)) this.depart(slice, slice.hasWithheld, now);
    if (this.world.usable(to)) this.move(s, to, true, now);
  }

  /** A verified chunk of slice `s` came from `from`. */
  pushed(entry: PartEntry, s: number, from: string, isFresh: boolean, now: number): void {
    const slice = this.slices[s];
    const times = entry.slices[s];
    if (slice === undefined || times === undefined) return;
    if (from !== slice.id || times.pushed || comparePart(entry.id, slice.from) < 0) return;
    times.pushed = true;
    slice.missed = 0;
    slice.hasWithheld = false;
    slice.isBegun = true;
    slice.hastyAt = 0;
    if (slice.from === NEXT_PART) slice.from = entry.id; // earlier parts do not come from it
    if (slice.lastPushed === undefined || comparePart(entry.id, slice.lastPushed) > 0) {
      slice.lastPushed = entry.id;
      slice.pushedAt = now;
    }
    const isFirst = isFresh && times.first === times.last;
    if (isFirst) slice.lag = Math.min(slice.lag + (times.first - entry.firstAt - slice.lag) / 4, MAX_LAG_MS);
  }

  /** A part is complete, or came by plain HTTP: counts the sources that sent nothing of it. */
  judge(entry: PartEntry, now: number): void {
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
      if (isSourced && isAfter && times?.pushed === false) {
        slice.missed++;
        slice.hasWithheld ||= ((entry.had >> s) & 1) === 1;
      }
      // One that changed its source meanwhile says nothing about either.
      const isCounted = times !== undefined && times.since <= entry.seenAt && !isEmpty && comparePart(entry.id, slice.from) >= 0;
      if (isCounted) this.count(slice, ((entry.late >> s) & 1) === 1, ((entry.had >> s) & 1) === 1, now);
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
        missed: slice.missed,
      };
    });
  }

  /** Ends every subscription. */
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

  /** Who is to push slice `s` of a part. */
  private sourceOf(entry: PartEntry, s: number): string {
    const slice = this.slices[s];
    if (slice === undefined) return '';
    return comparePart(entry.id, slice.from) < 0 ? slice.old : slice.id;
  }

  /** Takes a slice of a part that is over. */
  private count(slice: Source, isLate: boolean, had: boolean, now: number): void {
    const { strain, retreat } = this.world;
    strain.note(isLate);
    slice.late += Math.trunc(((isLate ? 1_000_000 : 0) - slice.late) / 8);
    if (slice.id !== '') retreat.note(slice.id === EDGE_ID, isLate);
    if (slice.id === '' || slice.id === EDGE_ID) return;
    if (isLate && !slice.isResigned && !retreat.isEdgeLate) retreat.relapse(now);
    if (strain.isActive) return;
    slice.damage = damaged(slice.damage, isLate, had);
    if (slice.damage < DAMAGE_LIMIT || !this.usable(slice, slice.id, now)) return;
    this.depart(slice, had, now);
  }

  /** Leaves a source that did not do its part: with blame when it had what it did not send, for a while otherwise, since it may be a victim. */
  private depart(slice: Source, had: boolean, now: number): void {
    if (had) this.blame(slice, now);
    else if (slice.id !== EDGE_ID && this.usable(slice, slice.id, now)) slice.avoid.set(slice.id, { until: now + REFUSED_MS, leftAt: 0 });
  }

  /** Leaves the source for a while, and for longer each time. */
  private blame(slice: Source, now: number): void {
    const { id } = slice;
    if (id === '' || id === EDGE_ID || now < (slice.avoid.get(id)?.until ?? 0)) return;
    const { avoidMs, isReported } = this.world.trust(id).strike(now);
    slice.avoid.set(id, { until: now + avoidMs, leftAt: 0 });
    if (isReported) this.world.onSlow(id);
  }

  /** Keeps a header source and tells the neighbours that push whether to send headers. */
  private elect(now: number): void {
    const headed = this.slices.map((slice, s) => ({
      source: slice.id !== '' && this.usable(slice, slice.id, now) ? slice.id : '', children: this.world.children(this.parts.info.number, s), lag: slice.lag,
    }));
    for (const s of this.election.elect(headed)) this.command('subscribe', this.slices[s]?.id ?? '', s, this.slices[s]?.from);
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
      Object.assign(slice, { id: to, old: '', from: NEXT_PART, missed: 0, hasWithheld: false, lastPushed: undefined, pushedAt: 0, damage: 0, movedAt: now, hastyAt: 0 });
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
    Object.assign(slice, { id: to, missed: 0, hasWithheld: false, lag: 0, lastPushed: undefined, pushedAt: 0, damage: 0, movedAt: now,
      hastyAt: isUrgent && left !== '' && to !== EDGE_ID ? now : 0 });
    for (const entry of this.parts.all) {
      const times = entry.slices[s];
      if (times === undefined || entry.isComplete || comparePart(entry.id, slice.from) < 0) continue;
      times.since = now;
      times.pushed = false;
      if (to === '' || to === EDGE_ID) continue;
      for (const [first, count] of entry.heldRuns(s)) this.world.cancel(to, entry, first, count);
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
