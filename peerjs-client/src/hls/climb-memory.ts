/**
 * How fast a push is believed to have been (load-timing.ts): fast enough for the next rung up to be tried, and after a
 * rung had to be left for want of bandwidth, not so fast that it is tried again at once. Other viewers may deliver a rung
 * in bursts while the line to the edge, by which the next rung would come, carries less than that. Pure.
 */

/** A rung that was too much. */
interface Fall {
  /** bit/s. */
  readonly bitrate: number;
  readonly until: number;
  /** Seconds. */
  readonly pause: number;
}

/** A push is believed up to this multiple of its own bitrate, whatever is above it. */
const gain = 3;
/** hls.js climbs to a rung when 0.7 of the estimate carries it (`abrBandWidthUpFactor`); a little more makes it do so. */
const enoughToClimb = 1.1 / 0.7;
/** Less than that, and more than hls.js needs to stay on a rung (`abrBandWidthFactor`, 0.95). */
const tooLittleToClimb = 1.2;
const firstPause = 30;
const longestPause = 240;

/** One a playback. Times in seconds, bitrates in bit/s. */
export class ClimbMemory {
  #fall: Fall | undefined;

  /** The rung of this bitrate was left at `now` because it came too slowly. */
  noteFall(now: number, bitrate: number): void {
    const last = this.#fall;
    const isAgain = last !== undefined && now < last.until + longestPause;
    const pause = isAgain ? Math.min(last.pause * 2, longestPause) : firstPause;
    this.#fall = { bitrate, until: now + pause, pause };
  }

  /** The rate up to which a push of a rung is believed. @param next bitrate of the rung above, undefined on the highest. */
  believed(now: number, own: number, next: number | undefined): number {
    const most = Math.max(gain * own, enoughToClimb * (next ?? 0));
    const fall = this.#fall;
    if (fall === undefined || now >= fall.until || own >= fall.bitrate) return most;
    return Math.min(most, tooLittleToClimb * fall.bitrate);
  }
}
