/** bit/s that a line is taken for before anything is known; the tracker plans half of it. */
export const UPLINK_START = 3_000_000;

// Times and steps in ms and bit/s; the reasons stand with their Go twin,
// internal/peerstate/uplink.go.
const FLOOR = 250_000;
const WINDOW_MS = 1_000;
const PING_MS = 400;
const ANSWER_MS = 3_000;
const LEAP = 3_000_000;
const CALM_MS = 50;
const FAST_MS = 30;
const QUEUE_MS = 100;
const FULL_MS = 200;
const LEAST_MS = 40;
const SEVERAL = 3;
const LOCAL_MS = 3;
const DRIFT_MS = 5_000;
const SETTLE_MS = 3_000;
const HOLD_MS = 10_000;
const CEILING_MS = 20_000;
const STEP_MS = 4_000;
const IDLE_MS = 20_000;

/** What one neighbour's channel shows. */
interface Channel {
  /** Least round trip and since when it stands; 0: unknown. */
  base: number;
  baseAt: number;
  /** Longest and shortest of this window; 0: none yet. */
  rtt: number;
  low: number;
  pingAt: number;
  isAwaited: boolean;
  unpinged: number;
  /** Bytes given to the channel in this window; what it held when it began, holds now, and held at least. */
  sent: number;
  first: number;
  buffered: number;
  least: number;
}

/** What a window showed. */
interface Evidence {
  readonly carried: number;
  readonly delay: number;
  /** The same by the shortest round trips. */
  readonly least: number;
  readonly isStanding: boolean;
  readonly isKnown: boolean;
  readonly active: number;
}

/**
 * Estimates from the traffic itself what this viewer's line carries upwards, in
 * bit/s (docs/uplink.md): it grows while a good part of it is carried without
 * queueing, and falls when the neighbours see queues. Pure; times in ms.
 */
export class Uplink {
  private readonly limit: number;
  private readonly start: number;
  private estimate: number;
  private isEvident = false;
  private readonly channels = new Map<string, Channel>();
  private isBehind = false;
  private isHeld = false;
  private heldAt = 0;
  private queued = 0;
  private settleUntil = 0;
  private holdUntil = 0;
  private ceiling = 0;
  private ceilingUntil = 0;
  private idleSince: number;

  /**
   * @param limit - the most that may be used, by configuration; 0 gives 0 for ever.
   * @param start - what is known of the line from before; 0: nothing.
   */
  constructor(limit: number, start: number, private windowAt: number) {
    this.limit = Math.max(Math.trunc(limit), 0);
    this.start = Math.min(UPLINK_START, this.limit);
    this.estimate = Math.min(Math.max(start > 0 ? Math.trunc(start) : UPLINK_START, FLOOR), this.limit);
    this.idleSince = windowAt;
  }

  /** The estimate: what the tracker is told. */
  get rate(): number {
    return this.estimate;
  }

  /** Rate of the token bucket: a quarter above the estimate, never above the limit. */
  get pace(): number {
    return Math.min(this.estimate + quotient(this.estimate, 4), this.limit);
  }

  /** Whether the estimate rests on evidence: only then is it worth remembering. */
  get isMeasured(): boolean {
    return this.isEvident;
  }

  /** So many bytes of chunks were given to a neighbour's channel. */
  sent(peer: string, bytes: number): void {
    const c = this.channel(peer);
    c.sent += bytes;
    c.unpinged += bytes;
    c.buffered += bytes;
  }

  /** How much a neighbour's channel holds; to be told a few times a window. */
  buffered(peer: string, bytes: number): void {
    const c = this.channel(peer);
    c.buffered = bytes;
    c.least = Math.min(c.least, bytes);
  }

  /** Whether the round trip to a neighbour is to be taken now: behind chunks, where a queue would show. */
  wantsPing(peer: string, now: number): boolean {
    const c = this.channels.get(peer);
    if (c === undefined || c.unpinged === 0 || now - c.pingAt < (c.isAwaited ? ANSWER_MS : PING_MS)) return false;
    c.pingAt = now;
    c.unpinged = 0;
    c.isAwaited = true;
    return true;
  }

  /** The time from PING to PONG. */
  roundTrip(peer: string, ms: number, now: number): void {
    const c = this.channel(peer);
    const rtt = Math.max(Math.trunc(ms), 1);
    c.isAwaited = false;
    if (now - ms < this.heldAt) return; // it took part of that time for want of us
    while (c.base !== 0 && now - c.baseAt >= DRIFT_MS) {
      c.base++;
      c.baseAt += DRIFT_MS;
    }
    if (c.base === 0 || rtt <= c.base) {
      c.base = rtt;
      c.baseAt = now;
    }
    c.low = c.rtt === 0 ? rtt : Math.min(c.low, rtt);
    c.rtt = Math.max(c.rtt, rtt);
  }

  /** Forgets a neighbour. */
  gone(peer: string): void {
    this.channels.delete(peer);
  }

  /** This viewer's own download was late. */
  behind(): void {
    this.isBehind = true;
  }

  /**
   * This page did not run for a moment until now: its machine is busy, or it is in the background. Round trips of that
   * time measure that and not the line, and an answer that is not there yet may have waited for us.
   */
  heldUp(now: number): void {
    this.isHeld = true;
    this.heldAt = now;
    for (const c of this.channels.values()) {
      c.rtt = 0;
      c.isAwaited = false;
    }
  }

