/**
 * Keeps playback at a steady, small distance from the live edge.
 *
 * hls.js speeds up only while more than a second is buffered, which never happens at a hold-back of a second, and each
 * stall moves its target away for good. So the player keeps the distance itself. A part must be there when the playhead
 * reaches its start, and comes when it is complete: the least distance is its duration, and what it comes late, and a
 * margin for what follows. The lateness is measured (arrival-meter.ts). Until it is known, playback stays a part further
 * back than the playlist's hold-back, since a start is the busiest time of all; differences are closed by a change of
 * speed that nobody hears. Pure: no clock, no element.
 */

/** What is observed at each tick. Seconds, `now` included. */
export interface LatencySample {
  readonly now: number;
  /** Distance of the playhead from the live edge. */
  readonly latency: number;
  /** Media buffered ahead of the playhead. */
  readonly buffer: number;
  /** PART-HOLD-BACK of the playlist (HOLD-BACK without parts). */
  readonly holdBack: number;
  /** PART-TARGET, or undefined for a playlist without parts. */
  readonly partTarget: number | undefined;
  /** How much later than the earliest nearly all parts come; undefined while unknown. */
  readonly lateness?: number | undefined;
}

/** What to do now. */
export interface LatencyDecision {
  /** Playback rate. */
  readonly rate: number;
  /** The distance aimed at, in seconds. */
  readonly target: number;
  /** True when the distance is too large to be closed by speed: seek to the live edge less the target. */
  readonly mustSeek: boolean;
}

/** Bounds of the policy. Seconds. */
export interface LatencyRules {
  /** A fixed target asked for by the page, only backed off from. Default: by measurement. */
  readonly target?: number | undefined;
  /** What is kept between a part's arrival and its use. Default 0.2. */
  readonly margin?: number;
  /** Fastest catch-up. Above 1.1 voices sound hurried. Default 1.1. */
  readonly maxRate?: number;
}

/** Two parts is the least that the draft allows a server to ask for (PART-HOLD-BACK, section 4.4.3.8). */
const minParts = 2;
/** The target is never further from the live edge than the hold-back and so much. */
const maxBackOff = 1;
/** The target comes nearer by so much a second. */
const approach = 0.1;
/** A stall shows that the measured lateness was not all: the target moves away, and this is given back over a quiet time. */
const stallStep = 0.15;
const maxStallOffset = 0.6;
const giveBack = 0.02;
/** A buffer below this is a near miss, which is answered like a third of a stall, once a second at the most. */
const nearMiss = 0.1;
const nearMissStep = 0.05;
/** Differences that are not worth a change of speed, and those that end one. */
const dullness = 0.06;
const settled = 0.02;
/** How hard a difference is followed: by this share of it a second. */
const gain = 0.4;
const slowRate = 0.95;
/** Beyond this distance from the target the player jumps, whatever is buffered. */
const jumpDistance = 2.5;
/** Beyond this one it jumps within what is buffered: closing it by speed would take a quarter of a minute. */
const bufferedJump = 1.2;
/**
 * At the first picture and right after a stall the viewer has no picture in motion to lose: then the player jumps over
 * smaller distances too, within what is buffered.
 */
const startJump = { distance: 0.4, seconds: 1.5 } as const;
const stallJump = { distance: 0.8, seconds: 3 } as const;
/** What a jump leaves in the buffer. */
const leftByJump = 0.4;

/** Where to start: seconds behind the live edge of a playlist with these targets. */
export function startDistance(holdBack: number, partTarget: number): number {
  return holdBack + partTarget;
}

/** The state machine. One a playback. */
export class LatencyKeeper {
  readonly #rules: LatencyRules;
  #target: number | undefined;
  #tickedAt: number | undefined;
  #offset = 0;
  #missedAt = -Infinity;
  #rate = 1;
  #jump = { above: Infinity, until: -Infinity };

  constructor(rules: LatencyRules = {}) {
    this.#rules = rules;
  }

  /** The first picture is shown at `now` (seconds). */
  noteStart(now: number): void {
    this.#jump = { above: startJump.distance, until: now + startJump.seconds };
  }

  /** Playback stood still for want of media until `now` (seconds). */
  noteStall(now: number): void {
    this.#jump = { above: stallJump.distance, until: now + stallJump.seconds };
    this.#offset = Math.min(this.#offset + stallStep, maxStallOffset);
  }

  /** Playback was interrupted for a reason of ours (seek, pause, rung fixed by hand). */
  reset(): void {
    this.#rate = 1;
  }

  /** Takes an observation, to be called a few times a second while playing. */
  tick(sample: LatencySample): LatencyDecision {
    const target = this.#nextTarget(sample);
    const distance = sample.latency - target;
    if (distance > jumpDistance || this.#canJump(sample, distance)) {
      this.#jump = { above: Infinity, until: -Infinity };
      this.reset();
      return { rate: 1, target, mustSeek: true };
    }
    this.#rate = this.#nextRate(distance, sample.buffer);
    return { rate: this.#rate, target, mustSeek: false };
  }

  #canJump(sample: LatencySample, distance: number): boolean {
    const above = sample.now < this.#jump.until ? Math.min(this.#jump.above, bufferedJump) : bufferedJump;
    return distance > above && sample.buffer - distance > leftByJump;
  }

  #nextTarget(sample: LatencySample): number {
    const passed = Math.max(sample.now - (this.#tickedAt ?? sample.now), 0);
    this.#tickedAt = sample.now;
    this.#offset = Math.max(this.#offset - giveBack * passed, 0);
    if (sample.buffer < nearMiss && sample.now - this.#missedAt >= 1) {
      this.#missedAt = sample.now;
      this.#offset = Math.min(this.#offset + nearMissStep, maxStallOffset);
    }
    const wanted = Math.min(this.#wanted(sample) + this.#offset, (this.#rules.target ?? sample.holdBack) + maxBackOff);
    // Away at once, since the next part may be late too; nearer step by step.
    this.#target = Math.max(wanted, (this.#target ?? wanted) - approach * passed);
    return this.#target;
  }

  #wanted({ holdBack, partTarget, lateness }: LatencySample): number {
    if (this.#rules.target !== undefined) return this.#rules.target;
    if (partTarget === undefined) return holdBack;
    if (lateness === undefined) return startDistance(holdBack, partTarget);
    return Math.max(partTarget + lateness + (this.#rules.margin ?? 0.2), minParts * partTarget);
  }

  #nextRate(distance: number, buffer: number): number {
    const max = this.#rules.maxRate ?? 1.1;
    // Nearer than asked: the next late part would stall.
    if (distance < (this.#rate < 1 ? -settled : -2 * dullness)) return slowRate;
    if (buffer < 2 * nearMiss || distance < (this.#rate > 1 ? settled : dullness)) return 1;
    // Steps of 2 %: every change of rate makes the browser re-plan its audio.
    return Math.min(max, Math.max(1.02, Math.round((1 + distance * gain) * 50) / 50));
  }
}
