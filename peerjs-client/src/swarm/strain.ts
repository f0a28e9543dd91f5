/** The whole of a level: levels are in millionths. */
const ONE = 1_000_000;
/** Slices over which lateness is averaged: a second or so. */
const WINDOW = 16;
const STRAINED_AT = 300_000;
const RELAXED_AT = 150_000;
const RETREAT_AT = 500_000;

/**
 * How general lateness is: the average, over the latest slices from all
 * sources, of those that had to be repaired. One late parent is a matter of
 * that parent; when most are late, repairs only add to the load that makes them
 * late (docs/repair.md, rule 14).
 */
export class Strain {
  private value = 0;
  private isOn = false;

  /** Takes a slice of a part that is over. @param isLate - some of it was repaired. */
  note(isLate: boolean): void {
    this.value += Math.trunc(((isLate ? ONE : 0) - this.value) / WINDOW);
    if (this.value >= STRAINED_AT) this.isOn = true;
    else if (this.value < RELAXED_AT) this.isOn = false;
  }

  /** Lateness is general. */
  get isActive(): boolean {
    return this.isOn;
  }

  /** Share of late slices in millionths. */
  get level(): number {
    return this.value;
  }
}

/** So long, with jitter, strain may be high before slices are given up. */
const RETREAT_AFTER_MS = 500;
const MIN_HOLD_MS = 5_000;
const MAX_HOLD_MS = 120_000;
/** Between slices that return, with jitter. */
const RETURN_STEP_MS = 2_000;
/** After so long with all slices from peers the last retreat is forgotten. */
const FORGET_HOLD_MS = 60_000;

/**
 * Bounds how many slices come from peers, so that a swarm beyond its capacity
 * sheds load to the edge and comes back without swinging: half of them are given
 * up while strain stays high, and they return one by one when it is low, later
 * after each retreat that follows a return (docs/repair.md, rule 15).
 */
export class Retreat {
  private isAway = false;
  private hasReturned = false;
  private quota = 0;
  private badAt = 0;
  private waitMs = 0;
  private holdMs = 0;
  private returnAt = 0;
  private calmAt = 0;
  /** Strain of the slices that peers push, and of those of the feed: going to a feed that is no better would only take capacity away. */
  private peers = new Strain();
  private readonly edge = new Strain();

  /** @param seed - 32 bits that spread the viewers of a swarm in time. */
  constructor(private seed: number) {}

  /** Takes a slice of a part that is over, as {@link Strain.note} does. */
  note(isFromEdge: boolean, isLate: boolean): void {
    (isFromEdge ? this.edge : this.peers).note(isLate);
  }

  /** The feed is late in general, too. */
  get isEdgeLate(): boolean {
    return this.edge.isActive;
  }

  /** The strain that counts against peers while `taken` slices come from them: none when the feed is late itself. */
  level(taken: number): number {
    if (taken === 0) this.peers = new Strain();
    return this.isEdgeLate ? 0 : this.peers.level;
  }

  /** A slice from a peer is late while others are given up: it came back too early. */
  relapse(now: number): void {
    if (!this.isAway || this.quota === 0) return;
    this.quota--;
    this.returnAt = now + this.jitter(this.holdMs);
  }

  /**
   * @param level - the strain.
   * @param taken - slices that come from peers.
   * @param all - slices that the tracker assigned to peers.
   * @returns how many may come from peers now.
   */
  update(level: number, taken: number, all: number, now: number): number {
    if (level < RETREAT_AT) this.badAt = 0;
    if (level >= RETREAT_AT && this.badAt === 0) {
      this.badAt = Math.max(now, 1);
      this.waitMs = this.jitter(RETREAT_AFTER_MS);
    } else if (level >= RETREAT_AT && taken > 0 && now - this.badAt >= this.waitMs) {
      if (!this.isAway || this.hasReturned) this.holdMs = Math.min(Math.max(2 * this.holdMs, MIN_HOLD_MS), MAX_HOLD_MS);
      this.isAway = true;
      this.hasReturned = false;
      this.quota = taken >> 1;
      this.badAt = 0;
      this.returnAt = now + this.jitter(this.holdMs);
    } else if (level < RELAXED_AT && this.isAway && now >= this.returnAt) {
      this.quota++;
      this.hasReturned = true;
      this.returnAt = now + this.jitter(RETURN_STEP_MS);
    } else if (level < RELAXED_AT && !this.isAway && now - this.calmAt >= FORGET_HOLD_MS) {
      this.holdMs = 0;
    }
    if (this.isAway && this.quota >= all) {
      this.isAway = false;
      this.calmAt = now;
    }
    return this.isAway ? this.quota : all;
  }

  /** From ms/2 to 3/2 ms. */
  private jitter(ms: number): number {
    this.seed = (Math.imul(this.seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.trunc(ms / 2) + Math.trunc((ms * (this.seed >>> 16)) / 65_536);
  }
}
