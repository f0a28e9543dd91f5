import type { Clock } from '../clock.js';
import { chunkLength, chunkRange } from '../wire/part-header.js';
import { EDGE_ID } from '../wire/peer-frames.js';
import type { ByteCounters } from './counters.js';
import type { EdgeFetch } from './edge-fetch.js';
import type { HaveBook } from './have-book.js';
import type { Link } from './link.js';
import type { PartEntry } from './part-entry.js';
import type { Receiver } from './receiver.js';
import { plan, type Pending, type Step } from './repair-policy.js';
import type { Reputation } from './reputation.js';
import { DEFAULT_RULES } from './rules.js';
import type { SourcePolicy } from './source-policy.js';
import type { Strain } from './strain.js';

/** Range requests at the same time; more would only share the same path. */
const MAX_FETCHES = 4;

export interface RepairerOptions {
  readonly clock: Clock;
  readonly haves: HaveBook;
  readonly receiver: Receiver;
  readonly edge: EdgeFetch;
  readonly counters: ByteCounters;
  /** Address of a part. */
  partUrl(entry: PartEntry): string;
  linkOf(id: string): Link | undefined;
  isUp(id: string): boolean;
  reputation: Reputation;
  strain: Strain;
  sourcesOf(entry: PartEntry): SourcePolicy | undefined;
  /** The player waits for a part whose header is not to be expected in time. */
  onHopeless(entry: PartEntry): void;
}

/** Carries out the repair policy: requests to neighbours, byte ranges from the edge, and switches of sources. */
export class Repairer {
  edgeRequests = 0;
  peerRequests = 0;
  switches = 0;
  private fetching = 0;
  private readonly aborts = new Map<PartEntry, AbortController>();

  constructor(private readonly o: RepairerOptions) {}

  /**
   * Does for one part what is due now.
   * @param isWanted - the player waits for it: only then the edge is asked.
   */
  run(entry: PartEntry, sources: SourcePolicy, deadline: number, isWanted: boolean, now: number): void {
    const view = {
      seenAt: entry.seenAt, deadline, have: entry.have, slices: sources.view(entry, this.o.isUp, now),
      neighbours: this.o.haves.holders(entry, (id) => this.o.isUp(id) && !this.o.reputation.of(id).isDoubted(now)),
      pending: entry.pending, retryAt: entry.retryAt, strained: this.o.strain.isActive,
      edgeMs: this.o.edge.reserveMs((entry.header?.size ?? 0) - entry.loaded),
    };
    for (const step of plan(DEFAULT_RULES, view, now)) this.carryOut(entry, sources, step, isWanted, now);
  }

  /** Whether a byte range is on its way. */
  isFetching(entry: PartEntry): boolean {
    return entry.pending.some((q) => q.from === EDGE_ID);
  }

  /**
   * Asks the edge, at the last moment, for all that is missing and not on its way from there.
   * @returns false when the edge failed a moment ago.
   */
  fetchMissing(entry: PartEntry): boolean {
    const { have, verifying, pending } = entry;
    if (have === undefined || verifying === undefined || this.o.clock.now() < entry.retryAt) return false;
    const isMissing = (i: number): boolean => !have.has(i) && !verifying.has(i)
      && !pending.some((q) => q.from === EDGE_ID && q.first <= i && i < q.first + q.count);
    for (let i = 0; i < have.length; i++) {
      const first = i;
      while (i < have.length && isMissing(i)) i++;
      if (i > first) void this.fetch(entry, first, i - first);
    }
    return true;
  }

  /** A chunk came: takes it off the requests, and withdraws those that others have answered. */
  answered(entry: PartEntry, chunk: number, from: string): void {
    entry.pending = entry.pending.filter((q) => {
      if (q.from === EDGE_ID || chunk < q.first || chunk >= q.first + q.count) return true;
      this.o.haves.load(q.from, -1);
      if (q.from === from) this.o.reputation.of(from).kept();
      if (entry.have?.hasRange(q.first, q.first + q.count) !== true) return true;
      if (q.from !== from) this.withdraw(entry, q);
      return false;
    });
  }

  /** A neighbour will not send chunks it was asked for. */
  refused(entry: PartEntry, id: string, first: number, count: number): void {
    entry.pending = entry.pending.filter((q) => {
      const isMeant = q.from === id && q.first < first + count && first < q.first + q.count;
      if (isMeant) this.unload(entry, q);
      return !isMeant;
    });
    entry.failed.add(id);
  }

