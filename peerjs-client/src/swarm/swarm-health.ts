import type { Link } from './link.js';
import type { Reputation } from './reputation.js';
import { isMute, shouldAsk } from './silence.js';
import type { SourcePolicy } from './source-policy.js';
import { Retreat, Strain } from './strain.js';

/** Ticks come every 50 ms at least. */
const LATE_TICK_MS = 100;

/** A mute neighbour is gone after so long without a frame. */
const GONE_MS = 2_500;

export interface SwarmHealthOptions {
  /** 32 bits that spread the viewers of a swarm in time. */
  readonly seed: number;
  readonly reputation: Reputation;
  peers(): readonly Link[];
  /** Of the active tracks. */
  sources(): readonly SourcePolicy[];
  partMs(): number;
  /** A source was left too often: the tracker should know. */
  onSlow(id: string): void;
}

/** Who is there, and how much the swarm can carry: probes sources from which nothing comes, and retreats from a swarm that is late. */
export class SwarmHealth {
  readonly strain = new Strain();
  readonly retreat: Retreat;
  /** Neighbours that did not answer a PING, and when it was sent. */
  private readonly mute = new Set<string>();
  private readonly asked = new Map<string, number>();
  private tickedAt = 0;

  constructor(private readonly o: SwarmHealthOptions) {
    this.retreat = new Retreat(o.seed);
  }

  isMute(id: string): boolean {
    return this.mute.has(id);
  }

  tick(now: number): void {
    // After a late tick this page was busy: what has come waits behind it, and nobody is taken for mute.
    const isLate = now - this.tickedAt > LATE_TICK_MS;
    this.tickedAt = now;
    for (const link of this.o.peers()) this.probe(link, isLate, now);
    this.shed(now);
  }

  /** The neighbour is gone. */
  gone(id: string): void {
    this.mute.delete(id);
    this.asked.delete(id);
  }

  /** Asks a source from which nothing comes for a sign of life, and leaves it when it gives none (docs/repair.md, rule 5). */
  private probe(link: Link, isLate: boolean, now: number): void {
    const { id } = link;
    const probe = { heard: link.lastHeardAt, asked: this.asked.get(id) ?? 0, rtt: link.rttMs === undefined ? 0 : Math.max(link.rttMs, 1) };
    if (this.mute.has(id)) {
      if (probe.heard >= probe.asked) this.heardAgain(id, now);
      else if (!isLate && now - probe.heard > GONE_MS) link.giveUp('mute');
      return;
    }
    const due = Math.max(0, ...this.o.sources().map((s) => s.dueFrom(id, this.o.partMs(), now)));
    if (shouldAsk(probe, due, now)) {
      this.asked.set(id, now);
      link.probe(now);
    } else if (!isLate && isMute(probe, now) && !this.strain.isActive) {
      this.mute.add(id);
      const { avoidMs, isReported } = this.o.reputation.of(id).strike(now);
      for (const s of this.o.sources()) s.silence(id, avoidMs, now);
      if (isReported) this.o.onSlow(id);
    }
  }

  private heardAgain(id: string, now: number): void {
    this.mute.delete(id);
    const isExcused = this.o.sources().map((s) => s.heardAgain(id, now)).includes(true);
    if (isExcused) this.o.reputation.of(id).excuse();
  }

  /** Gives slices up to the edge, or takes them back, as strain demands (rule 15). */
  private shed(now: number): void {
    const all = this.o.sources().flatMap((s) => s.shared);
    let taken = all.filter((s) => !s.isResigned).length;
    const quota = this.retreat.update(this.retreat.level(taken), taken, all.length, now);
    while (taken !== quota) {
      const isTooMany = taken > quota;
      let found: (typeof all)[number] | undefined;
      for (const s of all) {
        if (s.isResigned !== isTooMany && (found === undefined || (isTooMany ? s.late > found.late : s.late < found.late))) found = s;
      }
      if (found === undefined) return;
      found.isResigned = isTooMany;
      taken += isTooMany ? -1 : 1;
    }
  }
}