  /** Ends the window when its time has come. @returns whether the estimate changed. */
  tick(now: number): boolean {
    const span = now - this.windowAt;
    if (span < WINDOW_MS) return false;
    this.windowAt = now;
    const old = this.estimate;
    if (span < 5 * WINDOW_MS) this.judge(span, now); // else the page was suspended: what it saw means nothing
    this.isBehind = this.isHeld = false;
    for (const c of this.channels.values()) {
      c.sent = c.rtt = 0;
      c.first = c.least = c.buffered;
    }
    return this.estimate !== old;
  }

  private channel(peer: string): Channel {
    let c = this.channels.get(peer);
    if (c === undefined) {
      c = { base: 0, baseAt: 0, rtt: 0, low: 0, pingAt: 0, isAwaited: false, unpinged: 0, sent: 0, first: 0, buffered: 0, least: 0 };
      this.channels.set(peer, c);
    }
    return c;
  }

  private judge(span: number, now: number): void {
    const e = this.collect(span, now);
    if (e.active === 0) {
      this.queued = 0;
      this.rest(now);
      return;
    }
    this.idleSince = now;
    if (this.isHeld && !e.isKnown) return;
    if (now < this.settleUntil) {
      this.queued = 0;
    } else if (e.delay >= (this.isBehind ? QUEUE_MS / 2 : QUEUE_MS) && (e.active < SEVERAL || e.least >= LEAST_MS)) {
      if (++this.queued >= 2 || e.delay >= FULL_MS) this.fall(e, now);
    } else {
      this.queued = 0;
      if (e.delay < CALM_MS && e.isKnown && !this.isBehind && now >= this.holdUntil) this.grow(e, now);
    }
  }

  /** Sums a window up. Neighbours on the LAN count only when there are no others. */
  private collect(span: number, now: number): Evidence {
    const active = [...this.channels.values()].filter((c) => c.sent > 0 || c.buffered > 0);
    const isLocal = active.every((c) => c.base < LOCAL_MS);
    const counted = active.filter((c) => isLocal || c.base === 0 || c.base >= LOCAL_MS);
    const drained = counted.map((c) => Math.max(c.sent - (c.buffered - c.first), 0));
    const waits = counted.map((c, i) => standingWait(c, drained[i] ?? 0, span));
    return {
      active: counted.length,
      carried: drained.reduce((sum, bytes) => sum + quotient(bytes * 8_000, span), 0),
      // The uplink is what all share: a queue that only the worse half sees is on their own side.
      delay: lowerMedian(counted.map((c, i) => Math.max(delayOf(c, c.rtt, now), waits[i] ?? 0))),
      least: lowerMedian(counted.map((c, i) => Math.max(delayOf(c, c.low, now), waits[i] ?? 0))),
      isStanding: lowerMedian(waits) >= QUEUE_MS,
      isKnown: 2 * counted.filter((c) => c.rtt > 0).length >= counted.length,
    };
  }

  private grow(e: Evidence, now: number): void {
    let next = this.estimate + quotient(this.estimate, 2);
    const known = this.ceiling - quotient(this.ceiling, 5);
    if (this.ceiling > 0 && next > known) {
      next = known;
      if (now >= this.ceilingUntil && this.estimate >= known) {
        next = this.estimate + quotient(this.estimate, 8);
        this.ceilingUntil = now + STEP_MS;
      }
    }
    const most = supported(e);
    next = Math.min(next, most, this.limit);
    if (most >= this.estimate) this.isEvident = true;
    this.estimate = Math.max(this.estimate, next);
  }

  private fall(e: Evidence, now: number): void {
    const next = e.isStanding
      ? Math.max(e.carried, quotient(this.estimate, 4))
      : Math.max(quotient(this.estimate * 7, 10), quotient(e.carried * 9, 10));
    if (next >= this.estimate) return; // what queues is a backlog, which drains
    this.ceiling = this.estimate;
    this.ceilingUntil = now + CEILING_MS;
    this.estimate = Math.min(Math.max(next, FLOOR), this.limit);
    this.isEvident = true;
    this.queued = 0;
    this.settleUntil = now + SETTLE_MS;
    this.holdUntil = now + HOLD_MS;
  }

  /** An estimate below the start rises when there is nothing to measure. */
  private rest(now: number): void {
    if (this.estimate >= this.start || now - this.idleSince < IDLE_MS) return;
    this.idleSince = now;
    this.estimate = Math.min(this.estimate + quotient(this.estimate, 4), this.start);
  }
}

/** Whether an estimate differs enough from what the tracker was told for it to change anything there. */
export function isUplinkNews(told: number, rate: number): boolean {
  return Math.abs(rate - told) * 10 > told * 3;
}

/** The most that what a window carried is evidence for: less when some delay says that the line may be near its end. */
function supported({ carried, delay }: Evidence): number {
  return delay >= FAST_MS ? 2 * carried : Math.max(3 * carried, Math.min(5 * carried, LEAP));
}

/** By how much a round trip of the window was longer than it need be; an answer that does not come is as good as a late one. */
function delayOf(c: Channel, rtt: number, now: number): number {
  if (c.rtt > 0) return rtt - c.base;
  return c.isAwaited && c.base !== 0 ? Math.max(now - c.pingAt - c.base, 0) : 0;
}

/** How long what stood in the send buffer through the whole window takes to leave it. */
function standingWait(c: Channel, drained: number, span: number): number {
  const least = Math.min(c.least, c.first);
  if (least <= 0) return 0;
  return drained === 0 ? span : quotient(least * span, drained);
}

function lowerMedian(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[quotient(sorted.length - 1, 2)] ?? 0;
}

function quotient(a: number, b: number): number {
  return Math.trunc(a / b);
}