  /** A neighbour is gone. */
  gone(entry: PartEntry, id: string): void {
    entry.pending = entry.pending.filter((q) => q.from !== id);
  }

  /** Nobody waits for the part any more: requests and fetches under way end. */
  drop(entry: PartEntry): void {
    for (const q of entry.pending) {
      if (q.from !== EDGE_ID) this.withdraw(entry, q);
    }
    entry.pending = entry.pending.filter((q) => q.from === EDGE_ID);
    this.aborts.get(entry)?.abort();
  }

  close(): void {
    for (const abort of this.aborts.values()) abort.abort();
    this.aborts.clear();
  }

  private carryOut(entry: PartEntry, sources: SourcePolicy, step: Step, isWanted: boolean, now: number): void {
    switch (step.kind) {
      case 'giveUp':
        return;
      case 'fetchAll':
        if (!isWanted) return;
        sources.abandoned(entry, this.o.isUp);
        this.o.onHopeless(entry); // by the player's own HTTP
        return;
      case 'cancel':
        entry.pending = entry.pending.filter((q) => {
          const isMeant = q.from === step.peer && q.first === step.first && q.count === step.count;
          if (isMeant) this.withdraw(entry, q);
          return !isMeant;
        });
        entry.failed.add(step.peer);
        this.o.reputation.of(step.peer).broke(now);
        return;
      case 'switch':
        this.switches++;
        sources.switchFrom(entry, step.slice, step.peer, now);
        return;
      case 'request':
        this.request(entry, step.peer, step.first, step.count, step.until, now);
        return;
      case 'fetch':
        if (isWanted && this.fetching < MAX_FETCHES) void this.fetch(entry, step.first, step.count);
        return;
    }
  }

  private request(entry: PartEntry, peer: string, first: number, count: number, until: number, now: number): void {
    const link = this.o.linkOf(peer);
    if (link === undefined) return;
    this.peerRequests++;
    entry.pending.push({ from: peer, first, count, all: false, until });
    this.o.haves.load(peer, count);
    this.o.sourcesOf(entry)?.overtaken(entry, first, count, peer, this.o.isUp);
    const deadlineMs = Math.max(1, Math.round(until - now));
    link.send({ type: 'request', track: entry.track, msn: entry.id.msn, index: entry.id.index, first, count, deadlineMs });
  }

  private async fetch(entry: PartEntry, first: number, count: number): Promise<void> {
    const { header } = entry;
    if (header === undefined) return;
    const pending: Pending = { from: EDGE_ID, first, count, all: false, until: 0 };
    entry.pending.push(pending);
    this.fetching++;
    this.edgeRequests++;
    this.o.sourcesOf(entry)?.overtaken(entry, first, count, EDGE_ID, this.o.isUp);
    let abort = this.aborts.get(entry);
    if (abort === undefined) this.aborts.set(entry, abort = new AbortController());
    const [from] = chunkRange(header, first);
    const [, to] = chunkRange(header, first + count - 1);
    const bytes = await this.o.edge.range(this.o.partUrl(entry), from, to, abort.signal);
    this.fetching--;
    this.o.counters.httpBytes += bytes?.length ?? 0;
    for (let i = first; bytes !== undefined && i < first + count; i++) {
      if (entry.have?.has(i) === true) this.o.counters.duplicateBytes += chunkLength(header, i); // it was pushed meanwhile
    }
    const isRight = bytes !== undefined && await this.o.receiver.range(entry, first, bytes);
    entry.pending = entry.pending.filter((q) => q !== pending);
    if (!isRight) entry.retryAt = this.o.clock.now() + DEFAULT_RULES.retryMs;
    if (!this.isFetching(entry)) this.aborts.delete(entry);
  }

  private withdraw(entry: PartEntry, q: Pending): void {
    this.unload(entry, q);
    this.o.linkOf(q.from)?.send({ type: 'cancel', track: entry.track, msn: entry.id.msn, index: entry.id.index, first: q.first, count: q.count });
  }

  private unload(entry: PartEntry, q: Pending): void {
    let missing = 0;
    for (let i = q.first; i < q.first + q.count; i++) missing += entry.have?.has(i) === true ? 0 : 1;
    this.o.haves.load(q.from, -missing);
  }
}
