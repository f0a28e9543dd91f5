/**
 * Keeps playback at a steady, small distance from the live edge.
 *
 * hls.js speeds up only while more than a second is buffered, which never happens at a hold-back of a second, and each
 * stall moves its target away for good. So the player keeps the distance itself: it starts at the playlist's hold-back,
 * goes nearer while the buffer proves that parts come in time, backs off by a bounded step after a stall, and closes
 * small differences by a change of speed that nobody hears. Pure: no clock, no element.
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
  /** A fixed target asked for by the page; the hold-back when undefined. */
  readonly target?: number | undefined;
  /** How near the target may come, in parts. Default 2.25. */
  readonly minParts?: number;
  /** Fastest catch-up. Above 1.1 voices sound hurried. Default 1.1. */
  readonly maxRate?: number;
}

/** The buffer that must always be left for the target to move nearer. */
const comfortable = 0.4;
/** A buffer that fell below this is a near miss: back off before it becomes a stall. */
const nearMiss = 0.15;
/** How long the buffer is watched before the target moves. */
const window = 6;
/** After a stall the target stays where it is for so long. */
const caution = 20;
const stallStep = 0.3;
const maxBackOff = 1;
const nearStep = 0.05;
/** Differences that are not worth a change of speed, and those that end one. */
const dullness = 0.08;
const settled = 0.02;
/** Beyond this distance from the target the player jumps, whatever is buffered. */
const jumpDistance = 2.5;
/**
 * At the first picture and right after a stall the viewer has no picture in motion to lose: then the player jumps over
 * smaller distances too, within what is buffered.
 */
const startJump = { distance: 0.3, seconds: 1.5 } as const;
const stallJump = { distance: 0.8, seconds: 3 } as const;

/** The state machine. One a playback. */
export class LatencyKeeper {
  readonly #rules: LatencyRules;
  #offset = 0;
  #lowest = Infinity;
  #watchedSince: number | undefined;
  #lastStall = -Infinity;
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
    this.#lastStall = now;
    this.#offset = Math.min(Math.max(this.#offset, 0) + stallStep, maxBackOff);
    this.#restartWatch();
  }

  /** The buffer was interrupted for a reason of ours (seek, pause, rung fixed by hand): forget what was observed. */
  reset(): void {
    this.#rate = 1;
    this.#restartWatch();
  }

  /** Takes an observation, to be called a few times a second while playing. */
  tick(sample: LatencySample): LatencyDecision {
    this.#watch(sample);
    const target = this.#target(sample);
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
    return sample.now < this.#jump.until && distance > this.#jump.above && sample.buffer - distance > comfortable;
  }

  #target(sample: LatencySample): number {
    // A distance asked for by the page is not improved upon, only backed off from.
    if (this.#rules.target !== undefined) return this.#rules.target + Math.max(this.#offset, 0);
    const base = sample.holdBack;
    // Two parts is what the draft asks of a hold-back at the least (PART-HOLD-BACK, section 4.4.3.8); a little more
    // covers the append.
    const floor = Math.min(base, sample.partTarget === undefined ? base : (this.#rules.minParts ?? 2.25) * sample.partTarget);
    return Math.max(base + this.#offset, floor);
  }

  #watch(sample: LatencySample): void {
    this.#watchedSince ??= sample.now;
    this.#lowest = Math.min(this.#lowest, sample.buffer);
    if (sample.now - this.#watchedSince < window) return;
    if (this.#lowest < nearMiss) {
      this.#offset = Math.min(this.#offset + nearStep * 2, maxBackOff);
    } else if (this.#lowest > comfortable && sample.now - this.#lastStall > caution && this.#isSettled(sample)) {
      const spare = this.#lowest - comfortable;
      // What was added after a stall is given back quickly, half of the spare at a time; new ground is gained slowly.
      this.#offset = this.#offset > 0 ? Math.max(this.#offset - Math.max(spare / 2, nearStep), 0) : this.#offset - Math.min(nearStep, spare);
    }
    // The floor may hold the target: do not run away below it.
    const base = this.#rules.target ?? sample.holdBack;
    this.#offset = Math.max(this.#offset, this.#target(sample) - base);
    this.#restartWatch();
  }

  #isSettled(sample: LatencySample): boolean {
    return sample.latency - this.#target(sample) < 2 * dullness;
  }

  #restartWatch(): void {
    this.#watchedSince = undefined;
    this.#lowest = Infinity;
  }

  #nextRate(distance: number, buffer: number): number {
    const max = this.#rules.maxRate ?? 1.1;
    if (distance < -3 * dullness) return 0.96; // nearer than asked: the next late part would stall
    const isChasing = this.#rate > 1;
    if (buffer < 2 * nearMiss || distance < (isChasing ? settled : dullness)) return 1;
    const wanted = 1 + distance * 0.2;
    // Steps of 2 %: every change of rate makes the browser re-plan its audio.
    return Math.min(max, Math.max(1.02, Math.round(wanted * 50) / 50));
  }
}
